#include "gateway/core/age.h"

#include "absl/random/distributions.h"

namespace pointsman::gateway {

absl::Duration DrawAge(absl::Duration most, absl::BitGenRef random) {
  if (most == absl::InfiniteDuration()) return most;
  return most * absl::Uniform(absl::IntervalClosed, random, 0.8, 1.0);
}

}  // namespace pointsman::gateway
