#pragma once

// How many requests of a service may be under way at once, found from how long they take: Gradient2
// of Netflix' concurrency-limits (Gradient2Limit.java, ExpAvgMeasurement.java). For each window,
// with `short` its mean time and `long` the average of the last 600 windows:
//
//   gradient = clamp(1.5 long / short, 0.5, 1)
//   limit    = 0.8 limit + 0.2 (limit gradient + 4)
//   long     = long + 2 / 601 (short - long)         the plain mean in the first 10 windows
//   long     = 0.95 long                             for the next window, if long > 2 short
//
// The limit stays what it is when less than half of it was used: then nothing tells whether more
// would be borne.
//
// What that gives. While times are as long as usual, or up to half longer, it grows by 0.8 a
// window. For a server that takes `base` for up to C requests and base n / C for n, it comes to
// rest at 1.5 C long / base + 4, that is C to 1.5 C + 4 while `long` is the time without load.
// `long` follows slowly: a service that has become slower is squeezed first and given back what it
// had when `long` is two thirds of the new time. But an overload that lasts is taken for normal
// likewise: with more demand than is ever let through the limit grows e-fold in 600 windows, a
// minute when they are shortest, up to the bounds; what bounds it for good is `most`. As it begins
// at `least`, that should be what the service bears for sure; since the gradient ends at a half, a
// limit in use does not rest under 4 / (1 - 0.5) = 8, in each worker, however low `least` is.
//
// A window is our own choice, not the source's one second: it ends with the first sample that makes
// it both 10 samples (so that one worker's few requests do not decide) and 100 ms. One that took
// longer than 10 s and than 20 times its mean time is dropped: even one request at a time, one
// after the other, would have filled it, so there was no load to tell anything of. As in the
// source, a window used as much of the limit as it did at its highest. Times under 100 us count as
// 100 us: they are this worker's own (the source leaves them out; so a fast service would never
// grow).
//
// One for each worker and service; thread-compatible.

#include <cstdint>

#include "absl/time/time.h"
#include "common/core/time.h"

namespace pointsman::gateway {

class ConcurrencyLimit {
 public:
  static constexpr uint32_t kWindowSamples = 10;
  static constexpr absl::Duration kWindowLeast = absl::Milliseconds(100);
  static constexpr absl::Duration kWindowMost = absl::Seconds(10);
  static constexpr uint32_t kWindowMostTimes = 20;  // Of its mean time.
  static constexpr uint32_t kLongWindows = 600;
  static constexpr absl::Duration kTimeLeast = absl::Microseconds(100);
  static constexpr absl::Duration kTimeMost = absl::Hours(1);

  // May change between any two calls: an estimate outside them is moved to the nearest when a
  // window ends. A least of 0 counts as 1, else nothing would ever be learned; a most under the
  // least as the least.
  struct Bounds {
    uint32_t least = 1;
    uint32_t most = 1;
    // What a window may add, before it is smoothed. The source's 4, shared among the workers: a
    // limit in use does not rest below twice that.
    double room = 4;
  };

  // A try was answered, or timed out, after `rtt`; `in_flight` of the service were under way in
  // this worker when it ended, itself among them. Not for tries that were abandoned: their time is
  // the client's. Zero, negative and infinite times count as kTimeLeast and kTimeMost. O(1).
  void OnSample(absl::Duration rtt, uint32_t in_flight, const Bounds& bounds,
                common::MonotonicTime now);
  // Requests that may be under way: `bounds.least` before the first window; within the bounds as
  // they are now. O(1).
  uint32_t limit(const Bounds& bounds) const;

 private:
  struct Window {
    common::MonotonicTime begin;  // Of its first sample.
    double seconds = 0;           // Sum of the samples.
    uint32_t samples = 0;
    uint32_t in_flight = 0;  // The highest.
  };

  bool IsTooLong(common::MonotonicTime now) const;
  // Takes the short time into the long one, which is returned as it counts for this window.
  double Learn(double short_seconds);
  void EndWindow(const Bounds& bounds);

  double estimate_ = 0;  // 0: the least.
  double long_seconds_ = 0;
  uint32_t warm_up_ = 0;  // Windows in the plain mean.
  Window window_;
};

}  // namespace pointsman::gateway
