#pragma once

// Which time a given share of a service's recent first bytes did not take longer than, in one
// worker: to tell a request that is late from one that is not. Counted in two windows of 10 s: the
// one that runs and the one before it, so the last 10 to 20 s. Buckets are log-linear (as of
// HdrHistogram): 16 for each octave, from a microsecond to 67 s; an answer is the upper end of its
// bucket, too long by at most a sixteenth and never too short. About 3 KB; no allocation. One for
// each worker and service; thread-compatible.

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"
#include "common/core/time.h"

namespace pointsman::gateway {

class RecentPercentile {
 public:
  static constexpr absl::Duration kWindow = absl::Seconds(10);
  // With fewer there is no answer.
  static constexpr uint64_t kSamplesLeast = 100;
  // An answer is given again for so long, within a window.
  static constexpr absl::Duration kAnswerKept = absl::Milliseconds(100);
  // Longer times count as this one.
  static constexpr absl::Duration kLongest = absl::Microseconds((int64_t{1} << 26) - 1);

  // Negative times count as zero. `now` that goes back counts in the window that runs. O(1), but
  // O(buckets) with the first call of a window.
  void Add(absl::Duration time, common::MonotonicTime now);
  // The time that `percentile` (0 to 100; others count as the nearest, NaN as 100) of the samples
  // were not longer than: of n samples in ascending order number ceil(percentile n / 100), at least
  // the first. Infinite with fewer than kSamplesLeast. O(buckets); O(1) when the same was asked
  // less than kAnswerKept ago in this window.
  absl::Duration At(double percentile, common::MonotonicTime now);

 private:
  static constexpr int kOctaves = 26;
  static constexpr int kSplitBits = 4;
  static constexpr size_t kSplit = size_t{1} << kSplitBits;
  // The first two octaves of a full split count every microsecond; what is shorter with them.
  static constexpr size_t kBuckets = (kOctaves - kSplitBits + 1) * kSplit;

  struct Window {
    uint64_t samples = 0;
    std::array<uint32_t, kBuckets> counts = {};
  };
  struct Answer {
    double percentile = -1;  // None yet.
    common::MonotonicTime given;
    absl::Duration time;
  };

  static size_t BucketOf(absl::Duration time);
  static absl::Duration EndOf(size_t bucket);
  // Makes the window of `now` the one that runs.
  void Rotate(common::MonotonicTime now);
  absl::Duration Find(double percentile) const;

  Window windows_[2];    // windows_[running_ % 2] runs.
  int64_t running_ = 0;  // Windows since the clock's zero.
  Answer answer_;
};

}  // namespace pointsman::gateway
