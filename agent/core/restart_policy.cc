#include "agent/core/restart_policy.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "agent/core/agent_config.h"
#include "agent/core/check.h"

namespace pointsman::agent {

using common::MonotonicTime;

bool RestartBudget::Fits(const RestartLimits& limits, bool alone, MonotonicTime now) const {
  const int64_t oldest = (now - limits.budget_window).micros();
  const auto recent = std::count_if(starts_micros_.begin(), starts_micros_.end(),
                                    [oldest](int64_t start) { return start > oldest; });
  return recent < (alone ? limits.budget_alone : limits.budget);
}

void RestartBudget::Take(const RestartLimits& limits, MonotonicTime now) {
  const int64_t oldest = (now - limits.budget_window).micros();
  std::erase_if(starts_micros_, [oldest](int64_t start) { return start <= oldest; });
  starts_micros_.push_back(now.micros());
}

void RestartPolicy::Restore(const Saved& saved, MonotonicTime now) {
  backoff_.Restore(saved.tries);
  // A time too far ahead is not one of this boot's.
  earliest_ = std::min(MonotonicTime::FromMicros(saved.earliest_micros), now + limits_.backoff.max);
  if (saved.request_id == 0) return;
  request_id_ = saved.request_id;
  lease_until_ = MonotonicTime::FromMicros(saved.lease_until_micros);
  state_ = State::kSettling;
  since_ = now;
  detail_ = "agent restarted meanwhile";
}

RestartPolicy::Saved RestartPolicy::Save() const {
  Saved saved{.tries = backoff_.tries(), .earliest_micros = earliest_.micros()};
  if (OwesResult()) {
    saved.request_id = request_id_;
    saved.lease_until_micros = lease_until_.micros();
  }
  return saved;
}

bool RestartPolicy::Wanted(const RestartLimits& limits, const RestartView& view) {
  return view.allowed && (view.gone || (view.failing && view.failing_for >= limits.failing_before));
}

RestartPolicy::Act RestartPolicy::Decide(const RestartView& view, uint64_t next_id,
                                         RestartBudget& budget, MonotonicTime now) {
  if (!view.good) {
    good_since_ = MonotonicTime::Infinite();
  } else if (good_since_ == MonotonicTime::Infinite()) {
    good_since_ = now;
  } else if (now - good_since_ >= limits_.calm) {
    backoff_.Reset();
  }
  switch (state_) {
    case State::kIdle:
      return DecideIdle(view, next_id, budget, now);
    case State::kAsked:
      if (!Wanted(limits_, view) || now - since_ >= limits_.answer_timeout) {
        state_ = State::kIdle;
        request_id_ = 0;
      }
      return Act::kNone;
    case State::kGranted:
      if (now >= lease_until_ || !Wanted(limits_, view)) {
        succeeded_ = view.good;
        detail_ = view.good ? "came back by itself" : "not started within the lease";
        return Act::kFinish;
      }
      return Start(budget, now);
    case State::kRunning:
      return Act::kNone;
    case State::kSettling:
      return Settled(view, now) ? Act::kFinish : Act::kNone;
  }
  return Act::kNone;
}

bool RestartPolicy::Exhausted(const RestartView& view, const RestartBudget& budget,
                              MonotonicTime now) const {
  return state_ == State::kIdle && Wanted(limits_, view) && now >= earliest_ &&
         !budget.Fits(limits_, /*alone=*/!view.connected, now);
}

RestartPolicy::Act RestartPolicy::DecideIdle(const RestartView& view, uint64_t next_id,
                                             RestartBudget& budget, MonotonicTime now) {
  if (!Wanted(limits_, view) || now < earliest_) return Act::kNone;
  if (!budget.Fits(limits_, /*alone=*/!view.connected, now)) return Act::kNone;
  cause_ = view.gone
               ? "process gone"
               : absl::StrCat("checks fail for ", absl::ToInt64Seconds(view.failing_for), "s");
  detail_.clear();
  succeeded_ = false;
  action_failed_ = false;
  if (view.connected) {
    request_id_ = next_id;
    state_ = State::kAsked;
    since_ = now;
    return Act::kAsk;
  }
  if (view.alone_for < limits_.alone_after) return Act::kNone;
  return Start(budget, now);
}

RestartPolicy::Act RestartPolicy::Start(RestartBudget& budget, MonotonicTime now) {
  budget.Take(limits_, now);
  state_ = State::kRunning;
  since_ = now;
  return Act::kStart;
}

bool RestartPolicy::Settled(const RestartView& view, MonotonicTime now) {
  if (action_failed_) return true;
  if (view.good) {
    succeeded_ = true;
    return true;
  }
  if (now - since_ < limits_.settle) return false;
  detail_ = view.gone ? "the process is gone again" : "checks do not pass";
  return true;
}

void RestartPolicy::OnGranted(uint64_t request_id, absl::Duration lease, MonotonicTime now) {
  if (state_ != State::kAsked || request_id != request_id_) return;
  state_ = State::kGranted;
  since_ = now;
  lease_until_ = now + lease;
}

void RestartPolicy::OnRefused(uint64_t request_id, absl::Duration wait, MonotonicTime now) {
  if (state_ != State::kAsked || request_id != request_id_) return;
  state_ = State::kIdle;
  request_id_ = 0;
  // The controller's number is bounded: a wrong one must not end restarts for good.
  earliest_ = std::max(earliest_, now + std::clamp(wait, absl::Milliseconds(100), absl::Hours(1)));
}

void RestartPolicy::OnDisconnected() {
  if (state_ != State::kAsked) return;
  state_ = State::kIdle;
  request_id_ = 0;
}

void RestartPolicy::OnDone(bool ok, absl::string_view detail, MonotonicTime now) {
  if (state_ != State::kRunning) return;
  state_ = State::kSettling;
  since_ = now;
  action_failed_ = !ok;
  detail_ = ShownText(detail, kDetailBytesMax);
}

void RestartPolicy::Close(absl::BitGenRef random, MonotonicTime now) {
  state_ = State::kIdle;
  request_id_ = 0;
  earliest_ = now + backoff_.Next(random);
}

}  // namespace pointsman::agent
