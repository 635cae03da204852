#include "sim/policies/pid.h"

#include <algorithm>
#include <cmath>

#include "common/core/check.h"

namespace pointsman::sim {

double PidGainBound(int delay_periods) {
  constexpr double kPi = 3.141592653589793238462643;
  return 2 * std::sin(kPi / (2 * (2.0 * delay_periods + 1)));
}

PidControl::PidControl(size_t endpoints, const PidOptions& options)
    : options_(options), weights_(endpoints, 1.0), last_error_(endpoints) {
  PM_CHECK(endpoints >= 1 && options.period > absl::ZeroDuration());
  PM_CHECK(options.weight_min > 0 && options.weight_min <= 1 && options.weight_max >= 1);
}

void PidControl::Step(std::span<const std::optional<double>> utilisation) {
  PM_CHECK(utilisation.size() == weights_.size());
  double sum = 0;
  int known = 0;
  for (const auto& value : utilisation) {
    sum += value.value_or(0);
    known += value.has_value();
  }
  if (known == 0 || sum <= 0) return;
  const double mean = sum / known;
  const double period = absl::ToDoubleSeconds(options_.period);
  double weight_sum = 0;
  for (size_t i = 0; i < weights_.size(); ++i) {
    if (utilisation[i].has_value()) {
      const double error = mean - *utilisation[i];
      const double slope = last_error_[i].has_value() ? (error - *last_error_[i]) / period : 0;
      const double signal = (options_.kp * period * error + options_.kd * slope) / mean;
      weights_[i] *= signal >= 0 ? 1 + signal : 1 / (1 - signal);
      last_error_[i] = error;
    }
    weight_sum += weights_[i];
  }
  const double scale = static_cast<double>(weights_.size()) / weight_sum;
  for (double& weight : weights_) {
    weight = std::clamp(weight * scale, options_.weight_min, options_.weight_max);
  }
}

PidPolicy::PidPolicy(size_t endpoints, const PidOptions& options)
    : options_(options),
      control_(endpoints, options),
      utilisation_(endpoints),
      schedule_(MakeSchedule(options.schedule)) {}

void PidPolicy::OnReport(size_t endpoint, const LoadReport& report, common::MonotonicTime now) {
  // The larger one: a host with a slow disk and an idle processor is not fed more.
  double utilisation = std::max(report.cpu, report.application);
  const double errors = report.qps > 0 ? report.eps / report.qps : 0;
  if (errors >= options_.error_threshold) utilisation += options_.error_penalty * errors;
  utilisation_[endpoint] = utilisation;
}

void PidPolicy::OnTick(common::MonotonicTime now, absl::BitGenRef random) {
  control_.Step(utilisation_);
  schedule_->SetWeights(control_.weights(), random);
  scheduled_ = true;
}

size_t PidPolicy::Pick(const PickView& view, absl::BitGenRef random) {
  if (!scheduled_) schedule_->SetWeights(control_.weights(), random);
  scheduled_ = true;
  return schedule_->Next(random);
}

}  // namespace pointsman::sim
