#include "sim/policies/unweighted.h"

#include <algorithm>
#include <array>

#include "common/core/check.h"
#include "sim/random.h"

namespace pointsman::sim {
namespace {

size_t LeastOfAll(std::span<const uint32_t> in_flight, absl::BitGenRef random) {
  size_t best = 0;
  uint64_t equals = 0;
  for (size_t i = 0; i < in_flight.size(); ++i) {
    if (equals > 0 && in_flight[i] > in_flight[best]) continue;
    if (equals == 0 || in_flight[i] < in_flight[best]) {
      best = i;
      equals = 1;
    } else if (UniformIndex(++equals, random) == 0) {
      // The k-th of equals takes over with probability 1/k: each is as likely in the end.
      best = i;
    }
  }
  return best;
}

}  // namespace

size_t RandomPolicy::Pick(const PickView& view, absl::BitGenRef random) {
  return UniformIndex(view.in_flight.size(), random);
}

size_t RoundRobinPolicy::Pick(const PickView& view, absl::BitGenRef random) {
  if (!started_) next_ = UniformIndex(view.in_flight.size(), random);
  started_ = true;
  const size_t picked = next_;
  next_ = picked + 1 < view.in_flight.size() ? picked + 1 : 0;
  return picked;
}

size_t LeastRequestPolicy::Pick(const PickView& view, absl::BitGenRef random) {
  return LeastOfAll(view.in_flight, random);
}

PowerOfChoicesPolicy::PowerOfChoicesPolicy(size_t choices) : choices_(choices) {
  PM_CHECK(choices >= 1 && choices <= kChoicesMax);
}

size_t PowerOfChoicesPolicy::Pick(const PickView& view, absl::BitGenRef random) {
  const size_t n = view.in_flight.size();
  if (n <= choices_) return LeastOfAll(view.in_flight, random);
  std::array<size_t, kChoicesMax> drawn;
  size_t best = 0;
  for (size_t count = 0; count < choices_; ++count) {
    // The k-th draw is among the n - k left: it steps over those drawn before, in order.
    size_t place = UniformIndex(n - count, random);
    size_t at = 0;
    while (at < count && drawn[at] <= place) {
      ++place;
      ++at;
    }
    std::copy_backward(drawn.begin() + at, drawn.begin() + count, drawn.begin() + count + 1);
    drawn[at] = place;
    if (count == 0 || view.in_flight[place] < view.in_flight[best]) best = place;
  }
  return best;
}

}  // namespace pointsman::sim
