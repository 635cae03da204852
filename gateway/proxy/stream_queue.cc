// A service that takes no more for now: its requests wait in a line, the more critical first, or
// are refused (docs/design/overload.md). What waits keeps nothing of the table, as with filters,
// and goes to where its route leads then.

#include <algorithm>
#include <utility>

#include "gateway/core/filter.h"
#include "gateway/proxy/service_loads.h"
#include "gateway/proxy/stream.h"

namespace pointsman::gateway {

ConcurrencyLimit::Bounds Stream::AdaptiveBounds(const ServicePolicy& policy) const {
  const uint32_t workers = static_cast<uint32_t>(context_->workers);
  return {.least = (policy.adaptive_min_in_flight + workers - 1) / workers,
          .most = policy.max_in_flight,
          .room = 4.0 / static_cast<double>(context_->workers)};
}

bool Stream::IsBehind(const ServiceTable& service, Criticality criticality) const {
  const ServicePolicy& policy = service.policy;
  const ServiceLoad& load = context_->loads->Of(service.cell);
  if (policy.adaptive_min_in_flight > 0 &&
      load.in_flight >= load.limit.limit(AdaptiveBounds(policy))) {
    return true;
  }
  if (policy.waiting_max == 0) return false;
  if (ticket_ == 0 || line_ != service.cell) return load.line.Ahead(criticality);
  return load.line.Front()->ticket != ticket_;
}

void Stream::Queue(const RouteEntry& route, const ServiceTable& service) {
  if (service.policy.waiting_max == 0) return Fail(Reason::kTooManyRequests);
  if (ticket_ != 0 && line_ != service.cell) LeaveLine();
  if (ticket_ == 0 && !JoinLine(route, service)) return Fail(Reason::kTooManyRequests);
  GoOnLater(route, route.filters == nullptr ? 0 : route.filters->filters.size());
  phase_ = Phase::kWaiting;
  resume_at_ = queue_until_;
  ++wait_;
  context_->counters.requests_queued.Add();
  ArmDeadline();
}

bool Stream::JoinLine(const RouteEntry& route, const ServiceTable& service) {
  const size_t max = std::max<size_t>(1, service.policy.waiting_max / context_->workers);
  const WaitingLine::Joined joined =
      context_->loads->Of(service.cell)
          .line.Join(route.criticality, handle_.index, handle_.generation, max);
  if (joined.ticket == 0) return false;
  ticket_ = joined.ticket;
  line_ = service.cell;
  queue_until_ = context_->loop.Now() + service.policy.wait_max;
  context_->counters.requests_queued_total.Add();
  context_->loads->LookSoon(line_);
  if (!joined.gives_way.has_value()) return true;
  Stream* other = context_->streams->Find(
      {joined.gives_way->stream_index, joined.gives_way->stream_generation});
  if (other != nullptr) other->Fail(Reason::kShed);
  return true;
}

void Stream::LeaveLine() {
  ServiceLoad& load = context_->loads->Of(line_);
  load.line.Leave(std::exchange(ticket_, 0));
  // There may be room for more than one.
  context_->loads->Wake(load);
}

bool Stream::KeepTarget(const RouteEntry& route) {
  const auto& services = context_->table->services;
  for (const SplitTarget& share : route.split) {
    if (services[share.service]->name != service_name_) continue;
    target_ = share.service;
    return true;
  }
  return false;
}

void Stream::TellLoad(TryOutcome outcome, absl::Duration latency) {
  const bool timeout = outcome == TryOutcome::kTimeout || outcome == TryOutcome::kConnectTimeout ||
                       outcome == TryOutcome::kDeadline;
  // What failed fast tells nothing of how long answers take; what was given up lasted so long at
  // least.
  if (!timeout && outcome != TryOutcome::kResponse) return;
  const common::MonotonicTime now = context_->loop.Now();
  absl::Duration took = timeout ? now - try_begun_ : latency;
  // The first try would have taken longer.
  if (hedge_ != nullptr && hedge_->attempt == attempt_) took = now - hedge_->first_sent;
  if (policy_.hedge_percentile > 0) load_->answers.Add(took, now);
  if (policy_.adaptive_min_in_flight == 0) return;
  const ConcurrencyLimit::Bounds bounds = AdaptiveBounds(policy_);
  load_->limit.OnSample(took, load_->in_flight, bounds, now);
  context_->cells.ShowLearnedLimit(service_cell_, load_->limit.limit(bounds));
}

}  // namespace pointsman::gateway
