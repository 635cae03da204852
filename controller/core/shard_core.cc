#include "controller/core/shard_core.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/core/check.h"
#include "controller/core/explain.h"
#include "controller/core/shard_state.h"
#include "pointsman/v1/state.pb.h"

namespace pointsman::controller {
namespace {

using common::MonotonicTime;

}  // namespace

uint32_t ShardOf(absl::string_view service, uint32_t shards) {
  PM_CHECK(shards > 0);
  uint64_t hash = 14695981039346656037u;  // FNV-1a: the same in every process and version.
  for (const char c : service) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 1099511628211u;
  }
  return static_cast<uint32_t>((hash ^ (hash >> 32)) % shards);
}

ShardCore::ShardCore(const ShardOptions& options) {
  PM_CHECK(options.epoch >= 1 && options.shard < options.shards);
  state_ = std::make_unique<ShardState>(options);
}

ShardCore::~ShardCore() = default;

Effects ShardCore::Step(const Input& input, MonotonicTime now) { return state_->Step(input, now); }

std::optional<Frame> ShardCore::FullFrame(absl::string_view service) const {
  const ServiceState* state = state_->Served(service);
  if (state == nullptr) return std::nullopt;
  return state->table().Full();
}

std::optional<Frame> ShardCore::DeltaFrame(absl::string_view service, uint64_t base) const {
  const ServiceState* state = state_->Served(service);
  if (state == nullptr) return std::nullopt;
  return state->table().Delta(base);
}

SliceVersion ShardCore::NewestVersion(absl::string_view service) const {
  const ServiceState* state = state_->Served(service);
  return state == nullptr ? SliceVersion{} : state->table().version();
}

bool ShardCore::Continues(absl::string_view service, SliceVersion have) const {
  const ServiceState* state = state_->Served(service);
  return state != nullptr && state->table().Knows(have) &&
         have.revision >= state->table().delta_floor();
}

std::vector<std::string> ShardCore::Services() const {
  std::vector<std::string> names;
  for (const auto& [id, service] : state_->services()) {
    if (service.served()) names.push_back(id);
  }
  return names;
}

absl::StatusOr<std::vector<v1::EndpointState>> ShardCore::Endpoints(absl::string_view service,
                                                                    MonotonicTime now) const {
  const ServiceState* state = state_->Configured(service);
  if (state == nullptr) return absl::NotFoundError(absl::StrCat("no service \"", service, "\""));
  return DescribeEndpoints(*state, now);
}

absl::StatusOr<v1::Explanation> ShardCore::Explain(absl::string_view service,
                                                   absl::string_view endpoint,
                                                   MonotonicTime now) const {
  const ServiceState* state = state_->Configured(service);
  if (state == nullptr) return absl::NotFoundError(absl::StrCat("no service \"", service, "\""));
  if (endpoint.empty()) return state->Explain(frozen() ? freeze_cause() : "", now);
  const auto it = state->endpoints().find(endpoint);
  if (it == state->endpoints().end()) {
    return absl::NotFoundError(
        absl::StrCat("no endpoint \"", endpoint, "\" in service \"", service, "\""));
  }
  return ExplainEndpoint(*state, it->second, frozen() ? freeze_cause() : "", now);
}

std::vector<ServiceSummary> ShardCore::Summaries() const {
  std::vector<ServiceSummary> out;
  for (const auto& [id, service] : state_->services()) {
    if (service.configured()) out.push_back(service.Summary());
  }
  return out;
}

AgentCounts ShardCore::CountAgents(MonotonicTime now) const {
  AgentCounts counts;
  // An agent whose endpoints were all deregistered says nothing of the fleet any more.
  const auto speaks = [this](const std::string& agent, const InstanceInfo& instance) {
    const auto service = state_->services().find(instance.service);
    if (service == state_->services().end()) return false;
    const auto it = service->second.endpoints().find(instance.endpoint->id);
    return it != service->second.endpoints().end() && it->second.agent == agent;
  };
  state_->registry().Count(speaks, kDefaultSilence, now, &counts.agents, &counts.silent);
  return counts;
}

const CoreCounters& ShardCore::counters() const { return state_->counters(); }
bool ShardCore::frozen() const { return state_->frozen(); }
std::string ShardCore::freeze_cause() const { return state_->freeze_cause(); }
uint64_t ShardCore::epoch() const { return state_->epoch(); }

}  // namespace pointsman::controller
