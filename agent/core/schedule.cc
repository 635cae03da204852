#include "agent/core/schedule.h"

#include <algorithm>

#include "absl/random/uniform_int_distribution.h"
#include "common/core/check.h"

namespace pointsman::agent {
namespace {

absl::Duration Draw(int64_t low_micros, int64_t high_micros, absl::BitGenRef random) {
  return absl::Microseconds(
      absl::uniform_int_distribution<int64_t>(low_micros, high_micros)(random));
}

}  // namespace

common::MonotonicTime FirstRun(common::MonotonicTime now, absl::Duration span, size_t index,
                               size_t count, absl::BitGenRef random) {
  PM_CHECK(index < count);
  const int64_t step =
      std::max<int64_t>(absl::ToInt64Microseconds(span), 0) / static_cast<int64_t>(count);
  return now + absl::Microseconds(step * static_cast<int64_t>(index)) + Draw(0, step, random);
}

common::MonotonicTime NextRun(common::MonotonicTime started, absl::Duration interval,
                              absl::BitGenRef random) {
  const int64_t micros = absl::ToInt64Microseconds(interval);
  const int64_t half = micros / 20;
  return started + Draw(micros - half, micros + half, random);
}

}  // namespace pointsman::agent
