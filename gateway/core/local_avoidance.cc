#include "gateway/core/local_avoidance.h"

#include <algorithm>

namespace pointsman::gateway {
namespace {

constexpr absl::Duration kForgetAfter = absl::Minutes(1);

bool IsFailure(TryOutcome outcome) {
  switch (outcome) {
    case TryOutcome::kConnectFailure:
    case TryOutcome::kConnectTimeout:
    case TryOutcome::kReset:
    case TryOutcome::kTimeout:
    case TryOutcome::kDeadline:
      return true;
    case TryOutcome::kResponse:
    case TryOutcome::kServerError:
    case TryOutcome::kAbandoned:
      return false;
  }
  return false;
}

}  // namespace

LocalAvoidance::Verdict LocalAvoidance::Judge(CellRef ref, common::MonotonicTime now) const {
  if (entries_.empty()) return Verdict::kUse;
  const auto it = entries_.find(ref.index);
  if (it == entries_.end() || it->second.generation != ref.generation || !it->second.avoided) {
    return Verdict::kUse;
  }
  if (now < it->second.until || it->second.probing) return Verdict::kAvoid;
  return Verdict::kProbe;
}

void LocalAvoidance::OnProbeStarted(CellRef ref, common::MonotonicTime now) {
  const auto it = entries_.find(ref.index);
  if (it == entries_.end() || it->second.generation != ref.generation) return;
  it->second.probing = true;
}

void LocalAvoidance::OnOutcome(CellRef ref, TryOutcome outcome, common::MonotonicTime now) {
  if (!IsFailure(outcome)) {
    if (entries_.empty()) return;
    const auto it = entries_.find(ref.index);
    if (it == entries_.end() || it->second.generation != ref.generation) return;
    // An abandoned probe proves nothing: the next request is the probe.
    it->second.probing = false;
    if (outcome != TryOutcome::kAbandoned) entries_.erase(it);
    return;
  }
  if (entries_.size() >= kEntriesMax && !entries_.contains(ref.index)) return;
  Entry& entry = entries_[ref.index];
  if (entry.generation != ref.generation) {
    entry = Entry();
    entry.generation = ref.generation;
  }
  entry.last_failure = now;
  // Failures of requests that were under way when the period began say nothing new.
  if (entry.avoided && now < entry.until && !entry.probing) return;
  ++entry.failures;
  entry.probing = false;
  const bool no_connection =
      outcome == TryOutcome::kConnectFailure || outcome == TryOutcome::kConnectTimeout;
  if (entry.avoided || no_connection || entry.failures >= kSoftFailures) {
    StartPeriod(ref, &entry, now);
  }
}

void LocalAvoidance::StartPeriod(CellRef ref, Entry* entry, common::MonotonicTime now) {
  const uint32_t doublings = std::min<uint32_t>(entry->periods, 16);
  const absl::Duration period = std::min(kFirst * (uint64_t{1} << doublings), kLongest);
  ++entry->periods;
  entry->avoided = true;
  entry->until = now + period;
  cells_.AddAvoided(ref, period);
}

void LocalAvoidance::Sweep(common::MonotonicTime now) {
  // The order does not matter: each entry is judged alone.
  for (auto it = entries_.begin(); it != entries_.end();) {
    const Entry& entry = it->second;
    const bool quiet = now - entry.last_failure > kForgetAfter && !entry.probing;
    if (quiet) {
      entries_.erase(it++);
    } else {
      ++it;
    }
  }
}

}  // namespace pointsman::gateway
