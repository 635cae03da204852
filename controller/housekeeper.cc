#include "controller/housekeeper.h"

#include <algorithm>
#include <ctime>
#include <memory>
#include <utility>

#include "absl/synchronization/notification.h"
#include "common/log.h"
#include "common/thread_name.h"
#include "controller/core/frame_proto.h"
#include "pointsman/v1/gateway.pb.h"

namespace pointsman::controller {
namespace {

absl::Duration ProcessCpu() {
  timespec ts{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
  return absl::DurationFromTimespec(ts);
}

struct FleetGathering {
  common::Mutex mutex;
  FleetInput fleet ABSL_GUARDED_BY(mutex);
};

struct TablesGathering {
  common::Mutex mutex;
  v1::Bundle tables ABSL_GUARDED_BY(mutex);
};

}  // namespace

Housekeeper::Housekeeper(const Parts& parts) : parts_(parts), pacer_(parts.pacer) {
  interval_micros_ = absl::ToInt64Microseconds(pacer_.interval());
}

Housekeeper::~Housekeeper() { Stop(); }

void Housekeeper::Start() {
  cpu_ = ProcessCpu();
  thread_ = common::NamedThread("pm-housekeeper", [this] { Run(); });
}

void Housekeeper::Stop() {
  {
    common::MutexLock lock(mutex_);
    stopping_ = true;
    wake_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void Housekeeper::Run() {
  common::MonotonicTime last = parts_.clock->Now();
  common::MonotonicTime saved = last;
  for (;;) {
    {
      common::MutexLock lock(mutex_);
      const common::MonotonicTime due = last + kPeriod;
      while (!stopping_ && parts_.clock->Now() < due) {
        wake_.WaitFor(mutex_, due - parts_.clock->Now());
      }
      if (stopping_) break;
    }
    const common::MonotonicTime now = parts_.clock->Now();
    TellFleet(now - (last + kPeriod));
    Pace(now - last);
    last = now;
    if (now - saved < kSnapshotPeriod) continue;
    saved = now;
    SaveTables([] {});
  }
}

// The sum over all shards goes to each of them as one input like any other.
void Housekeeper::TellFleet(absl::Duration own_lag) {
  auto gathering = std::make_shared<FleetGathering>();
  absl::Duration lag = own_lag;
  for (const ShardLoad& load : parts_.shards->Loads()) lag = std::max(lag, load.lag);
  parts_.shards->CallAll(
      [gathering](const ShardCore& core, size_t, common::MonotonicTime now) {
        const AgentCounts counts = core.CountAgents(now);
        common::MutexLock lock(gathering->mutex);
        gathering->fleet.agents += counts.agents;
        gathering->fleet.agents_silent += counts.silent;
      },
      [gathering, lag, shards = parts_.shards](const absl::Status& status) {
        if (!status.ok()) return;
        common::MutexLock lock(gathering->mutex);
        gathering->fleet.loop_lag = lag;
        (void)shards->PostToAll(Input(gathering->fleet));
      });
}

void Housekeeper::Pace(absl::Duration elapsed) {
  const absl::Duration cpu = ProcessCpu();
  const uint64_t reports = parts_.agents->reports();
  Pacer::Measurement measured;
  measured.cpu = cpu - std::exchange(cpu_, cpu);
  measured.elapsed = elapsed;
  measured.reports = reports - std::exchange(reports_, reports);
  measured.agents = parts_.agents->connected();
  const absl::Duration before = pacer_.interval();
  const absl::Duration interval = pacer_.Update(measured);
  cost_micros_ = absl::ToInt64Microseconds(pacer_.cost());
  interval_micros_ = absl::ToInt64Microseconds(interval);
  if (interval == before) return;
  common::LogInfo(
      "agents.paced",
      {{"interval", interval}, {"report_cost", pacer_.cost()}, {"agents", measured.agents}});
  parts_.agents->SetInterval(interval);
}

void Housekeeper::SaveAtEnd(absl::Duration timeout) {
  auto waiter = std::make_shared<absl::Notification>();
  SaveTables([waiter] { waiter->Notify(); });
  waiter->WaitForNotificationWithTimeout(timeout);
}

// `saved` runs once, unless an earlier one is under way.
void Housekeeper::SaveTables(std::function<void()> saved) {
  if (saving_->exchange(true)) return;  // The store is slow: the next one will do.
  auto gathering = std::make_shared<TablesGathering>();
  parts_.shards->CallAll(
      [gathering](const ShardCore& core, size_t, common::MonotonicTime) {
        for (const std::string& service : core.Services()) {
          const std::optional<Frame> frame = core.FullFrame(service);
          if (!frame) continue;
          common::MutexLock lock(gathering->mutex);
          FrameToProto(*frame, *gathering->tables.add_frames());
        }
      },
      [saving = saving_, local = parts_.local, gathering,
       saved = std::move(saved)](const absl::Status& status) {
        std::string blob;
        {
          common::MutexLock lock(gathering->mutex);
          blob = gathering->tables.SerializeAsString();
        }
        if (!status.ok()) {
          *saving = false;
          saved();
          return;
        }
        local->PutSnapshot(kTablesSnapshot, std::move(blob),
                           [saving, saved](const absl::Status& put) {
                             *saving = false;
                             saved();
                             if (!put.ok())
                               common::LogWarning("tables.not_saved", {{"cause", put.message()}});
                           });
      });
}

}  // namespace pointsman::controller
