#include "gateway/control/subscription.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/support/client_callback.h>

#include <utility>

#include "pointsman/v1/gateway.grpc.pb.h"

namespace pointsman::gateway {

// Lives from Open until OnDone. Writes go out one after another; a read is under way only when
// asked for. A hold keeps the stream alive for calls that come from outside its own callbacks.
class Subscription::Stream final : public grpc::ClientBidiReactor<v1::GatewayMessage, v1::Bundle> {
 public:
  Stream(Subscription& owner, uint64_t number)
      : owner_(owner), number_(number), stub_(v1::GatewayService::NewStub(owner.channel_)) {}

  void Begin(const v1::GatewayMessage& hello) {
    stub_->async()->Subscribe(&context_, this);
    AddHold();
    Send(hello);
    ReadNext();
    StartCall();
  }

  void Send(v1::GatewayMessage message) {
    common::MutexLock lock(mutex_);
    if (ended_) return;
    if (queue_.size() >= kQueueMax) {
      // Observations are cumulative: the next ones say it all.
      if (!message.has_observations()) return context_.TryCancel();
      owner_.dropped_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    queue_.push_back(std::move(message));
    if (queue_.size() == 1) StartWrite(&queue_.front());
  }

  void ReadNext() {
    common::MutexLock lock(mutex_);
    if (ended_ || bundle_ != nullptr) return;
    bundle_ = std::make_unique<v1::Bundle>();
    StartRead(bundle_.get());
  }

  void Cancel() { context_.TryCancel(); }

 private:
  void OnReadDone(bool ok) override {
    std::unique_ptr<v1::Bundle> bundle;
    {
      common::MutexLock lock(mutex_);
      bundle = std::move(bundle_);
    }
    if (!ok) return End();
    owner_.handlers_.on_bundle(number_, std::move(bundle));
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return End();
    common::MutexLock lock(mutex_);
    queue_.pop_front();
    if (!ended_ && !queue_.empty()) StartWrite(&queue_.front());
  }

  // No read, no write and no hold after this.
  void End() {
    {
      common::MutexLock lock(mutex_);
      if (std::exchange(ended_, true)) return;
    }
    context_.TryCancel();
    RemoveHold();
  }

  void OnDone(const grpc::Status& status) override {
    Subscription& owner = owner_;
    const uint64_t number = number_;
    const absl::Status result(static_cast<absl::StatusCode>(status.error_code()),
                              status.error_message());
    owner.handlers_.on_closed(number,
                              result.ok() ? absl::UnavailableError("the stream ended") : result);
    common::MutexLock lock(owner.mutex_);
    owner.stream_ = nullptr;
    owner.closed_.NotifyAll();
    delete this;
  }

  Subscription& owner_;
  const uint64_t number_;
  const std::unique_ptr<v1::GatewayService::Stub> stub_;
  grpc::ClientContext context_;
  common::Mutex mutex_;
  std::deque<v1::GatewayMessage> queue_ ABSL_GUARDED_BY(mutex_);  // The front is being written.
  std::unique_ptr<v1::Bundle> bundle_ ABSL_GUARDED_BY(mutex_);    // Being read.
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

Subscription::Subscription(std::shared_ptr<grpc::Channel> channel, Handlers handlers)
    : channel_(std::move(channel)), handlers_(std::move(handlers)) {}

Subscription::~Subscription() {
  Cancel();
  common::MutexLock lock(mutex_);
  while (stream_ != nullptr) closed_.Wait(mutex_);
}

uint64_t Subscription::Open(const v1::GatewayMessage& hello) {
  common::MutexLock lock(mutex_);
  // on_closed was called, but its caller may not have come back yet.
  while (stream_ != nullptr) closed_.Wait(mutex_);
  stream_ = new Stream(*this, ++opened_);
  stream_->Begin(hello);
  return opened_;
}

void Subscription::Send(v1::GatewayMessage message) {
  common::MutexLock lock(mutex_);
  if (stream_ != nullptr) stream_->Send(std::move(message));
}

void Subscription::ReadNext() {
  common::MutexLock lock(mutex_);
  if (stream_ != nullptr) stream_->ReadNext();
}

void Subscription::Cancel() {
  common::MutexLock lock(mutex_);
  if (stream_ != nullptr) stream_->Cancel();
}

}  // namespace pointsman::gateway
