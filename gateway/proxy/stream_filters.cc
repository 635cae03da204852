// A stream's way through its route's filters: on, to an answer, or suspended for a while. What
// waits keeps nothing of the table: it goes on with the route of the same name in the table of
// then, from the first filter if they are others.

#include <utility>

#include "gateway/core/filter.h"
#include "gateway/proxy/stream.h"

namespace pointsman::gateway {

void Stream::RunFilters(const RouteEntry& route, size_t next) {
  const common::MonotonicTime now = context_->loop.Now();
  const auto& filters = route.filters->filters;
  while (next < filters.size()) {
    const Filter& filter = *filters[next++];
    const FilterVerdict verdict = WithRouteRequest(
        [&](const RouteRequest& request) { return filter.OnRequest(request, now); });
    switch (verdict.kind) {
      case FilterVerdict::Kind::kContinue:
        break;
      case FilterVerdict::Kind::kSuspend:
        return Suspend(route, next, verdict.until);
      case FilterVerdict::Kind::kLimited:
        retry_after_ = absl::ToInt64Seconds(absl::Ceil(verdict.retry_after, absl::Seconds(1)));
        return Fail(Reason::kRateLimited);
    }
  }
  Act(route);
}

void Stream::Suspend(const RouteEntry& route, size_t next, common::MonotonicTime until) {
  phase_ = Phase::kWaiting;
  filters_ = route.filters;
  next_filter_ = next;
  route_name_ = route.name;
  resume_at_ = until;
  ++wait_;
  // Meanwhile the bounds hold that it will have.
  policy_ = route.service == RouteEntry::kNoService
                ? ServicePolicy()
                : context_->table->services[route.service]->policy;
  if (route.request_timeout.has_value()) policy_.request_timeout = *route.request_timeout;
  context_->counters.requests_waiting.Add();
  context_->counters.requests_waited.Add();
  ArmDeadline();
}

void Stream::EndSuspension() {
  context_->counters.requests_waiting.Subtract();
  phase_ = Phase::kReceivingHead;
  filters_ = nullptr;
}

void Stream::PushResume() {
  StreamEvent event;
  event.stream = handle_;
  event.kind = StreamEvent::Kind::kResume;
  event.attempt = wait_;
  context_->ready.Push(std::move(event));
}

void Stream::Resume() {
  const std::shared_ptr<const FilterChain> before = filters_;
  EndSuspension();
  const RouteEntry* route = context_->table->router->Find(route_name_);
  if (route == nullptr) return Fail(Reason::kNoRoute);
  if (route->filters == nullptr) return Act(*route);
  RunFilters(*route, route->filters == before ? next_filter_ : 0);
}

}  // namespace pointsman::gateway
