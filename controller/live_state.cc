#include "controller/live_state.h"

#include <iterator>
#include <memory>
#include <utility>

#include "common/core/proto_time.h"
#include "common/mutex.h"
#include "common/version.h"

namespace pointsman::controller {
namespace {

// Endpoints of several shards, gathered.
struct EndpointGathering {
  common::Mutex mutex;
  std::vector<v1::EndpointState> states ABSL_GUARDED_BY(mutex);

  void Add(const ShardCore& core, const std::string& service, common::MonotonicTime now) {
    auto endpoints = core.Endpoints(service, now);
    if (!endpoints.ok()) return;
    common::MutexLock lock(mutex);
    std::move(endpoints->begin(), endpoints->end(), std::back_inserter(states));
  }
};

// Counts of several shards, gathered.
struct StatusGathering {
  common::Mutex mutex;
  v1::ControllerStatus status ABSL_GUARDED_BY(mutex);

  void Add(const ShardCore& core) {
    common::MutexLock lock(mutex);
    for (const ServiceSummary& summary : core.Summaries()) {
      status.set_services(status.services() + 1);
      status.set_endpoints(status.endpoints() + summary.endpoints);
      status.set_endpoints_routable(status.endpoints_routable() + summary.routable);
      if (summary.fail_open) status.add_fail_open(summary.service);
    }
    if (!core.frozen()) return;
    status.set_frozen(true);
    status.set_freeze_cause(core.freeze_cause());
  }
};

}  // namespace

void LiveState::Endpoints(
    std::string service, std::function<void(absl::StatusOr<std::vector<v1::EndpointState>>)> done) {
  auto gathering = std::make_shared<EndpointGathering>();
  auto finish = [gathering, done = std::move(done)](const absl::Status& asked) {
    // A part of the endpoints would look as if the others were gone.
    if (!asked.ok()) return done(asked);
    common::MutexLock lock(gathering->mutex);
    done(std::move(gathering->states));
  };
  if (service.empty()) {
    from_.shards->CallAll(
        [gathering](const ShardCore& core, size_t, common::MonotonicTime now) {
          for (const ServiceSummary& summary : core.Summaries()) {
            gathering->Add(core, summary.service, now);
          }
        },
        std::move(finish));
    return;
  }
  const absl::Status posted = from_.shards->OwnerOf(service).Call(
      [gathering, service, finish](ShardCore& core, common::MonotonicTime now) {
        gathering->Add(core, service, now);
        finish(absl::OkStatus());
      });
  if (!posted.ok()) finish(posted);
}

void LiveState::Explain(std::string service, std::string endpoint,
                        std::function<void(absl::StatusOr<v1::Explanation>)> done) {
  const absl::Status posted = from_.shards->OwnerOf(service).Call(
      [service, endpoint, done](ShardCore& core, common::MonotonicTime now) {
        done(core.Explain(service, endpoint, now));
      });
  if (!posted.ok()) done(posted);
}

std::vector<v1::AgentState> LiveState::Agents() const { return from_.agents->States(); }

std::vector<v1::GatewayState> LiveState::Gateways() const {
  return from_.gateways->States(*from_.publisher);
}

void LiveState::Status(std::function<void(absl::StatusOr<v1::ControllerStatus>)> done) {
  auto gathering = std::make_shared<StatusGathering>();
  from_.shards->CallAll(
      [gathering](const ShardCore& core, size_t, common::MonotonicTime) { gathering->Add(core); },
      [this, gathering, done = std::move(done)](const absl::Status& asked) {
        if (!asked.ok()) return done(asked);
        v1::ControllerStatus status;
        {
          common::MutexLock lock(gathering->mutex);
          status = gathering->status;
        }
        status.set_version(std::string(common::Version()));
        status.set_store_id(from_.store->shared().store_id());
        status.set_epoch(from_.epochs->epoch());
        common::ToProto(from_.clock->Now() - started_, status.mutable_uptime());
        status.set_agents_connected(static_cast<uint32_t>(from_.agents->connected()));
        status.set_gateways_connected(static_cast<uint32_t>(from_.gateways->connected()));
        const StoreHealth health = from_.store->Health();
        status.set_store_writable(health.writable);
        status.set_store_error(health.error);
        done(std::move(status));
      });
}

}  // namespace pointsman::controller
