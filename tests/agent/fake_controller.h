#pragma once

// An AgentService in this process that records what agents say and says what the test tells it.
// Thread-safe; ends its streams and its server when destroyed.

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/core/check.h"
#include "common/mutex.h"
#include "pointsman/v1/agent.grpc.pb.h"

namespace pointsman::testing {

class FakeController final : public v1::AgentService::Service {
 public:
  using Stream = grpc::ServerReaderWriter<v1::AgentCommand, v1::AgentMessage>;

  // `port` 0: any.
  explicit FakeController(int port = 0) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(absl::StrCat("127.0.0.1:", port), grpc::InsecureServerCredentials(),
                             &port_);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    PM_CHECK(server_ != nullptr);
  }
  ~FakeController() override { server_->Shutdown(std::chrono::system_clock::now()); }

  int port() const { return port_; }
  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

  // Sent after Welcome on each stream.
  void Assign(const v1::Assignment& assignment) {
    common::MutexLock lock(mutex_);
    assignments_.push_back(assignment);
  }
  // Sent to each Hello.
  void SetInterval(absl::Duration interval) {
    common::MutexLock lock(mutex_);
    interval_ms_ = absl::ToInt64Milliseconds(interval);
  }
  // Every stream is refused with this from now on.
  void Refuse(const grpc::Status& status) {
    common::MutexLock lock(mutex_);
    refuse_ = status;
  }
  // Streams read nothing until Resume().
  void Pause() {
    common::MutexLock lock(mutex_);
    paused_ = true;
  }
  void Resume() {
    common::MutexLock lock(mutex_);
    paused_ = false;
    changed_.NotifyAll();
  }

  // Waits until a message satisfies `wanted`; false after 20 s.
  bool Await(const std::function<bool(const v1::AgentMessage&)>& wanted) {
    return AwaitAll([&wanted](const std::vector<v1::AgentMessage>& all) {
      for (const v1::AgentMessage& message : all) {
        if (wanted(message)) return true;
      }
      return false;
    });
  }
  bool AwaitAll(const std::function<bool(const std::vector<v1::AgentMessage>&)>& wanted) {
    const common::MonotonicTime deadline = common::SystemClock().Now() + absl::Seconds(20);
    common::MutexLock lock(mutex_);
    while (!wanted(messages_)) {
      const absl::Duration left = deadline - common::SystemClock().Now();
      if (left <= absl::ZeroDuration()) return false;
      changed_.WaitFor(mutex_, left);
    }
    return true;
  }
  std::vector<v1::AgentMessage> Take() {
    common::MutexLock lock(mutex_);
    return std::exchange(messages_, {});
  }

 private:
  grpc::Status Connect(grpc::ServerContext*, Stream* stream) override {
    {
      common::MutexLock lock(mutex_);
      if (!refuse_.ok()) return refuse_;
    }
    v1::AgentMessage message;
    while (Read(stream, &message)) {
      std::vector<v1::AgentCommand> answers;
      {
        common::MutexLock lock(mutex_);
        answers = AnswersTo(message);
        messages_.push_back(message);
        changed_.NotifyAll();
      }
      for (const v1::AgentCommand& answer : answers) stream->Write(answer);
    }
    return grpc::Status::OK;
  }

  bool Read(Stream* stream, v1::AgentMessage* message) {
    {
      common::MutexLock lock(mutex_);
      while (paused_) changed_.Wait(mutex_);
    }
    return stream->Read(message);
  }

  std::vector<v1::AgentCommand> AnswersTo(const v1::AgentMessage& message)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::vector<v1::AgentCommand> answers;
    if (message.has_hello()) {
      v1::AgentWelcome* welcome = answers.emplace_back().mutable_welcome();
      welcome->set_store_id("fake");
      welcome->mutable_report_interval()->set_seconds(interval_ms_ / 1000);
      welcome->mutable_report_interval()->set_nanos(static_cast<int32_t>(interval_ms_ % 1000) *
                                                    1'000'000);
      for (const v1::Assignment& assignment : assignments_) {
        *answers.emplace_back().mutable_assignment() = assignment;
      }
    }
    if (message.has_restart_request()) {
      v1::RestartDecision* decision = answers.emplace_back().mutable_restart_decision();
      decision->set_request_id(message.restart_request().request_id());
      decision->set_granted(true);
      decision->mutable_duration()->set_seconds(60);
    }
    return answers;
  }

  common::Mutex mutex_;
  common::CondVar changed_;
  std::vector<v1::Assignment> assignments_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::AgentMessage> messages_ ABSL_GUARDED_BY(mutex_);
  int64_t interval_ms_ ABSL_GUARDED_BY(mutex_) = 1000;
  grpc::Status refuse_ ABSL_GUARDED_BY(mutex_) = grpc::Status::OK;
  bool paused_ ABSL_GUARDED_BY(mutex_) = false;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace pointsman::testing
