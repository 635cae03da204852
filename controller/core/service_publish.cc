// ServiceState: from verdicts and weights to the next revision of the slice.

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/core/codes.h"
#include "controller/core/failover.h"
#include "controller/core/service_state.h"

namespace pointsman::controller {
namespace {

using common::MonotonicTime;

// The slice's scale is rounded to eighths of an octave, so that it changes seldom.
double QuantisedScale(double mean_factor) {
  if (!(mean_factor > 0)) return 1;
  return std::exp2(std::round(-std::log2(mean_factor) * 8) / 8);
}

// Slow start is told in the table, so that a later owner knows a part from a whole weight.
v1::Reason ShownReason(const EndpointState& endpoint) {
  const bool ramping = Serves(endpoint.health.verdict) && endpoint.sent_parts.ramp < 1;
  return ramping ? v1::REASON_SLOW_START : endpoint.health.reason;
}

}  // namespace

HeadState ServiceState::BuildHead(const std::vector<RoutableRow>& rows, bool fail_open) const {
  HeadState head;
  head.fail_open = fail_open;
  head.scale = QuantisedScale(mean_factor_);
  std::vector<PriorityRow> priorities;
  priorities.reserve(rows.size());
  size_t i = 0;
  for (const auto& [id, endpoint] : endpoints_) {
    const RoutableRow& row = rows[i++];
    const bool counted = row.proven && !row.by_operator && row.verdict != v1::VERDICT_DRAINING;
    priorities.push_back({endpoint.info->priority, endpoint.info->capacity, counted, row.routable});
  }
  head.priority_share = PriorityShares(policy_.overprovisioning, priorities);
  return head;
}

void ServiceState::FailOpenEvent(bool fail_open, uint32_t serving, StepContext& context) {
  if (fail_open == fail_open_) return;
  fail_open_ = fail_open;
  context.effects.events.push_back(
      {fail_open ? kEventFailOpenBegan : kEventFailOpenEnded,
       absl::StrCat("services/", id_),
       "controller",
       fail_open ? absl::StrCat(id_, " fails open: only ", serving, " of ", Counted(),
                                " endpoints are healthy, the others are used too")
                 : absl::StrCat(id_, " no longer fails open"),
       {{"healthy", absl::StrCat(serving)},
        {"fail_open_below", absl::StrCat(policy_.health.fail_open_below)}}});
}

// Shows every endpoint's state in the table. Rows follow the order of endpoints_.
void ServiceState::SyncTable(StepContext& context) {
  std::vector<RoutableRow> rows;
  rows.reserve(endpoints_.size());
  uint32_t serving = 0;
  for (const auto& [id, endpoint] : endpoints_) {
    rows.push_back({endpoint.health.verdict, endpoint.health.proven, endpoint.health.confirmed,
                    endpoint.taken_by_operator(), false});
    if (Serves(endpoint.health.verdict)) ++serving;
  }
  bool fail_open = ChooseRoutable(policy_.health, rows);
  if (policy_.health.shadow) {
    fail_open = false;
    for (RoutableRow& row : rows) {
      row.routable = !row.by_operator && row.verdict != v1::VERDICT_DRAINING;
    }
  }
  FailOpenEvent(fail_open, serving, context);
  size_t i = 0;
  for (auto& [id, endpoint] : endpoints_) {
    const RoutableRow& row = rows[i++];
    if (endpoint.sent == 0) RefreshWeight(endpoint, context);
    const EntryState state{endpoint.health.verdict, ShownReason(endpoint), endpoint.sent,
                           row.routable};
    if (endpoint.handle != 0) {
      table_.SetState(endpoint.handle, state);
    } else if (!context.frozen || endpoint.is_static) {
      endpoint.handle = table_.Add(endpoint.info, state);
    }
  }
  table_.SetHead(BuildHead(rows, fail_open));
}

void ServiceState::Publish(StepContext& context) {
  std::optional<Frame> frame = table_.Commit(context.now);
  if (!frame) return;
  ++context.counters.frames;
  if (step_moved_) {
    awaiting_ = true;
    awaiting_since_ = context.now;
    awaited_revision_ = frame->to;
    if (ChangeTookEffect(context.now)) RestartWindows(context.now);
  }
  context.effects.frames.push_back(std::move(*frame));
}

// A fleet that starts would otherwise cost the square of its size. Few endpoints: none.
absl::Duration ServiceState::SyncPause() const {
  constexpr size_t kFew = 100;
  if (endpoints_.size() < kFew) return absl::ZeroDuration();
  return std::min(absl::Microseconds(50) * static_cast<int64_t>(endpoints_.size()),
                  absl::Milliseconds(500));
}

void ServiceState::Finish(StepContext& context) {
  sync_due_ = MonotonicTime::Infinite();
  if (!configured_ || held_) {
    step_moved_ = false;
    return;
  }
  const MonotonicTime due = synced_at_ + SyncPause();
  if (dirty_ && !urgent_ && !step_moved_ && context.now < due) {
    sync_due_ = due;
    return;
  }
  if (dirty_) {
    dirty_ = urgent_ = false;
    synced_at_ = context.now;
    SyncTable(context);
    dirty_ = false;  // Weights refreshed while syncing are synced.
    Publish(context);
  }
  step_moved_ = false;
}

ServiceSummary ServiceState::Summary() const {
  ServiceSummary summary;
  summary.service = id_;
  summary.version = table_.version();
  summary.endpoints = static_cast<uint32_t>(endpoints_.size());
  for (const FrameEntry& entry : table_.entries()) {
    if (entry.state.routable) ++summary.routable;
    if (Serves(entry.state.verdict)) ++summary.healthy;
  }
  summary.fail_open = fail_open_;
  summary.shadow = policy_.health.shadow;
  summary.held_back = held_;
  return summary;
}

}  // namespace pointsman::controller
