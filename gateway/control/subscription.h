#pragma once

// One stream to a controller (GatewayService.Subscribe) after another. Reads the next bundle only
// when asked to, so that a flood waits in the transport; writes one message at a time from a
// bounded queue. Thread-safe. Owns its stream; handlers run on gRPC's threads and must not call
// the destructor.

#include <atomic>
#include <deque>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "common/mutex.h"
#include "pointsman/v1/gateway.pb.h"

namespace grpc {
class Channel;
}

namespace pointsman::gateway {

class Subscription {
 public:
  // Messages that wait to be written; when full, Observations are dropped (their counters are
  // cumulative) and any other message ends the stream.
  static constexpr size_t kQueueMax = 64;

  struct Handlers {
    // `stream`: as Open returned it. After each one, ReadNext() asks for another.
    std::function<void(uint64_t stream, std::unique_ptr<v1::Bundle>)> on_bundle;
    // The stream is over, exactly once for each Open; nothing of it follows.
    std::function<void(uint64_t stream, absl::Status)> on_closed;
  };

  Subscription(std::shared_ptr<grpc::Channel> channel, Handlers handlers);
  // Ends the stream and waits for its end; on_closed runs before this returns.
  ~Subscription();

  // Opens a stream, sends `hello` and asks for the first bundle. Returns its number, ascending from
  // 1. REQUIRES: on_closed was called for the stream before.
  uint64_t Open(const v1::GatewayMessage& hello);
  // Nothing happens when no stream is open.
  void Send(v1::GatewayMessage message);
  void ReadNext();
  // Ends the stream, if any.
  void Cancel();
  // Observations that were dropped, of all streams. Any thread.
  uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  class Stream;

  const std::shared_ptr<grpc::Channel> channel_;
  const Handlers handlers_;
  common::Mutex mutex_;
  common::CondVar closed_;
  std::atomic<uint64_t> dropped_{0};
  Stream* stream_ ABSL_GUARDED_BY(mutex_) = nullptr;  // Deletes itself when done.
  uint64_t opened_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace pointsman::gateway
