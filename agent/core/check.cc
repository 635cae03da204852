#include "agent/core/check.h"

#include <algorithm>
#include <utility>

#include "agent/core/agent_config.h"
#include "common/core/proto_time.h"

namespace pointsman::agent {
namespace {

constexpr absl::Duration kIntervalMin = absl::Milliseconds(100);
constexpr absl::Duration kIntervalMax = absl::Minutes(10);
constexpr absl::Duration kTimeoutMin = absl::Milliseconds(10);
constexpr absl::Duration kTimeoutMax = absl::Seconds(60);
constexpr absl::Duration kTransitionMin = absl::Milliseconds(50);

int CountOr(uint32_t value, int absent) {
  return value == 0 ? absent : static_cast<int>(std::min<uint32_t>(value, 100));
}

}  // namespace

CheckSpec MakeCheckSpec(const v1::HealthCheck& check) {
  CheckSpec spec;
  spec.what = std::make_shared<const v1::HealthCheck>(check);
  spec.name = !check.name().empty() ? check.name() : check.has_tcp() ? "tcp" : "http";
  spec.interval = check.has_interval()
                      ? std::clamp(common::FromProto(check.interval()), kIntervalMin, kIntervalMax)
                      : absl::Seconds(2);
  const absl::Duration timeout_max = std::min(kTimeoutMax, spec.interval);
  spec.timeout = check.has_timeout()
                     ? std::clamp(common::FromProto(check.timeout()), kTimeoutMin, timeout_max)
                     : std::min(absl::Seconds(1), spec.interval);
  spec.transition_interval =
      check.has_transition_interval()
          ? std::clamp(common::FromProto(check.transition_interval()), kTransitionMin,
                       spec.interval)
          : std::min(std::max(spec.interval / 5, absl::Milliseconds(100)), spec.interval);
  if (check.has_degraded_after()) {
    spec.degraded_after =
        std::clamp(common::FromProto(check.degraded_after()), absl::ZeroDuration(), spec.timeout);
  }
  spec.rise = CountOr(check.rise(), 2);
  spec.fall = CountOr(check.fall(), 3);
  return spec;
}

std::string ShownText(absl::string_view text, size_t bytes_max) {
  std::string shown(text.substr(0, bytes_max));
  for (char& c : shown) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return shown;
}

CheckMachine::CheckMachine(const Saved& saved, common::MonotonicTime now)
    : status_(saved.status),
      since_(std::min(common::MonotonicTime::FromMicros(saved.since_micros), now)),
      usual_(absl::Microseconds(saved.usual_micros)) {}

v1::CheckStatus CheckMachine::Target(const CheckSpec& spec) const {
  const uint32_t rise = static_cast<uint32_t>(spec.rise);
  const uint32_t fall = static_cast<uint32_t>(spec.fall);
  if (last_class_ == v1::CHECK_STATUS_FAILING) {
    return consecutive_ >= fall ? v1::CHECK_STATUS_FAILING : status_;
  }
  switch (status_) {
    case v1::CHECK_STATUS_PASSING:
      return last_class_ == v1::CHECK_STATUS_DEGRADED && consecutive_ >= fall ? last_class_
                                                                              : status_;
    case v1::CHECK_STATUS_DEGRADED:
      return last_class_ == v1::CHECK_STATUS_PASSING && consecutive_ >= FastNeeded(spec)
                 ? last_class_
                 : status_;
    default:
      if (passed_in_row_ < rise) return status_;
      return slow_in_row_ ? v1::CHECK_STATUS_DEGRADED : v1::CHECK_STATUS_PASSING;
  }
}

uint32_t CheckMachine::FastNeeded(const CheckSpec& spec) const {
  const auto rise = static_cast<uint32_t>(spec.rise);
  if (spec.degraded_after.has_value()) return rise;
  return std::max(rise, std::min(rise << std::min(slow_again_, 6u), kFastNeededMax));
}

void CheckMachine::NoteSlow(const CheckSpec& spec, v1::CheckStatus before,
                            common::MonotonicTime now) {
  if (spec.degraded_after.has_value()) return;
  if (before == v1::CHECK_STATUS_DEGRADED) fast_from_ = now;
  if (status_ != v1::CHECK_STATUS_DEGRADED) return;
  const bool again = fast_from_ != common::MonotonicTime() && now - fast_from_ <= kSlowAgain;
  slow_again_ = again ? slow_again_ + 1 : 0;
}

bool CheckMachine::Observe(const CheckSpec& spec, const RunResult& run, common::MonotonicTime now) {
  v1::CheckStatus run_class = v1::CHECK_STATUS_FAILING;
  if (run.passed()) {
    slow_after_ = spec.degraded_after.value_or(usual_.SlowAfter());
    const bool slow = run.latency > slow_after_;
    usual_.Learn(run.latency, slow);
    run_class = slow ? v1::CHECK_STATUS_DEGRADED : v1::CHECK_STATUS_PASSING;
    slow_in_row_ = slow || (passed_in_row_ > 0 && slow_in_row_);
    ++passed_in_row_;
  } else {
    passed_in_row_ = 0;
  }
  consecutive_ = run_class == last_class_ ? consecutive_ + 1 : 1;
  last_class_ = run_class;
  last_ = run;
  last_.detail = ShownText(run.detail, kDetailBytesMax);
  ended_ = now;
  ran_ = true;
  const v1::CheckStatus target = Target(spec);
  if (target == status_) return false;
  const v1::CheckStatus before = std::exchange(status_, target);
  since_ = now;
  NoteSlow(spec, before, now);
  return true;
}

void CheckMachine::ForgetUsual() {
  usual_ = UsualLatency();
  slow_after_ = absl::InfiniteDuration();
}

bool CheckMachine::Void(common::MonotonicTime now) {
  ForgetUsual();
  consecutive_ = 0;
  passed_in_row_ = 0;
  last_class_ = v1::CHECK_STATUS_UNSPECIFIED;
  if (status_ == v1::CHECK_STATUS_FAILING || status_ == v1::CHECK_STATUS_UNSPECIFIED) return false;
  status_ = v1::CHECK_STATUS_UNSPECIFIED;
  since_ = now;
  return true;
}

bool CheckMachine::Changing() const {
  return status_ == v1::CHECK_STATUS_UNSPECIFIED ||
         (last_class_ != v1::CHECK_STATUS_UNSPECIFIED && last_class_ != status_);
}

void CheckMachine::Fill(common::MonotonicTime now, v1::CheckState* out) const {
  out->set_status(status_);
  common::ToProto(now - since_, out->mutable_since());
  out->set_consecutive(consecutive_);
  common::ToProto(last_.latency, out->mutable_last_latency());
  out->set_last_failure(last_.failure);
  out->set_last_status(last_.http_status);
  common::ToProto(ran_ ? now - ended_ : absl::ZeroDuration(), out->mutable_age());
  out->set_detail(last_.detail);
  if (slow_after_ != absl::InfiniteDuration()) {
    common::ToProto(slow_after_, out->mutable_slow_after());
  }
}

}  // namespace pointsman::agent
