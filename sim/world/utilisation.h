#pragma once

// How evenly endpoints are loaded, and how evenly chance alone lets them be. Pure; thread-safe.

#include <cstdint>
#include <span>

#include "absl/random/bit_gen_ref.h"

namespace pointsman::sim {

// Largest by mean; 1 when all are equal, 0 for none.
double MaxOverMean(std::span<const double> loads);

// What MaxOverMean would be on average if each endpoint's work were drawn from the same expected
// utilisation: requests come as a Poisson process with exponential work, so the load measured over
// `requests` of them spreads by sqrt(2 / requests); without the work's own chance, by
// sqrt(1 / requests) (`variance` 1). Endpoints with few requests spread more. The mean of 200
// drawings. O(200 * endpoints).
double SamplingFloor(std::span<const uint64_t> requests, absl::BitGenRef random,
                     double variance = 2);

}  // namespace pointsman::sim
