#pragma once

// The server of echo.proto. Thread-safe.

#include <grpcpp/grpcpp.h>

#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "echo.grpc.pb.h"

namespace pointsman::testing {

// What calls have come to, by their text.
class CallLog {
 public:
  void Begun(const std::string& text);
  void Cancelled(const std::string& text);
  // False: not before `deadline`.
  bool Wait(const std::string& text, bool cancelled, absl::Time deadline);

 private:
  absl::Mutex mutex_;
  std::set<std::string> begun_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> cancelled_ ABSL_GUARDED_BY(mutex_);
};

class GrpcServer final : public Echo::WithCallbackMethod_Hang<Echo::Service> {
 public:
  grpc::Status Say(grpc::ServerContext* context, const EchoRequest* request,
                   EchoReply* reply) override;
  grpc::Status Collect(grpc::ServerContext* context, grpc::ServerReader<EchoRequest>* reader,
                       EchoReply* reply) override;
  grpc::Status Expand(grpc::ServerContext* context, const EchoRequest* request,
                      grpc::ServerWriter<EchoReply>* writer) override;
  grpc::Status Chat(grpc::ServerContext* context,
                    grpc::ServerReaderWriter<EchoReply, EchoRequest>* stream) override;
  grpc::ServerUnaryReactor* Hang(grpc::CallbackServerContext* context, const EchoRequest* request,
                                 EchoReply* reply) override;
  grpc::Status Await(grpc::ServerContext* context, const AwaitRequest* request,
                     EchoReply* reply) override;

 private:
  CallLog calls_;
};

}  // namespace pointsman::testing
