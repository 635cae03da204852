// When a phase, a try or a request as a whole is over, and what follows.

#include "gateway/core/picker.h"
#include "gateway/proxy/stream.h"

namespace pointsman::gateway {

Stream::Deadline Stream::NextDeadline() const {
  // A tunnel may last as long as it is used.
  if (tunnel_) return {progress_ + policy_.idle_timeout, Reason::kIdleTimeout};
  Deadline deadline{started_ + policy_.request_timeout, Reason::kRequestTimeout};
  if (grpc_deadline_ < deadline.at) deadline = {grpc_deadline_, Reason::kDeadlineExceeded};
  const auto consider = [&deadline](common::MonotonicTime at, Reason reason) {
    if (at < deadline.at) deadline = {at, reason};
  };
  switch (phase_) {
    case Phase::kConnecting:
      consider(phase_started_ + policy_.connect_timeout, Reason::kConnectTimeout);
      break;
    case Phase::kSending:
      consider(progress_ + policy_.idle_timeout,
               waits_for_upstream_ ? Reason::kUpstreamTimeout : Reason::kBodyTimeout);
      break;
    case Phase::kAwaiting:
      consider(phase_started_ + policy_.first_byte_timeout, Reason::kUpstreamTimeout);
      if (!per_try_waived_ && retries_ < policy_.max_retries && SafeToRepeat() &&
          try_sent_ + policy_.per_try_timeout < deadline.at) {
        deadline = {try_sent_ + policy_.per_try_timeout, Reason::kUpstreamTimeout, true};
      }
      break;
    case Phase::kResponding:
      consider(progress_ + policy_.idle_timeout, Reason::kIdleTimeout);
      break;
    case Phase::kWaiting:
      consider(resume_at_, Reason::kNone);
      break;
    case Phase::kAwaitingBody:
      consider(progress_ + policy_.idle_timeout, Reason::kBodyTimeout);
      break;
    case Phase::kReceivingHead:
    case Phase::kOver:
      deadline.at = common::MonotonicTime::Infinite();
      break;
  }
  return deadline;
}

// The per-try time is over: another endpoint gets the request if there is one and the budget
// allows, else this try goes on to its own end.
void Stream::OnTryTooSlow() {
  const ServiceTable* service = FindService();
  const CountersView view{context_->cells, context_->avoidance, context_->loop.Now()};
  PickResult pick;
  if (service != nullptr) {
    pick = PickAndStart(*service, view, &context_->cells, tried_, context_->random);
  }
  const bool elsewhere = pick.status == PickResult::Status::kPicked;
  if (!elsewhere || !TakeRetry()) {
    if (elsewhere) context_->cells.EndTry(pick.endpoint->cell);
    per_try_waived_ = true;
    return ArmDeadline();
  }
  EndTry(TryOutcome::kTimeout, /*clean=*/false);
  BeginPicked(pick);
}

void Stream::ArmDeadline() { context_->loop.timers().Arm(*this, NextDeadline().at); }

void Stream::OnTimer() {
  const Deadline deadline = NextDeadline();
  if (context_->loop.Now() < deadline.at) {
    if (phase_ != Phase::kOver) context_->loop.timers().Arm(*this, deadline.at);
    return;
  }
  switch (deadline.reason) {
    case Reason::kNone:
      return PushResume();
    case Reason::kConnectTimeout:
      return OnTryFailed(deadline.reason, TryOutcome::kConnectTimeout);
    case Reason::kUpstreamTimeout:
      if (deadline.per_try) return OnTryTooSlow();
      return OnTryFailed(deadline.reason, TryOutcome::kTimeout);
    case Reason::kDeadlineExceeded:
    case Reason::kRequestTimeout:
      if (phase_ == Phase::kAwaiting) CountTry(TryOutcome::kDeadline, absl::Microseconds(-1));
      return Fail(deadline.reason);
    default:
      return Fail(deadline.reason);
  }
}

}  // namespace pointsman::gateway
