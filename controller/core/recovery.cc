#include "controller/core/recovery.h"

#include <algorithm>
#include <cmath>

namespace pointsman::controller {
namespace {

using common::MonotonicTime;

// Refused for want of room: the agent asks again after this.
constexpr absl::Duration kAskAgain = absl::Seconds(2);
constexpr absl::Duration kAskAgainDisabled = absl::Minutes(1);

}  // namespace

GrantDecision RestartGrants::Request(const RecoveryRules& rules, const Key& key,
                                     absl::string_view endpoint, uint32_t endpoints,
                                     MonotonicTime now) {
  GrantDecision decision;
  decision.allowed =
      std::max(1u, static_cast<uint32_t>(std::floor(rules.max_share * endpoints + 1e-9)));
  bool same_endpoint = false;
  for (const auto& [held_key, lease] : leases_) {
    if (held_key == key || lease.expires <= now) continue;
    ++decision.held;
    if (lease.endpoint == endpoint) same_endpoint = true;
  }
  decision.duration = kAskAgain;
  if (rules.disabled) {
    decision.duration = kAskAgainDisabled;
    decision.cause = "restarts are disabled for the service";
    return decision;
  }
  const auto held = leases_.find(key);
  if (held != leases_.end() && held->second.expires > now) {
    decision.granted = true;
    decision.duration = held->second.expires - now;
    return decision;
  }
  if (now < quiet_until_) {
    decision.duration = quiet_until_ - now;
    decision.cause = "a new controller waits for leases given before it";
  } else if (same_endpoint) {
    decision.cause = "the endpoint is being restarted already";
  } else if (decision.held >= decision.allowed) {
    decision.cause = "enough of the service is being restarted";
  } else {
    decision.granted = true;
    decision.duration = rules.grant_lease;
    leases_[key] = {std::string(endpoint), now + rules.grant_lease};
  }
  return decision;
}

void RestartGrants::Present(const RecoveryRules& rules, const Key& key, absl::string_view endpoint,
                            absl::Duration remaining, MonotonicTime now) {
  if (remaining <= absl::ZeroDuration()) return;
  RestartLease& lease = leases_[key];
  lease.endpoint = std::string(endpoint);
  lease.expires = now + std::min(remaining, rules.grant_lease);
}

bool RestartGrants::End(const Key& key, std::string* endpoint) {
  const auto it = leases_.find(key);
  if (it == leases_.end()) return false;
  *endpoint = it->second.endpoint;
  leases_.erase(it);
  return true;
}

std::vector<std::pair<RestartGrants::Key, RestartLease>> RestartGrants::Expire(MonotonicTime now) {
  std::vector<std::pair<Key, RestartLease>> expired;
  for (auto it = leases_.begin(); it != leases_.end();) {
    if (it->second.expires <= now) {
      expired.emplace_back(*it);
      it = leases_.erase(it);
    } else {
      ++it;
    }
  }
  return expired;
}

MonotonicTime RestartGrants::NextExpiry() const {
  MonotonicTime next = MonotonicTime::Infinite();
  for (const auto& [key, lease] : leases_) next = std::min(next, lease.expires);
  return next;
}

}  // namespace pointsman::controller
