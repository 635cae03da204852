// When a phase, a try or a request as a whole is over, and what follows.

#include "gateway/core/age.h"
#include "gateway/proxy/stream.h"

namespace pointsman::gateway {

void Stream::DrawStreamAge() {
  if (!grpc_ && !wants_upgrade()) return;
  policy_.stream_age_max = DrawAge(policy_.stream_age_max, context_->random);
}

common::MonotonicTime Stream::AgedAt() const {
  if (!in_service_) return common::MonotonicTime::Infinite();
  const common::MonotonicTime at = started_ + policy_.stream_age_max;
  return ends_at_border_ ? at + policy_.idle_timeout : at;
}

// Between two messages a call ends in order; for that one it is in has some time.
void Stream::OnAged() {
  const bool within = grpc_ && phase_ == Phase::kResponding && !grpc_frames_.at_border();
  if (!within || ends_at_border_) return Fail(Reason::kStreamAge);
  ends_at_border_ = true;
  ArmDeadline();
}

Stream::Deadline Stream::NextDeadline() const {
  // A tunnel may last as long as it is used, and not too old.
  if (tunnel_) {
    const common::MonotonicTime idle = progress_ + policy_.idle_timeout;
    const common::MonotonicTime aged = AgedAt();
    return aged < idle ? Deadline{aged, Reason::kStreamAge} : Deadline{idle, Reason::kIdleTimeout};
  }
  Deadline deadline{started_ + policy_.request_timeout, Reason::kRequestTimeout};
  if (grpc_deadline_ < deadline.at) deadline = {grpc_deadline_, Reason::kDeadlineExceeded};
  const auto consider = [&deadline](common::MonotonicTime at, Reason reason) {
    if (at < deadline.at) deadline = {at, reason};
  };
  if (grpc_) consider(AgedAt(), Reason::kStreamAge);
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
        deadline = {try_sent_ + policy_.per_try_timeout, Reason::kUpstreamTimeout,
                    Deadline::Of::kTry};
      }
      break;
    case Phase::kResponding:
      consider(progress_ + policy_.idle_timeout, Reason::kIdleTimeout);
      break;
    case Phase::kWaiting:
      consider(resume_at_, ticket_ != 0 ? Reason::kQueueTimeout : Reason::kNone);
      break;
    case Phase::kAwaitingBody:
      consider(progress_ + policy_.idle_timeout, Reason::kBodyTimeout);
      break;
    case Phase::kReceivingHead:
    case Phase::kOver:
      deadline.at = common::MonotonicTime::Infinite();
      break;
  }
  if (load_ != nullptr) ConsiderHedge(&deadline);
  return deadline;
}

// The per-try time is over: another endpoint gets the request if there is one and the budget
// allows, else this try goes on to its own end.
void Stream::OnTryTooSlow() {
  if (hedging()) return PromoteHedge(TryOutcome::kTimeout, /*clean=*/false);
  if (TryElsewhere(TryOutcome::kTimeout, /*clean=*/false)) return;
  per_try_waived_ = true;
  ArmDeadline();
}

void Stream::ConsiderHedge(Deadline* deadline) const {
  if (!hedging() && hedge_after_ == absl::InfiniteDuration()) return;
  const common::MonotonicTime at =
      hedging() ? hedge_->begun + policy_.connect_timeout : try_sent_ + hedge_after_;
  const bool due = hedging() ? hedge_->sent == common::MonotonicTime()
                             : phase_ == Phase::kAwaiting && MayHedge();
  if (due && at < deadline->at) *deadline = {at, Reason::kUpstreamTimeout, Deadline::Of::kHedge};
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
      if (deadline.of == Deadline::Of::kTry) return OnTryTooSlow();
      if (deadline.of == Deadline::Of::kHedge) return OnHedgeDue();
      return OnTryFailed(deadline.reason, TryOutcome::kTimeout);
    case Reason::kDeadlineExceeded:
    case Reason::kRequestTimeout:
      if (phase_ == Phase::kAwaiting) CountTry(TryOutcome::kDeadline, absl::Microseconds(-1));
      return Fail(deadline.reason);
    case Reason::kStreamAge:
      return OnAged();
    default:
      return Fail(deadline.reason);
  }
}

}  // namespace pointsman::gateway
