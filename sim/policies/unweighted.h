#pragma once

// Policies that know of endpoints nothing but what is in flight. Thread-compatible.

#include <cstddef>

#include "sim/policy.h"

namespace pointsman::sim {

class RandomPolicy : public Policy {
 public:
  size_t Pick(const PickView& view, absl::BitGenRef random) override;
};

// In turn, from a random endpoint on.
class RoundRobinPolicy : public Policy {
 public:
  size_t Pick(const PickView& view, absl::BitGenRef random) override;

 private:
  bool started_ = false;
  size_t next_ = 0;
};

// The endpoint with the least in flight of all, one of them at random. O(endpoints).
class LeastRequestPolicy : public Policy {
 public:
  size_t Pick(const PickView& view, absl::BitGenRef random) override;
};

// The one with less in flight of `choices` different endpoints drawn at random, the first drawn of
// equals: the supermarket model's JSQ(d), P2C for 2. With no more endpoints than choices, the least
// of all. O(choices^2).
class PowerOfChoicesPolicy : public Policy {
 public:
  // REQUIRES: 1 <= choices <= kChoicesMax.
  static constexpr size_t kChoicesMax = 16;
  explicit PowerOfChoicesPolicy(size_t choices = 2);
  size_t Pick(const PickView& view, absl::BitGenRef random) override;

 private:
  size_t choices_;
};

}  // namespace pointsman::sim
