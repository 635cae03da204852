#include "common/core/backoff.h"

#include <algorithm>
#include <limits>

#include "absl/random/uniform_int_distribution.h"
#include "common/core/check.h"

namespace pointsman::common {

Backoff::Backoff(const BackoffOptions& options) : options_(options) {
  PM_CHECK(options.initial > absl::ZeroDuration());
  PM_CHECK(options.max >= options.initial);
  PM_CHECK(options.floor >= absl::ZeroDuration() && options.floor <= options.initial);
  PM_CHECK(options.factor >= 1.0);
}

absl::Duration Backoff::Ceiling() const {
  absl::Duration ceiling = options_.initial;
  if (options_.factor == 1.0) return ceiling;
  for (uint32_t i = 0; i < tries_ && ceiling < options_.max; ++i) ceiling *= options_.factor;
  return std::min(ceiling, options_.max);
}

absl::Duration Backoff::Next(absl::BitGenRef random) {
  const int64_t low = absl::ToInt64Microseconds(options_.floor);
  const int64_t high = std::max(low, absl::ToInt64Microseconds(Ceiling()));
  if (tries_ < std::numeric_limits<uint32_t>::max()) ++tries_;
  return absl::Microseconds(absl::uniform_int_distribution<int64_t>(low, high)(random));
}

}  // namespace pointsman::common
