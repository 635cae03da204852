#include "tests/clients/grpc_server.h"

#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace pointsman::testing {
namespace {

void ReturnMetadata(grpc::ServerContext* context) {
  const auto& asked = context->client_metadata();
  if (const auto found = asked.find("x-ask"); found != asked.end()) {
    context->AddInitialMetadata("x-heard", std::string(found->second.data(), found->second.size()));
  }
  if (const auto found = asked.find("x-ask-bin"); found != asked.end()) {
    context->AddTrailingMetadata("x-heard-bin",
                                 std::string(found->second.data(), found->second.size()));
  }
}

class HangReactor final : public grpc::ServerUnaryReactor {
 public:
  HangReactor(CallLog* calls, std::string text) : calls_(calls), text_(std::move(text)) {
    calls_->Begun(text_);
  }
  void OnCancel() override {
    calls_->Cancelled(text_);
    Finish(grpc::Status::CANCELLED);
  }
  void OnDone() override { delete this; }

 private:
  CallLog* calls_;
  std::string text_;
};

}  // namespace

void CallLog::Begun(const std::string& text) {
  absl::MutexLock lock(&mutex_);
  begun_.insert(text);
}

void CallLog::Cancelled(const std::string& text) {
  absl::MutexLock lock(&mutex_);
  cancelled_.insert(text);
}

bool CallLog::Wait(const std::string& text, bool cancelled, absl::Time deadline) {
  absl::MutexLock lock(&mutex_);
  const auto reached = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return (cancelled ? cancelled_ : begun_).count(text) > 0;
  };
  return mutex_.AwaitWithDeadline(absl::Condition(&reached), deadline);
}

grpc::Status GrpcServer::Say(grpc::ServerContext* context, const EchoRequest* request,
                             EchoReply* reply) {
  ReturnMetadata(context);
  if (request->code() != 0) {
    return {static_cast<grpc::StatusCode>(request->code()), request->text(), request->text()};
  }
  const auto deadline = context->deadline();
  if (deadline != std::chrono::system_clock::time_point::max()) {
    reply->set_left_ms(std::chrono::duration_cast<std::chrono::milliseconds>(
                           deadline - std::chrono::system_clock::now())
                           .count());
  }
  reply->set_text(request->text());
  if (context->compression_algorithm() == GRPC_COMPRESS_NONE) {
    context->set_compression_algorithm(GRPC_COMPRESS_GZIP);
  }
  return grpc::Status::OK;
}

grpc::Status GrpcServer::Collect(grpc::ServerContext*, grpc::ServerReader<EchoRequest>* reader,
                                 EchoReply* reply) {
  EchoRequest request;
  while (reader->Read(&request)) absl::StrAppend(reply->mutable_text(), request.text());
  return grpc::Status::OK;
}

grpc::Status GrpcServer::Expand(grpc::ServerContext*, const EchoRequest* request,
                                grpc::ServerWriter<EchoReply>* writer) {
  EchoReply reply;
  reply.set_text(request->text());
  for (int sent = 0; sent < request->count(); ++sent) {
    if (!writer->Write(reply)) return grpc::Status::CANCELLED;
  }
  return grpc::Status::OK;
}

grpc::Status GrpcServer::Chat(grpc::ServerContext* context,
                              grpc::ServerReaderWriter<EchoReply, EchoRequest>* stream) {
  EchoRequest request;
  std::string first;
  EchoReply reply;
  while (stream->Read(&request)) {
    if (first.empty()) calls_.Begun(first = request.text());
    reply.set_text(request.text());
    if (!stream->Write(reply)) break;
  }
  if (context->IsCancelled()) calls_.Cancelled(first);
  return grpc::Status::OK;
}

grpc::ServerUnaryReactor* GrpcServer::Hang(grpc::CallbackServerContext*, const EchoRequest* request,
                                           EchoReply*) {
  return new HangReactor(&calls_, request->text());
}

grpc::Status GrpcServer::Await(grpc::ServerContext* context, const AwaitRequest* request,
                               EchoReply*) {
  const absl::Time deadline = absl::FromChrono(context->deadline());
  if (calls_.Wait(request->text(), request->cancelled(), deadline)) return grpc::Status::OK;
  return {grpc::StatusCode::DEADLINE_EXCEEDED, "it did not come so far"};
}

}  // namespace pointsman::testing
