// A stream's way through its route's filters: on, to an answer, or suspended until a time or until
// its body is here. What waits keeps nothing of the table: it goes on with the route of the same
// name in the table of then, from the first filter if they are others.

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "gateway/core/filter.h"
#include "gateway/http/upgrade.h"
#include "gateway/proxy/stream.h"

namespace pointsman::gateway {

void Stream::RunFilters(const RouteEntry& route, size_t next) {
  const common::MonotonicTime now = context_->loop.Now();
  const common::MonotonicTime until =
      std::min(started_ + RequestTimeout(route, TargetPolicy()), grpc_deadline_);
  const auto& filters = route.filters->filters;
  while (next < filters.size()) {
    const Filter& filter = *filters[next++];
    const bool known = !BodyToCome() || context_->AwaitsEnough(request_.content_length);
    const FilterVerdict verdict = WithRouteRequest(
        known, nullptr,
        [&](const RouteRequest& request) { return filter.OnRequest(request, now, until); });
    switch (verdict.kind) {
      case FilterVerdict::Kind::kContinue:
        break;
      case FilterVerdict::Kind::kSuspend:
        GoOnLater(route, next);
        return Suspend(verdict.resume_at);
      case FilterVerdict::Kind::kAwaitBody:
        if (const Reason reason = AdmitToTarget(); reason != Reason::kNone) return Fail(reason);
        GoOnLater(route, next - 1);
        return AwaitBody();
      case FilterVerdict::Kind::kLimited:
        retry_after_ = absl::ToInt64Seconds(absl::Ceil(verdict.retry_after, absl::Seconds(1)));
        return Fail(Reason::kRateLimited);
    }
  }
  Act(route);
}

const ServicePolicy& Stream::OwnPolicy() {
  static const ServicePolicy* const own = new ServicePolicy();
  return *own;
}

const ServicePolicy& Stream::TargetPolicy() const {
  return target_ == RouteEntry::kNoService ? OwnPolicy()
                                           : context_->table->services[target_]->policy;
}

Reason Stream::AdmitToTarget() const {
  if (target_ == RouteEntry::kNoService) return Reason::kNone;
  return Admit(*context_->table->services[target_]);
}

void Stream::GoOnLater(const RouteEntry& route, size_t next) {
  // Meanwhile the bounds hold that the request will have.
  policy_ = TargetPolicy();
  route.overrides.ApplyTo(&policy_);
  filters_ = route.filters;
  filters_config_ = context_->table->config;
  next_filter_ = next;
  route_name_ = route.name;
}

void Stream::Suspend(common::MonotonicTime until) {
  if (context_->BuffersFull()) return Fail(Reason::kBuffersFull);
  if (ticket_ != 0) LeaveLine();
  phase_ = Phase::kWaiting;
  resume_at_ = until;
  ++wait_;
  context_->counters.requests_waiting.Add();
  context_->counters.requests_waited.Add();
  ArmDeadline();
}

void Stream::EndWait() {
  if (phase_ == Phase::kWaiting) {
    (ticket_ != 0 ? context_->counters.requests_queued : context_->counters.requests_waiting)
        .Subtract();
  } else {
    context_->counters.requests_awaiting_body.Subtract();
    context_->awaited_bytes -= context_->AwaitedBytes(request_.content_length);
  }
  phase_ = Phase::kReceivingHead;
}

void Stream::PushResume() {
  StreamEvent event;
  event.stream = handle_;
  event.kind = StreamEvent::Kind::kResume;
  event.attempt = wait_;
  context_->ready.Push(std::move(event));
}

Reason Stream::CheckAgain(const RouteEntry& route) {
  if (context_->table->config == filters_config_) return Reason::kNone;
  // Kept as it came, where it would be merged now.
  const bool kept = absl::StrContains(request_.block.At(request_.path), "//");
  if (kept && (route.path_traits & common::kPathEmptySegment) == 0) return Reason::kAmbiguousPath;
  if (const Reason reason = CheckPath(route); reason != Reason::kNone) return reason;
  const Upgrade chosen = request_.upgrade;
  if (chosen == Upgrade::kNone) return Reason::kNone;
  if (const Reason reason = TakeUpgrade(route); reason != Reason::kNone) return reason;
  return request_.upgrade == chosen ? Reason::kNone : Reason::kUpgradeRefused;
}

size_t Stream::WhereToGoOn(const FilterChain& chain) const {
  const bool again = phase_ == Phase::kAwaitingBody;
  const auto& held = filters_->filters[again ? next_filter_ : next_filter_ - 1];
  const auto place = std::find(chain.filters.begin(), chain.filters.end(), held);
  if (place == chain.filters.end()) return 0;
  return static_cast<size_t>(place - chain.filters.begin()) + (again ? 0 : 1);
}

void Stream::Resume() {
  const RouteEntry* found = context_->table->router->Find(route_name_);
  const bool filtered = found != nullptr && found->filters != nullptr;
  const size_t next = filtered && filters_ != nullptr ? WhereToGoOn(*found->filters) : 0;
  filters_ = nullptr;
  EndWait();
  if (found == nullptr) return Fail(Reason::kNoRoute);
  if (ticket_ == 0 || !KeepTarget(*found)) DrawTarget(*found);
  if (const Reason reason = CheckAgain(*found); reason != Reason::kNone) return Fail(reason);
  filtered ? RunFilters(*found, next) : Act(*found);
}

}  // namespace pointsman::gateway
