#pragma once

// The seed of a random test: PM_SEED of the environment, or the test's own; printed, so that a
// failure can be repeated. Thread-safe.

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace pointsman::sim {

inline uint64_t SeedOr(uint64_t fallback) {
  const char* given = std::getenv("PM_SEED");
  const uint64_t seed = given == nullptr ? fallback : std::strtoull(given, nullptr, 10);
  std::printf("PM_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

}  // namespace pointsman::sim
