#pragma once

// The agent's stream to a controller: opened, and opened again with back-off and jitter for as long
// as the object lives. At most one write is outstanding; reports are conflated (the newest waits,
// older ones are dropped and counted), other messages are kept in order up to a limit.
//
// Notices (stream up, down, commands) are queued for the owner, who is woken by `wake` from gRPC's
// threads. Thread-safe. The destructor ends the stream and waits for gRPC to let go of it.

#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/random/bit_gen_ref.h"
#include "absl/status/status.h"
#include "agent/core/agent_core.h"
#include "common/core/backoff.h"
#include "common/core/time.h"

namespace grpc {
class Channel;
}

namespace pointsman::agent {

// Limits of the two queues. Reached: outgoing messages end the stream (a new one begins with
// Hello), commands end it too (the controller says all again).
inline constexpr size_t kStreamMessagesMax = 512;
inline constexpr size_t kStreamCommandsMax = 1024;

struct StreamNotice {
  std::variant<StreamUpInput, StreamDownInput, CommandInput> input;
  absl::Status status;  // StreamDownInput: why.
};

class ControllerStream {
 public:
  struct Options {
    std::shared_ptr<grpc::Channel> channel;
    common::BackoffOptions backoff = {.initial = absl::Milliseconds(200),
                                      .max = absl::Seconds(5),
                                      .floor = absl::Milliseconds(20),
                                      .factor = 2.0};
    std::function<void()> wake;  // Any thread, many times; must not block.
  };

  static std::unique_ptr<ControllerStream> Create(Options options);
  virtual ~ControllerStream() = default;

  // Opens the stream when it is time. Called by the owner with each turn of its loop.
  virtual void Drive(common::MonotonicTime now, absl::BitGenRef random) = 0;
  // When Drive() has something to do; Infinite(): only after a wake.
  virtual common::MonotonicTime NextDue() const = 0;

  // What happened since the last call, in order.
  virtual std::vector<StreamNotice> TakeNotices() = 0;

  // Dropped without a stream.
  virtual void Send(const v1::AgentMessage& message) = 0;
  virtual void SendReport(const v1::AgentReport& report) = 0;

  // Reports that a newer one replaced before they were written.
  virtual uint64_t reports_conflated() const = 0;
  // Streams opened so far.
  virtual uint64_t streams() const = 0;
};

}  // namespace pointsman::agent
