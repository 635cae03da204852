#include "sim/policies/wrr.h"

#include <algorithm>

#include "common/core/check.h"

namespace pointsman::sim {
namespace {

// For endpoints without a weight: mean or median of those of the others. REQUIRES: some.
double Typical(std::vector<double> usable, bool median) {
  if (median) {
    std::nth_element(usable.begin(), usable.begin() + usable.size() / 2, usable.end());
    return usable[usable.size() / 2];
  }
  double sum = 0;
  for (const double weight : usable) sum += weight;
  return sum / static_cast<double>(usable.size());
}

}  // namespace

std::optional<double> WrrWeight(const LoadReport& report, double error_utilisation_penalty) {
  const double utilisation = report.application > 0 ? report.application : report.cpu;
  if (utilisation <= 0 || report.qps <= 0) return std::nullopt;
  return report.qps / (utilisation + error_utilisation_penalty * report.eps / report.qps);
}

void WrrEndpointWeight::OnReport(const LoadReport& report, const WrrOptions& options,
                                 common::MonotonicTime now) {
  const auto weight = WrrWeight(report, options.error_utilisation_penalty);
  if (!weight.has_value()) return;
  if (!reporting_since_.has_value()) reporting_since_ = now;
  last_report_ = now;
  weight_ = *weight;
}

std::optional<double> WrrEndpointWeight::Weight(const WrrOptions& options,
                                                common::MonotonicTime now) {
  if (!reporting_since_.has_value()) return std::nullopt;
  if (now - last_report_ >= options.weight_expiration_period) {
    reporting_since_.reset();
    return std::nullopt;
  }
  if (now - *reporting_since_ < options.blackout_period) return std::nullopt;
  return weight_;
}

WrrPolicy::WrrPolicy(size_t endpoints, const WrrOptions& options)
    : options_(options),
      endpoints_(endpoints),
      weights_(endpoints, 1.0),
      schedule_(MakeSchedule(options.schedule)) {
  PM_CHECK(endpoints >= 1 && options.weight_update_period >= WrrOptions::kUpdatePeriodMin);
}

void WrrPolicy::OnReport(size_t endpoint, const LoadReport& report, common::MonotonicTime now) {
  endpoints_[endpoint].OnReport(report, options_, now);
}

void WrrPolicy::OnTick(common::MonotonicTime now, absl::BitGenRef random) {
  std::vector<std::optional<double>> known;
  std::vector<double> usable;
  for (WrrEndpointWeight& endpoint : endpoints_) {
    known.push_back(endpoint.Weight(options_, now));
    if (known.back().has_value()) usable.push_back(*known.back());
  }
  if (usable.size() < 2) {
    weights_.assign(endpoints_.size(), 1.0);
  } else {
    const double typical = Typical(usable, options_.median_for_missing);
    for (size_t i = 0; i < known.size(); ++i) weights_[i] = known[i].value_or(typical);
  }
  schedule_->SetWeights(weights_, random);
  scheduled_ = true;
}

size_t WrrPolicy::Pick(const PickView& view, absl::BitGenRef random) {
  if (!scheduled_) OnTick(view.now, random);
  return schedule_->Next(random);
}

}  // namespace pointsman::sim
