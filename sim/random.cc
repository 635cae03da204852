#include "sim/random.h"

#include <cmath>

#include "common/core/check.h"

namespace pointsman::sim {
namespace {

constexpr double kLn2 = 0.693147180559945309417232121458;
// Draws before a truncated normal gives up; each is in range with probability 1/2 or more.
constexpr int kDrawsMax = 100;

}  // namespace

double Uniform(absl::BitGenRef random) { return static_cast<double>(random() >> 11) * 0x1.0p-53; }

double Uniform(double low, double high, absl::BitGenRef random) {
  return low + (high - low) * Uniform(random);
}

uint64_t UniformIndex(uint64_t n, absl::BitGenRef random) {
  PM_CHECK(n > 0);
  return static_cast<uint64_t>((static_cast<unsigned __int128>(random()) * n) >> 64);
}

bool Chance(double p, absl::BitGenRef random) { return p > 0 && (p >= 1 || Uniform(random) < p); }

uint32_t RoundAtRandom(double value, absl::BitGenRef random) {
  PM_CHECK(value >= 0 && value < 0x1.0p32);
  const uint32_t whole = static_cast<uint32_t>(value);
  return whole + (Chance(value - whole, random) ? 1 : 0);
}

// x = m 2^e with m in [sqrt(1/2), sqrt(2)), and log m = 2 artanh((m - 1) / (m + 1)) by its power
// series, whose 12 terms leave less than 1e-18 there.
double NaturalLog(double x) {
  PM_CHECK(x > 0);
  int exponent;
  double m = std::frexp(x, &exponent);
  if (m < 0.70710678118654752) {
    m *= 2;
    --exponent;
  }
  const double s = (m - 1) / (m + 1);
  const double square = s * s;
  double sum = 0;
  for (int k = 23; k >= 3; k -= 2) sum = (sum + 1.0 / k) * square;
  return exponent * kLn2 + 2 * (s + s * sum);
}

double Exponential(double mean, absl::BitGenRef random) {
  // 1 - u is in (0, 1].
  return -mean * NaturalLog(1.0 - Uniform(random));
}

double StandardNormal(absl::BitGenRef random) {
  // The second value of the pair is thrown away: a memory would make values depend on who drew
  // before.
  for (;;) {
    const double x = Uniform(-1, 1, random);
    const double y = Uniform(-1, 1, random);
    const double square = x * x + y * y;
    if (square >= 1 || square == 0) continue;
    return x * std::sqrt(-2 * NaturalLog(square) / square);
  }
}

double TruncatedNormal(double mean, double sigma, double low, absl::BitGenRef random) {
  PM_CHECK(low <= mean && sigma >= 0);
  for (int draw = 0; draw < kDrawsMax; ++draw) {
    const double value = mean + sigma * StandardNormal(random);
    if (value >= low) return value;
  }
  return low;
}

PoissonArrivals::PoissonArrivals(double per_second, common::MonotonicTime start)
    : micros_(start.micros()) {
  SetRate(per_second);
}

void PoissonArrivals::SetRate(double per_second) {
  PM_CHECK(per_second > 0);
  mean_gap_micros_ = 1e6 / per_second;
}

common::MonotonicTime PoissonArrivals::Next(absl::BitGenRef random) {
  const double gap = fraction_ + Exponential(mean_gap_micros_, random);
  const double whole = std::floor(gap);
  micros_ += static_cast<int64_t>(whole);
  fraction_ = gap - whole;
  return common::MonotonicTime::FromMicros(micros_);
}

}  // namespace pointsman::sim
