#include "gateway/core/local_avoidance.h"

#include <algorithm>
#include <utility>

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

absl::Duration Doubled(absl::Duration first, uint32_t times, absl::Duration most) {
  return std::min(first * (uint64_t{1} << std::min<uint32_t>(times, 16)), most);
}

// Says that the endpoint failed or did not; a request's own limit and the client say nothing.
bool Tells(TryOutcome outcome) {
  return outcome != TryOutcome::kAbandoned && outcome != TryOutcome::kDeadline;
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
  if (Tells(outcome)) cells_.CountFailing(ref, outcome != TryOutcome::kResponse, now);
  if (!IsFailure(outcome)) {
    if (entries_.empty()) return;
    const auto it = entries_.find(ref.index);
    if (it == entries_.end() || it->second.generation != ref.generation) return;
    return OnAnswer(it, outcome, now);
  }
  Entry* const found = EntryOf(ref);
  if (found == nullptr) return;
  Entry& entry = *found;
  entry.last_failure = std::max(entry.last_failure, now);
  // Failures of requests that were under way when the period began say nothing new.
  const bool tells = entry.probing || (now >= entry.until && entry.outlier == Outlier::kNone);
  if (entry.avoided && !tells) return;
  ++entry.failures;
  entry.probing = false;
  const bool no_connection =
      outcome == TryOutcome::kConnectFailure || outcome == TryOutcome::kConnectTimeout;
  if (entry.outlier != Outlier::kNone) {
    StartOutlierPeriod(ref, &entry, entry.outlier, now);
  } else if (entry.avoided || no_connection || entry.failures >= kSoftFailures) {
    StartPeriod(ref, &entry, now);
  }
}

void LocalAvoidance::OnAnswer(Entries::iterator it, TryOutcome outcome, common::MonotonicTime now) {
  Entry& entry = it->second;
  // An abandoned probe proves nothing: the next request is the probe.
  const bool probed = std::exchange(entry.probing, false);
  if (outcome == TryOutcome::kAbandoned || (entry.firm && now < entry.until)) return;
  if (entry.outlier == Outlier::kFailing && outcome == TryOutcome::kServerError) {
    if (probed) StartOutlierPeriod({it->first, entry.generation}, &entry, entry.outlier, now);
    return;
  }
  cells_.ShowAvoided({it->first, entry.generation}, AvoidedFor::kNothing);
  if (entry.outlier_periods == 0) return entries_.erase(it);
  Entry kept;
  kept.generation = entry.generation;
  kept.last_failure = entry.last_failure;
  kept.outlier_periods = entry.outlier_periods;
  entry = kept;
}

void LocalAvoidance::OnRetryAfter(CellRef ref, absl::Duration wait, common::MonotonicTime now) {
  wait = std::min(wait, kRetryAfterMax);
  if (wait <= absl::ZeroDuration()) return;
  Entry* const entry = EntryOf(ref);
  if (entry == nullptr) return;
  const common::MonotonicTime until = now + wait;
  if (entry->avoided && entry->until >= until) return;
  AvoidUntil(ref, entry, until, now);
  cells_.ShowAvoided(ref, AvoidedFor::kAsked);
  entry->last_failure = std::max(entry->last_failure, now);
  entry->firm = true;
}

void LocalAvoidance::OnOutlier(CellRef ref, Outlier outlier, common::MonotonicTime now) {
  Entry* const entry = EntryOf(ref);
  if (entry != nullptr) StartOutlierPeriod(ref, entry, outlier, now);
}

bool LocalAvoidance::WasOutlier(CellRef ref) const {
  const auto it = entries_.find(ref.index);
  return it != entries_.end() && it->second.generation == ref.generation &&
         it->second.outlier_periods > 0;
}

LocalAvoidance::Entry* LocalAvoidance::EntryOf(CellRef ref) {
  if (entries_.size() >= kEntriesMax && !entries_.contains(ref.index)) return nullptr;
  Entry& entry = entries_[ref.index];
  if (entry.generation != ref.generation) {
    entry = Entry();
    entry.generation = ref.generation;
  }
  return &entry;
}

void LocalAvoidance::StartPeriod(CellRef ref, Entry* entry, common::MonotonicTime now) {
  const absl::Duration period = Doubled(kFirst, entry->periods, kLongest);
  ++entry->periods;
  AvoidUntil(ref, entry, now + period, now);
  cells_.ShowAvoided(ref, AvoidedFor::kNoAnswer);
  entry->firm = false;
}

void LocalAvoidance::StartOutlierPeriod(CellRef ref, Entry* entry, Outlier outlier,
                                        common::MonotonicTime now) {
  const absl::Duration period = Doubled(kOutlierFirst, entry->outlier_periods, kOutlierLongest);
  ++entry->outlier_periods;
  entry->outlier = outlier;
  entry->firm = true;
  const common::MonotonicTime until = now + period;
  if (!entry->avoided || entry->until < until) AvoidUntil(ref, entry, until, now);
  cells_.ShowAvoided(ref, outlier == Outlier::kSlow ? AvoidedFor::kSlow : AvoidedFor::kFailing);
  // Remembered for a while after it is back.
  entry->last_failure = std::max(entry->last_failure, entry->until);
}

void LocalAvoidance::AvoidUntil(CellRef ref, Entry* entry, common::MonotonicTime until,
                                common::MonotonicTime now) {
  // Not twice what overlaps.
  cells_.AddAvoided(ref, until - (entry->avoided ? std::max(entry->until, now) : now));
  entry->until = until;
  entry->avoided = true;
  entry->probing = false;
}

void LocalAvoidance::Sweep(common::MonotonicTime now) {
  // The order does not matter: each entry is judged alone.
  for (auto it = entries_.begin(); it != entries_.end();) {
    const Entry& entry = it->second;
    const bool quiet = now - entry.last_failure > kForgetAfter && !entry.probing;
    if (quiet) {
      cells_.ShowAvoided({it->first, entry.generation}, AvoidedFor::kNothing);
      entries_.erase(it++);
    } else {
      ++it;
    }
  }
}

}  // namespace pointsman::gateway
