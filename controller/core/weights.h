#pragma once

// Weights of one service: feed-forward from measured capacity, toward equal utilisation.
//
// Over a window that lies wholly after the last change took effect, each endpoint served r
// requests a second at utilisation u with error share e. Its capacity is r (1-e)^2 / u (once
// because errors are no work done, once against failing fast), or weight (1-e)^2 / u where requests
// are not counted. Weights move toward the capacities' ratios by gain at most 0.5, at most x1.25
// up and x0.5 down a step. An endpoint's gain halves when its error changes sign and grows again
// while it does not, so that a steep signal (in-flight near saturation) cannot oscillate and noise
// is averaged; an error far above what it usually is takes the whole gain at once. With one step
// per fresh window the loop delay is one step and gain 0.5 is a quarter of the bound.
//
// Gateways pick by weight, but also by what is in flight: an endpoint may get more or fewer
// requests than its weight says. Its trim follows that slowly, and its target is its capacity times
// the trim.
//
// LoadWindow (load_window.h) collects the samples, StepWeights() makes one step, SentWeight() turns
// the result into what is published. Pure. Thread-compatible.

#include <cstdint>
#include <vector>

#include "common/core/time.h"
#include "controller/core/load_window.h"
#include "controller/core/policy.h"

namespace pointsman::controller {

inline constexpr double kGainMax = 0.5;
inline constexpr double kGainMin = 0.05;
inline constexpr double kStepUp = 1.25;
inline constexpr double kStepDown = 0.5;
inline constexpr double kDeadBand = 0.01;

// One endpoint in a step.
struct WeightRow {
  // In.
  double capacity = 1;    // Hint.
  bool hold = false;      // Not to be moved now (not serving, slow start, no fresh sample).
  bool measured = false;  // `load` holds a usable sample.
  LoadWindow::Result load;
  uint32_t sent = 0;  // The weight that gateways have, and had in the window; 0: none.
  // In and out.
  double weight = 1;  // 1 is nominal for capacity 1.
  double gain = kGainMax;
  int8_t run = 0;         // Errors of one sign in a row, with that sign; at most 3.
  float usual_error = 0;  // Mean size of its errors; 0: none yet.
  // Logarithm of the requests its weight says by those it got; within ln 2 of 0.
  float trim = 0;
  uint32_t trim_samples = 0;
  // Out: numbers for Explain.
  Signal signal = Signal::kNone;  // The one that decided.
  double utilisation = 0;
  // Of a signal that is relative (in-flight, queue delay): the service's mean of it, and the
  // utilisation that the mean stands for. 0: the signal is a utilisation itself.
  double signal_mean = 0;
  double signal_base = 0;
  double capacity_scale = 0;     // Of all usable rows alike: makes capacities sum to their weights.
  double measured_capacity = 0;  // Scaled so that it compares with weights.
  bool jumped = false;           // The error was far above the usual one.
  double target = 0;
  bool usable = false;
  bool error_ceiling = false;  // Kept from rising by its errors.
  bool clamped = false;        // At the end of its range.
  double stepped = 0;          // After the step, before range and re-centring.
};

struct WeightStep {
  bool moved = false;
  uint32_t usable = 0;
  double mean_utilisation = 0;
  double mean_factor = 1;  // Mean of weight / capacity hint after the step.
  // What all rows were divided by to be brought back; weights that are in no row follow.
  double divisor = 1;
};

// One step for all rows, in place. Rows without a usable sample move toward the median of the
// others' weight per hint unless they hold. O(rows log rows).
WeightStep StepWeights(const WeightRules& rules, std::vector<WeightRow>& rows);

struct SentInput {
  double weight = 1;       // Computed.
  double capacity = 1;     // Hint.
  double mean_factor = 1;  // As in WeightStep: the computed weights' common drift.
  absl::Duration serving;  // Since it began to serve.
  bool degraded = false;
  // Degraded for its answers: its weight by nominal when they became slow, of which it keeps a part
  // at most, so that what the loop has measured since is not taken away twice. 0: for its checks.
  double slow_from = 0;
  const EndpointOverride* override = nullptr;  // May be null.
};

struct SentParts {
  double base = 1;     // Computed; nominal in shadow or without a signal.
  double nominal = 1;  // The hint, with the weights' common drift.
  double blended = 1;  // After blend, override and degradation, before the ramp.
  double ceiling = 0;  // Of `blended`, while its answers are slow; 0: none.
  double ramp = 1;     // Slow start.
  uint32_t weight = 0;
};

inline constexpr double kDegradedFactor = 0.5;

// The weight that should be published: at least 1.
SentParts SentWeight(const WeightRules& rules, const SentInput& input);

// Slow start's factor: initial at first, 1 at the end of the window, linear.
double SlowStartRamp(const WeightRules& rules, absl::Duration serving);

// False: less than the dead-band away from what was sent last.
bool WorthSending(uint32_t sent, uint32_t weight);

// What kept the sent weight from being the computed one.
enum class SentHold : uint8_t {
  kNone,
  kDeadBand,
  kStepUp,     // At most kStepUp times what was sent before.
  kStepDown,   // At least kStepDown times that.
  kInherited,  // Taken over from an earlier owner, nothing was computed yet.
};

struct SentMove {
  uint32_t before = 0;  // Sent until then.
  uint32_t weight = 0;  // To be sent from now on.
  SentHold hold = SentHold::kNone;
};

// From what was sent to what is sent now. `bounded`: by at most one step.
SentMove MoveSent(uint32_t sent, uint32_t computed, bool bounded);

}  // namespace pointsman::controller
