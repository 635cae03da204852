#pragma once

// One shard: a thread that feeds its core from its mailbox and hands the effects to a sink. Time
// enters here: the core is stepped with the clock's reading, and ticked when it asks to be.
//
// Thread-safe. Owns its thread, mailbox and core.

#include <atomic>
#include <memory>
#include <thread>

#include "common/clock.h"
#include "common/metrics.h"
#include "common/mutex.h"
#include "controller/core/shard_core.h"
#include "controller/shard/mailbox.h"

namespace pointsman::controller {

// Takes what the cores want done. Called on the shards' threads, so by several at once; must not
// block. `core` may be read during the call only.
class EffectSink {
 public:
  virtual ~EffectSink() = default;
  virtual void OnEffects(Effects effects, const ShardCore& core, common::MonotonicTime now) = 0;
};

struct ShardLoad {
  MailboxCounters mailbox;
  uint64_t steps = 0;
  absl::Duration busy;  // Cumulative time in steps and calls.
  absl::Duration lag;   // How late the last tick was.
  CoreCounters core;    // As of the end of the last pass.
};

class Shard {
 public:
  // `clock` and `sink` must outlive the shard. Nothing runs before Start().
  Shard(const ShardOptions& options, const common::Clock& clock, EffectSink& sink,
        const MailboxLimits& limits = {});
  ~Shard();  // Stop().
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // Takes the seconds from each report's arrival until the change it made is with the sink. Before
  // Start(); outlives the shard.
  void TimePublishing(common::Histogram* seconds) { publish_seconds_ = seconds; }
  void Start();
  // Ends the thread after the letters already posted. Idempotent.
  void Stop();

  // ResourceExhausted: the mailbox is full.
  absl::Status Post(Input input, Urgency urgency = Urgency::kNow) {
    return mailbox_.Post(std::move(input), clock_.Now(), urgency);
  }
  absl::Status Call(ShardCall call) { return mailbox_.Post(std::move(call), clock_.Now()); }

  ShardLoad load() const;

 private:
  void Run();
  void AwaitLetters();
  void Open(Waiting waiting);

  const common::Clock& clock_;
  EffectSink& sink_;
  Mailbox mailbox_;
  ShardCore core_;  // The thread's own once started.
  common::Histogram* publish_seconds_ = nullptr;
  common::MonotonicTime wake_at_;
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> steps_{0};
  std::atomic<int64_t> busy_micros_{0};
  std::atomic<int64_t> lag_micros_{0};
  mutable common::Mutex counters_mutex_;
  CoreCounters counters_ ABSL_GUARDED_BY(counters_mutex_);  // A copy of the core's.
  std::thread thread_;
};

}  // namespace pointsman::controller
