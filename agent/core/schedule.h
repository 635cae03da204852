#pragma once

// When something that repeats runs next. Runs are spread: the first ones over a span so that many
// checks of a host do not start together, the following ones by jitter so that many hosts do not
// fall into step. Pure; thread-safe (no state).

#include <cstddef>

#include "absl/random/bit_gen_ref.h"
#include "absl/time/time.h"
#include "common/core/time.h"

namespace pointsman::agent {

// Start of the first run of the `index`-th of `count` things: even steps over `span`, plus a random
// part of one step. REQUIRES: index < count.
common::MonotonicTime FirstRun(common::MonotonicTime now, absl::Duration span, size_t index,
                               size_t count, absl::BitGenRef random);

// Start of the run after one that started at `started`: the interval, spread by up to a tenth
// (drawn from 0.95 to 1.05 of it).
common::MonotonicTime NextRun(common::MonotonicTime started, absl::Duration interval,
                              absl::BitGenRef random);

}  // namespace pointsman::agent
