#include "controller/core/weights.h"

#include <algorithm>
#include <cmath>

#include "common/core/guard.h"

namespace pointsman::controller {
namespace {

// An endpoint whose error share is this far above the median may not gain.
constexpr double kErrorMargin = 0.05;
// Relative signals (in-flight, queue delay) are scaled to this mean where nothing absolute is
// higher, so that CPU noise of an idle fleet decides nothing.
constexpr double kRelativeMean = 0.2;
// Adds to queue delays, so that an empty queue is not infinite capacity.
constexpr double kQueueFloorSeconds = 0.001;
constexpr double kUtilisationFloor = 1e-4;
constexpr double kGainGrowth = 2;
// Where a test does without the bound: beyond what is stable.
constexpr double kUnboundedGain = 2.5;
// Errors smaller than this are noise and move nothing.
constexpr double kQuiet = 0.01;
// An error this large, and so many times the usual one, is no noise.
constexpr double kJump = 0.4;
constexpr double kJumpFactor = 3;
constexpr double kUsualShare = 0.25;  // Of a new error in the mean of its sizes.
// A window's share in the trim: 1 / kTrimBegins of the first, less of each, never less than this.
constexpr double kTrimShare = 0.03;
constexpr double kTrimBegins = 10;
constexpr double kTrimMax = 0.693;  // ln 2
constexpr double kTrimSampleMax = 1;

double Median(std::vector<double>& values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  if (values.size() % 2 == 1) return values[middle];
  return (values[middle - 1] + values[middle]) / 2;
}

struct SignalMeans {
  double cpu = 0, in_flight = 0, queue = 0, utilisation = 0;
};

SignalMeans MeansOf(const std::vector<WeightRow>& rows) {
  SignalMeans mean;
  uint32_t cpu = 0, in_flight = 0, queue = 0, utilisation = 0;
  for (const WeightRow& row : rows) {
    if (!row.measured) continue;
    if (row.load.has_cpu) mean.cpu += row.load.cpu, ++cpu;
    if (row.load.has_in_flight) mean.in_flight += row.load.in_flight / row.capacity, ++in_flight;
    if (row.load.has_queue) mean.queue += row.load.queue_seconds + kQueueFloorSeconds, ++queue;
    if (row.load.has_utilisation) mean.utilisation += row.load.utilisation, ++utilisation;
  }
  mean.cpu /= std::max(cpu, 1u);
  mean.in_flight /= std::max(in_flight, 1u);
  mean.queue /= std::max(queue, 1u);
  mean.utilisation /= std::max(utilisation, 1u);
  return mean;
}

void Consider(WeightRow& row, Signal signal, double value, double mean = 0, double base = 0) {
  if (row.signal != Signal::kNone && value <= row.utilisation) return;
  row.signal = signal;
  row.utilisation = value;
  row.signal_mean = mean;
  row.signal_base = base;
}

// Fills signal and utilisation; usable when there is one.
void ChooseUtilisation(Signal wanted, const SignalMeans& mean, WeightRow& row) {
  row.signal = Signal::kNone;
  row.utilisation = 0;
  row.usable = false;
  if (!row.measured) return;
  const LoadWindow::Result& load = row.load;
  const bool all = wanted == Signal::kMax;
  if ((all || wanted == Signal::kCpu) && load.has_cpu) Consider(row, Signal::kCpu, load.cpu);
  if ((all || wanted == Signal::kUtilisation) && load.has_utilisation) {
    Consider(row, Signal::kUtilisation, load.utilisation);
  }
  const double base = std::max({mean.cpu, mean.utilisation, kRelativeMean});
  if ((all || wanted == Signal::kInFlight) && load.has_in_flight && mean.in_flight > 0) {
    Consider(row, Signal::kInFlight, load.in_flight / row.capacity / mean.in_flight * base,
             mean.in_flight, base);
  }
  if ((all || wanted == Signal::kQueueDelay) && load.has_queue && mean.queue > 0) {
    const double queue = load.queue_seconds + kQueueFloorSeconds;
    Consider(row, Signal::kQueueDelay, queue / mean.queue * base, mean.queue, base);
  }
  row.usable = row.signal != Signal::kNone;
}

// Scales measured capacities so that over the usable rows they sum to the weights' sum.
void ScaleCapacities(std::vector<WeightRow>& rows) {
  double weights = 0;
  double capacities = 0;
  for (WeightRow& row : rows) {
    if (!row.usable) continue;
    const double served = row.load.has_requests ? row.load.requests_per_second : row.weight;
    const double good = 1 - row.load.error_share;
    row.measured_capacity = served * good * good / std::max(row.utilisation, kUtilisationFloor);
    weights += row.weight;
    capacities += row.measured_capacity;
  }
  if (capacities <= 0) return;
  for (WeightRow& row : rows) {
    row.capacity_scale = weights / capacities;
    row.measured_capacity *= row.capacity_scale;
  }
}

double MedianErrorShare(const std::vector<WeightRow>& rows) {
  std::vector<double> shares;
  for (const WeightRow& row : rows) {
    if (row.usable) shares.push_back(row.load.error_share);
  }
  return Median(shares);
}

double MedianFactor(const std::vector<WeightRow>& rows) {
  std::vector<double> factors;
  for (const WeightRow& row : rows) {
    if (row.usable) factors.push_back(row.weight / row.capacity);
  }
  return Median(factors);
}

// How much of the error a row takes: kGainMax, less where errors change their sign.
void AdaptGain(double error, WeightRow& row) {
  const double size = std::abs(error);
  const int8_t sign = error > 0 ? 1 : -1;
  row.jumped = row.usual_error > 0 && size > kJump && size > kJumpFactor * row.usual_error;
  const double usual = row.usual_error > 0 ? kUsualShare : 1;
  row.usual_error += static_cast<float>(usual * (size - row.usual_error));
  if (size < kQuiet) return;
  if (row.jumped) {
    row.gain = kGainMax;
    row.run = sign;
  } else if (row.run * sign < 0) {
    row.gain = std::max(row.gain / 2, kGainMin);
    row.run = sign;
  } else {
    // Two errors of one sign in a row are chance; the third is not.
    row.run = static_cast<int8_t>(std::clamp(row.run + sign, -3, 3));
    if (row.run * sign > 2) row.gain = std::min(row.gain * kGainGrowth, kGainMax);
  }
}

double StepOf(const WeightRow& row, double error) {
  if (!common::Holds(common::Guard::kGainBound)) return std::exp(kUnboundedGain * error);
  return std::clamp(std::exp(row.gain * error), kStepDown, kStepUp);
}

// Moves one row toward its target. Returns true when its weight changed.
bool MoveRow(WeightRow& row) {
  // A capacity of zero (everything failed, nothing ended) is a target far below, not minus
  // infinity.
  const double error = std::log(std::max(row.target, row.weight * 0.01) / row.weight);
  AdaptGain(error, row);
  if (std::abs(error) < kQuiet) return false;
  row.weight *= StepOf(row, error);
  row.stepped = row.weight;
  return true;
}

bool Errs(const WeightRow& row, double median_errors) {
  return row.load.error_share > median_errors + kErrorMargin;
}

// Compares what rows got with what their weights said.
void Trim(std::vector<WeightRow>& rows, double median_errors) {
  const auto counts = [&](const WeightRow& row) {
    return row.usable && !row.hold && row.sent > 0 && row.load.has_requests &&
           row.load.requests_per_second > 0 && !Errs(row, median_errors);
  };
  double requests = 0;
  double sent = 0;
  for (const WeightRow& row : rows) {
    if (!counts(row)) continue;
    requests += row.load.requests_per_second;
    sent += row.sent;
  }
  if (requests <= 0) return;
  for (WeightRow& row : rows) {
    if (!counts(row)) continue;
    const double due = row.sent * requests / sent;
    const double sample =
        std::clamp(std::log(due / row.load.requests_per_second), -kTrimSampleMax, kTrimSampleMax);
    const double share = std::max(1.0 / (kTrimBegins + row.trim_samples++), kTrimShare);
    const double trim = row.trim + share * (sample - row.trim);
    row.trim = static_cast<float>(std::clamp(trim, -kTrimMax, kTrimMax));
  }
}

double MeanFactor(const std::vector<WeightRow>& rows) {
  double sum = 0;
  for (const WeightRow& row : rows) sum += row.weight / row.capacity;
  return rows.empty() ? 1 : sum / static_cast<double>(rows.size());
}

void ClampRows(const WeightRules& rules, double mean_factor, std::vector<WeightRow>& rows) {
  for (WeightRow& row : rows) {
    const double low = rules.min_factor * mean_factor * row.capacity;
    const double high = rules.max_factor * mean_factor * row.capacity;
    row.clamped = row.weight <= low || row.weight >= high;
    row.weight = std::clamp(row.weight, low, high);
  }
}

// Where the common factor has drifted far, all weights are brought back at once.
void Recentre(WeightStep& step, std::vector<WeightRow>& rows) {
  if (step.mean_factor >= 0.5 && step.mean_factor <= 2) return;
  for (WeightRow& row : rows) row.weight /= step.mean_factor;
  step.divisor = step.mean_factor;
  step.mean_factor = 1;
  step.moved = true;
}

void SetTarget(WeightRow& row, double median_errors, double median_factor) {
  row.error_ceiling = false;
  if (!row.usable) {
    row.target = median_factor * row.capacity;
    return;
  }
  row.target = row.measured_capacity * std::exp(static_cast<double>(row.trim));
  if (Errs(row, median_errors) && row.target > row.weight) {
    row.target = row.weight;
    row.error_ceiling = true;
  }
}

}  // namespace

WeightStep StepWeights(const WeightRules& rules, std::vector<WeightRow>& rows) {
  WeightStep step;
  const SignalMeans means = MeansOf(rows);
  for (WeightRow& row : rows) {
    ChooseUtilisation(rules.signal, means, row);
    if (!row.usable) continue;
    ++step.usable;
    step.mean_utilisation += row.utilisation;
  }
  step.mean_factor = MeanFactor(rows);
  // With fewer than two measured endpoints there is nothing to compare.
  if (step.usable < 2 || rules.signal == Signal::kNone) return step;
  step.mean_utilisation /= step.usable;
  ScaleCapacities(rows);
  const double median_errors = MedianErrorShare(rows);
  const double median_factor = MedianFactor(rows);
  Trim(rows, median_errors);
  for (WeightRow& row : rows) {
    SetTarget(row, median_errors, median_factor);
    row.stepped = row.weight;
    if (!row.hold && MoveRow(row)) step.moved = true;
  }
  step.mean_factor = MeanFactor(rows);
  ClampRows(rules, step.mean_factor, rows);
  step.mean_factor = MeanFactor(rows);
  Recentre(step, rows);
  return step;
}

double SlowStartRamp(const WeightRules& rules, absl::Duration serving) {
  if (rules.slow_start <= absl::ZeroDuration() || serving >= rules.slow_start) return 1;
  if (!common::Holds(common::Guard::kSlowStart)) return 1;
  return std::clamp(absl::FDivDuration(serving, rules.slow_start), rules.slow_start_initial, 1.0);
}

SentParts SentWeight(const WeightRules& rules, const SentInput& input) {
  SentParts parts;
  const double drift = input.mean_factor;
  const double nominal = input.capacity * drift;
  double weight = input.weight;
  if (rules.shadow || rules.signal == Signal::kNone) weight = nominal;
  parts.base = weight;
  parts.nominal = nominal;
  weight = rules.blend * weight + (1 - rules.blend) * nominal;
  if (input.override != nullptr && input.override->kind == OverrideKind::kWeight) {
    weight = input.override->weight * nominal;
  } else if (input.degraded && input.slow_from > 0) {
    parts.ceiling = kDegradedFactor * input.slow_from * nominal;
    weight = std::min(weight, parts.ceiling);
  } else if (input.degraded) {
    weight *= kDegradedFactor;
  }
  parts.blended = weight;
  parts.ramp = SlowStartRamp(rules, input.serving);
  const double scaled = weight * parts.ramp * kNominalWeight;
  parts.weight = static_cast<uint32_t>(std::clamp(std::round(scaled), 1.0, 1e9));
  return parts;
}

bool WorthSending(uint32_t sent, uint32_t weight) {
  if (sent == 0 || weight == 0) return sent != weight;
  return std::abs(static_cast<double>(weight) - sent) >= kDeadBand * sent;
}

SentMove MoveSent(uint32_t sent, uint32_t computed, bool bounded) {
  SentMove move{sent, computed, SentHold::kNone};
  if (bounded && sent != 0) {
    // Rounded up, so that the smallest weights can leave their place.
    const uint32_t high = static_cast<uint32_t>(std::ceil(sent * kStepUp));
    const uint32_t low = static_cast<uint32_t>(std::max(1.0, std::ceil(sent * kStepDown)));
    if (computed > high) move = {sent, high, SentHold::kStepUp};
    if (computed < low) move = {sent, low, SentHold::kStepDown};
  }
  if (!WorthSending(sent, move.weight)) move = {sent, sent, SentHold::kDeadBand};
  return move;
}

}  // namespace pointsman::controller
