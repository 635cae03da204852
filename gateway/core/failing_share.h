#pragma once

// How many of an endpoint's latest tries failed: an average over tries in which the newest counts
// an eighth, and which halves every second, so that who gets few tries for it gets more again.
// Whole numbers, equal on every machine, in 64 bits that fit one atomic cell. Pure; a value.

#include <cstdint>

#include "absl/time/time.h"
#include "common/core/time.h"

namespace pointsman::gateway {

class FailingShare {
 public:
  static constexpr int64_t kHalfLifeMillis = 1000;
  static constexpr absl::Duration kHalfLife = absl::Milliseconds(kHalfLifeMillis);
  // After so long without a try nothing is left of any share.
  static constexpr absl::Duration kForgotten = absl::Seconds(16);
  static constexpr uint32_t kAll = 65'535;  // Every try failed.

  // Of what packed() gave; 0: none failed.
  explicit FailingShare(uint64_t packed = 0) : packed_(packed) {}
  uint64_t packed() const { return packed_; }

  // In [0, kAll]. A time before the last try's counts as that.
  uint32_t At(common::MonotonicTime now) const {
    return packed_ == 0 ? 0 : Faded(now.micros() / kTickMicros);
  }
  // After one more try.
  FailingShare After(bool failed, common::MonotonicTime now) const;

 private:
  static constexpr int64_t kTickMicros = 1000;

  uint32_t Faded(int64_t tick) const;

  uint64_t packed_;  // The last try's tick, and 16 bits of the share then.
};

}  // namespace pointsman::gateway
