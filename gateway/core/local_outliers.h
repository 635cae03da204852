#pragma once

// Which of a service's endpoints did far worse than the others in one worker's last window: fail
// too often (also every second request, never three in a row), or answer too slowly. Each is
// compared with the others, its own tries left out, so three endpoints are enough; what all do
// alike (a dependency that fails, a request that no endpoint can answer) makes nobody an outlier.
//
// Failing: kTriesMin tries, kFailuresMin failures among them, a share kFailureExcess above that of
// the others, and a difference of kSignificance standard deviations. The worst comes first and is
// no longer among the others then: two that fail do not hide each other.
//
// Slow: kTriesMin answers; the mean is kSlowFactor times the others' median mean and kSlowFloor
// above it; and most answers take at least twice as long as the others' median (second bucket above
// its own), which a few long requests do not bring about. The others are those of the same
// locality; where fewer than kOthersMin of them have answers, all, and then kSlowFloorElsewhere is
// asked for: what lies between is the way, nobody's fault. Not one of little weight: it is just
// beginning, or known to be slow.
//
// Never more than a third of the endpoints, of three or more at least one, and half of the weight
// are out, those that are avoided for whatever reason included: the others must carry the load. Of
// two endpoints none: nobody says which of them is as it should be.
//
// A pure function. Thread-safe (no state).

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/time/time.h"
#include "gateway/core/cells.h"

namespace pointsman::gateway {

enum class Outlier : uint8_t { kNone, kFailing, kSlow };

// One endpoint's window.
struct OutlierSample {
  uint64_t tries = 0;
  uint64_t failures = 0;  // At most `tries`.
  int64_t latency_sum_micros = 0;
  std::array<uint32_t, kCellLatencyBuckets> latency_buckets = {};
  uint64_t weight = 1;    // As requests are drawn by.
  uint32_t locality = 0;  // Endpoint::locality.
  // Avoided already: neither judged nor compared with.
  bool out = false;
  // One slow window is enough: the one before was slow, or it was found to be an outlier before.
  bool suspect = false;
};

struct OutlierVerdict {
  // It is to be avoided.
  Outlier outlier = Outlier::kNone;
  // Far slower than the others, but not before the next window, or not for want of room.
  bool slow = false;
};

class LocalOutliers {
 public:
  static constexpr uint64_t kTriesMin = 20;
  static constexpr size_t kOthersMin = 2;  // With kTriesMin each.
  static constexpr uint64_t kFailuresMin = 5;
  static constexpr double kFailureExcess = 0.2;
  static constexpr double kSignificance = 4;
  static constexpr double kSlowFactor = 3;
  static constexpr double kSlowShare = 0.5;
  static constexpr absl::Duration kSlowFloor = absl::Milliseconds(20);
  static constexpr absl::Duration kSlowFloorElsewhere = absl::Milliseconds(250);

  // How many of `endpoints` may be out at once.
  static size_t OutMax(size_t endpoints) { return endpoints < 3 ? 0 : endpoints / 3; }
  // By position in `samples`, which are the endpoints of one priority that have a weight.
  // O(endpoints * log endpoints).
  static std::vector<OutlierVerdict> Judge(std::span<const OutlierSample> samples);
};

}  // namespace pointsman::gateway
