#include "sim/policies/peak_ewma.h"

#include <algorithm>

#include "common/core/check.h"
#include "common/core/ewma.h"
#include "sim/random.h"

namespace pointsman::sim {
namespace {

constexpr double kLn2 = 0.69314718055994531;
// Above every cost: an endpoint without history that is being tried.
constexpr double kUnknownPenalty = 1e18;
// A cost below this is no history any more.
constexpr double kForgottenMicros = 1e-3;

}  // namespace

PeakEwmaPolicy::PeakEwmaPolicy(size_t endpoints, const PeakEwmaOptions& options)
    : options_(options), half_life_(options.tau * kLn2), costs_(endpoints) {
  PM_CHECK(endpoints >= 1 && options.tau > absl::ZeroDuration());
}

void PeakEwmaPolicy::Observe(Cost& cost, double micros, common::MonotonicTime now) const {
  if (micros > cost.micros) {
    cost.micros = micros;
  } else {
    const double kept = common::HalfLifeDecay(now - cost.at, half_life_);
    cost.micros = cost.micros * kept + micros * (1 - kept);
  }
  cost.at = now;
}

void PeakEwmaPolicy::OnResult(size_t endpoint, const RequestResult& result,
                              common::MonotonicTime now) {
  Observe(costs_[endpoint], absl::ToDoubleMicroseconds(result.latency), now);
}

double PeakEwmaPolicy::Load(size_t endpoint, uint32_t in_flight, common::MonotonicTime now) {
  Cost& cost = costs_[endpoint];
  Observe(cost, 0, now);
  if (cost.micros < kForgottenMicros && in_flight > 0) return kUnknownPenalty + in_flight;
  return cost.micros * (in_flight + 1.0);
}

size_t PeakEwmaPolicy::Pick(const PickView& view, absl::BitGenRef random) {
  const size_t n = costs_.size();
  const size_t first = UniformIndex(n, random);
  if (n == 1) return first;
  size_t second = UniformIndex(n - 1, random);
  if (second >= first) ++second;
  const double of_first = Load(first, view.in_flight[first], view.now);
  const double of_second = Load(second, view.in_flight[second], view.now);
  return of_second < of_first ? second : first;
}

}  // namespace pointsman::sim
