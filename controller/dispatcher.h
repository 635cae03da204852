#pragma once

// Carries the cores' effects to where they take place: frames to the publisher, events to the log,
// decisions to agents' streams, a wish for a higher epoch to its keeper. Thread-safe; called on the
// shards' threads, waits for nothing.

#include <atomic>

#include "controller/epoch_keeper.h"
#include "controller/event_log.h"
#include "controller/rpc/agent_directory.h"
#include "controller/shard/publisher.h"
#include "controller/shard/shard.h"

namespace pointsman::controller {

// What concerns the whole controller (freezes, the epoch) every shard decides alike and tells; one
// shard's word makes the event.
class Dispatcher final : public EffectSink {
 public:
  // All must outlive the dispatcher; set before the shards start.
  struct Targets {
    Publisher* publisher = nullptr;
    EventLog* events = nullptr;
    AgentDirectory* agents = nullptr;
    EpochKeeper* epochs = nullptr;
  };
  explicit Dispatcher(const Targets& targets) : to_(targets) {}

  void OnEffects(Effects effects, const ShardCore& core, common::MonotonicTime now) override;

 private:
  bool MayTell(const EventOut& event, const ShardCore& core);

  const Targets to_;
  std::atomic<const ShardCore*> speaker_{nullptr};
};

}  // namespace pointsman::controller
