#pragma once

// Restart grants of one service: at most a share of its endpoints restarts at once. A grant is a
// lease; agents present theirs again on reconnect, and a new owner, who cannot know the leases of
// agents that have not come back yet, gives none for one lease time. Pure. Thread-compatible.

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/core/time.h"
#include "controller/core/policy.h"

namespace pointsman::controller {

struct RestartLease {
  std::string endpoint;
  common::MonotonicTime expires;
};

struct GrantDecision {
  bool granted = false;
  absl::Duration duration;  // As in RestartDecisionOut.
  const char* cause = "";   // Refused: why.
  uint32_t held = 0;        // Leases held, this one left out.
  uint32_t allowed = 0;
};

class RestartGrants {
 public:
  using Key = std::pair<std::string, uint64_t>;  // Agent, request_id.

  // Gives nothing new before `until`.
  void QuietUntil(common::MonotonicTime until) { quiet_until_ = until; }

  // `endpoints`: the service's size. Asking again for a lease that is held renews nothing and
  // returns what is left of it.
  GrantDecision Request(const RecoveryRules& rules, const Key& key, absl::string_view endpoint,
                        uint32_t endpoints, common::MonotonicTime now);
  // A lease an agent says it holds: believed, at most one lease time.
  void Present(const RecoveryRules& rules, const Key& key, absl::string_view endpoint,
               absl::Duration remaining, common::MonotonicTime now);
  // False: no such lease.
  bool End(const Key& key, std::string* endpoint);
  // Removes and returns the leases that have run out.
  std::vector<std::pair<Key, RestartLease>> Expire(common::MonotonicTime now);
  // Next expiry; Infinite: none.
  common::MonotonicTime NextExpiry() const;

  size_t held() const { return leases_.size(); }

 private:
  std::map<Key, RestartLease> leases_;
  common::MonotonicTime quiet_until_;
};

}  // namespace pointsman::controller
