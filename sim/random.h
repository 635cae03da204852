#pragma once

// Random values made from 64 random bits by arithmetic of our own: additions, multiplications,
// divisions and square roots only, which IEEE 754 defines to the last bit. So a seed gives the same
// sequence with every standard library, libm and processor, which std:: and absl:: distributions
// do not promise. Thread-compatible, as the generator is.

#include <cstdint>

#include "absl/random/bit_gen_ref.h"
#include "common/core/time.h"

namespace pointsman::sim {

// In [0, 1), 53 bits.
double Uniform(absl::BitGenRef random);
// In [low, high). REQUIRES: low <= high, both finite.
double Uniform(double low, double high, absl::BitGenRef random);
// In [0, n), each with the same probability to within n / 2^64. REQUIRES: n > 0.
uint64_t UniformIndex(uint64_t n, absl::BitGenRef random);
// True with probability `p`; never for p <= 0, always for p >= 1.
bool Chance(double p, absl::BitGenRef random);
// `value` rounded up or down at random so that its mean is kept. REQUIRES: 0 <= value < 2^32.
uint32_t RoundAtRandom(double value, absl::BitGenRef random);

// Exponential with the given mean, at least 0. REQUIRES: mean >= 0.
double Exponential(double mean, absl::BitGenRef random);
// Normal with mean 0 and variance 1 (polar method; G. Marsaglia and T. Bray, SIAM Review 1964).
double StandardNormal(absl::BitGenRef random);
// Normal, drawn again while below `low` (so its mean is above `mean`). REQUIRES: low <= mean,
// sigma >= 0.
double TruncatedNormal(double mean, double sigma, double low, absl::BitGenRef random);

// Natural logarithm within 4 units of the last place. REQUIRES: x > 0, finite and normal.
double NaturalLog(double x);

// Times of a Poisson process. The exact time is kept in fractions of a microsecond, so that the
// rate is right also when gaps are short.
class PoissonArrivals {
 public:
  // REQUIRES: per_second > 0.
  explicit PoissonArrivals(double per_second, common::MonotonicTime start = {});
  // The next arrival, not before the last. O(1).
  common::MonotonicTime Next(absl::BitGenRef random);
  // From the last arrival on. REQUIRES: per_second > 0.
  void SetRate(double per_second);

 private:
  double mean_gap_micros_;
  int64_t micros_;
  double fraction_ = 0;  // In [0, 1).
};

}  // namespace pointsman::sim
