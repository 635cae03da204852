#pragma once

// A GatewayService in this process: keeps what gateways send and sends what a test says.
// Thread-safe. Owns its server, which listens on a free port of the loopback.

#include <grpcpp/grpcpp.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/mutex.h"
#include "pointsman/v1/gateway.grpc.pb.h"

namespace pointsman::gateway {

class FakeController final : public v1::GatewayService::Service {
 public:
  static constexpr absl::Duration kDeadline = absl::Seconds(20);

  // Port 0: any.
  explicit FakeController(int port = 0) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(absl::StrCat("127.0.0.1:", port), grpc::InsecureServerCredentials(),
                             &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~FakeController() override {
    EndStream();
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
  }

  int port() const { return port_; }
  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

  // Sends on the open stream. False: there is none in time.
  bool Send(const v1::Bundle& bundle) {
    common::MutexLock lock(mutex_);
    if (!WaitUntil([this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return stream_ != nullptr; })) {
      return false;
    }
    return stream_->Write(bundle);
  }

  // The next message for which `wanted` holds; others are dropped. Absent: none came in time.
  std::optional<v1::GatewayMessage> Next(
      const std::function<bool(const v1::GatewayMessage&)>& wanted) {
    const absl::Time deadline = absl::Now() + kDeadline;
    common::MutexLock lock(mutex_);
    while (absl::Now() < deadline) {
      while (!received_.empty()) {
        v1::GatewayMessage message = std::move(received_.front());
        received_.pop_front();
        if (wanted(message)) return message;
      }
      changed_.WaitFor(mutex_, deadline - absl::Now());
    }
    return std::nullopt;
  }
  std::optional<v1::GatewayHello> NextHello() {
    const auto message = Next([](const auto& m) { return m.has_hello(); });
    return message.has_value() ? std::optional(message->hello()) : std::nullopt;
  }
  std::optional<v1::Ack> NextAck() {
    const auto message = Next([](const auto& m) { return m.has_ack(); });
    return message.has_value() ? std::optional(message->ack()) : std::nullopt;
  }

  // Ends the open stream, if any.
  void EndStream() {
    common::MutexLock lock(mutex_);
    if (context_ != nullptr) context_->TryCancel();
  }

 private:
  using Stream = grpc::ServerReaderWriter<v1::Bundle, v1::GatewayMessage>;

  bool WaitUntil(const std::function<bool()>& condition) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const absl::Time deadline = absl::Now() + kDeadline;
    while (!condition()) {
      if (absl::Now() >= deadline) return false;
      changed_.WaitFor(mutex_, deadline - absl::Now());
    }
    return true;
  }

  grpc::Status Subscribe(grpc::ServerContext* context, Stream* stream) override {
    v1::GatewayMessage message;
    if (!stream->Read(&message)) return grpc::Status::OK;
    Keep(message, context, stream);
    while (stream->Read(&message)) Keep(message, context, stream);
    common::MutexLock lock(mutex_);
    context_ = nullptr;
    stream_ = nullptr;
    return grpc::Status::OK;
  }

  void Keep(const v1::GatewayMessage& message, grpc::ServerContext* context, Stream* stream) {
    common::MutexLock lock(mutex_);
    received_.push_back(message);
    context_ = context;
    stream_ = stream;
    changed_.NotifyAll();
  }

  common::Mutex mutex_;
  common::CondVar changed_;
  std::deque<v1::GatewayMessage> received_ ABSL_GUARDED_BY(mutex_);
  grpc::ServerContext* context_ ABSL_GUARDED_BY(mutex_) = nullptr;
  Stream* stream_ ABSL_GUARDED_BY(mutex_) = nullptr;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace pointsman::gateway
