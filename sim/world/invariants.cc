#include "sim/world/invariants.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "agent/core/restart_policy.h"
#include "common/core/check.h"
#include "controller/core/health.h"
#include "controller/core/policy.h"

namespace pointsman::sim {
namespace {

using common::MonotonicTime;

// Those within the window before `now`.
void ForgetOld(std::deque<MonotonicTime>& times, absl::Duration window, MonotonicTime now) {
  while (!times.empty() && now - times.front() >= window) times.pop_front();
}

}  // namespace

uint32_t EndpointIndex(absl::string_view id) {
  uint32_t index = 0;
  PM_CHECK(!id.empty() && absl::SimpleAtoi(id.substr(1), &index));
  return index;
}

Invariants::Invariants(const EventQueue& queue, const WorldOptions& options,
                       std::function<void(absl::string_view)> broken)
    : queue_(queue), options_(options), broken_(std::move(broken)) {
  watched_.assign(options_.gateways, std::vector<Watched>(options_.endpoints.size()));
}

void Invariants::OnTable(size_t gateway, const gateway::ServiceTable& table) {
  std::vector<bool> named(options_.endpoints.size(), false);
  for (const gateway::Endpoint& endpoint : table.endpoints) {
    if (endpoint.handle == 0) continue;  // The place of one that left the service.
    const uint32_t index = EndpointIndex(endpoint.id());
    named[index] = true;
    Watched& one = watched_[gateway][index];
    if (one.routable && !endpoint.routable) ++one.left;
    one.known = true;
    one.routable = endpoint.routable;
    const Told& told = told_[index];
    // Out of use again because a fail-open ended is explained by the verdict it has.
    if (one.left <= told.left || !controller::Serves(told.verdict)) continue;
    broken_(absl::StrCat(endpoint.id(), " is out of use in gateway-", gateway,
                         ", and no event told of it"));
    one.left = told.left;
  }
  for (size_t i = 0; i < named.size(); ++i) {
    if (named[i]) continue;
    watched_[gateway][i].known = true;
    watched_[gateway][i].routable = false;
  }
}

void Invariants::OnTry(size_t gateway, uint32_t endpoint) {
  const Watched& one = watched_[gateway][endpoint];
  // A published policy picks by itself.
  if (!one.known || one.routable || !options_.policy.empty()) return;
  broken_(absl::StrCat("gateway-", gateway, " begins a try at e", endpoint,
                       ", which its table has taken out of use"));
}

// What several observers agree on, and what people do, is not capped.
void Invariants::CheckCap(v1::Reason reason) {
  const bool capped = reason == v1::REASON_CHECKS_FAILED || reason == v1::REASON_AGENT_SILENT ||
                      reason == v1::REASON_TRAFFIC_FAILURES;
  if (!capped) return;
  const controller::HealthRules rules;
  ForgetOld(removals_, rules.removal_window, queue_.now());
  removals_.push_back(queue_.now());
  const uint32_t allowed =
      controller::RemovalBudget::Allowed(rules, static_cast<uint32_t>(options_.endpoints.size()));
  if (removals_.size() <= allowed) return;
  broken_(absl::StrCat(removals_.size(), " removals within the window, ", allowed, " allowed"));
}

void Invariants::OnVerdict(const VerdictChange& change) {
  Told& told = told_[change.endpoint];
  told.verdict = change.to;
  if (!controller::Serves(change.from) || controller::Serves(change.to)) return;
  ++told.left;
  if (change.to == v1::VERDICT_UNHEALTHY && !change.confirmed) CheckCap(change.reason);
}

void Invariants::OnRestart(uint32_t endpoint, bool begins) {
  if (!begins) {
    restarting_.erase(endpoint);
    return;
  }
  const agent::RestartLimits limits;
  std::deque<MonotonicTime>& of_host = restarts_[endpoint];
  ForgetOld(of_host, limits.budget_window, queue_.now());
  of_host.push_back(queue_.now());
  if (of_host.size() > static_cast<size_t>(limits.budget)) {
    broken_(absl::StrCat("e", endpoint, " is restarted ", of_host.size(), " times in ",
                         absl::FormatDuration(limits.budget_window), ", ", limits.budget,
                         " allowed"));
  }
  restarting_.insert(endpoint);
  const auto endpoints = static_cast<double>(options_.endpoints.size());
  const auto allowed = std::max<size_t>(
      1, static_cast<size_t>(controller::RecoveryRules().max_share * endpoints + 1e-9));
  if (restarting_.size() <= allowed) return;
  broken_(absl::StrCat(restarting_.size(), " restarts at once, ", allowed, " allowed"));
}

}  // namespace pointsman::sim
