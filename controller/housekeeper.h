#pragma once

// The controller's own regular work, on one thread: what spans shards (how many agents are silent,
// how late our own loops run) to every shard each second, the agents' pace, and the snapshot to
// start warm from every ten seconds. Thread-compatible; owns its thread.

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include "common/clock.h"
#include "common/mutex.h"
#include "controller/pacer.h"
#include "controller/rpc/agent_directory.h"
#include "controller/shard/shard_set.h"
#include "controller/store/local_store.h"

namespace pointsman::controller {

// Name of the snapshot in the local store: a serialised v1::Bundle of full frames.
inline constexpr char kTablesSnapshot[] = "tables";

class Housekeeper {
 public:
  static constexpr absl::Duration kPeriod = absl::Seconds(1);
  static constexpr absl::Duration kSnapshotPeriod = absl::Seconds(10);

  // All must outlive this.
  struct Parts {
    const common::Clock* clock = nullptr;
    ShardSet* shards = nullptr;
    AgentDirectory* agents = nullptr;
    LocalStore* local = nullptr;
    PacerOptions pacer;
  };
  explicit Housekeeper(const Parts& parts);
  ~Housekeeper();  // Stop().

  void Start();
  void Stop();
  // Saves the tables now, at most `timeout` long. After Stop(), while shards and store still run.
  void SaveAtEnd(absl::Duration timeout);
  // CPU of one report, as measured, and the pace that follows. Any thread.
  absl::Duration report_cost() const { return absl::Microseconds(cost_micros_.load()); }
  absl::Duration report_interval() const { return absl::Microseconds(interval_micros_.load()); }

 private:
  void Run();
  void TellFleet(absl::Duration own_lag);
  void Pace(absl::Duration elapsed);
  void SaveTables(std::function<void()> saved);

  const Parts parts_;
  Pacer pacer_;
  std::atomic<int64_t> cost_micros_{0};
  std::atomic<int64_t> interval_micros_{0};
  // Outlives this: the store may answer late.
  const std::shared_ptr<std::atomic<bool>> saving_ = std::make_shared<std::atomic<bool>>(false);
  absl::Duration cpu_;
  uint64_t reports_ = 0;
  common::Mutex mutex_;
  common::CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace pointsman::controller
