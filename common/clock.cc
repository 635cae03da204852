#include "common/clock.h"

#include <ctime>

namespace pointsman::common {
namespace {

int64_t ReadMicros(clockid_t id) {
  timespec ts;
  clock_gettime(id, &ts);
  return int64_t{ts.tv_sec} * 1'000'000 + ts.tv_nsec / 1000;
}

class RealClock final : public Clock {
 public:
  MonotonicTime Now() const override {
    return MonotonicTime::FromMicros(ReadMicros(CLOCK_MONOTONIC));
  }
  absl::Time WallNow() const override { return absl::FromUnixMicros(ReadMicros(CLOCK_REALTIME)); }
};

}  // namespace

const Clock& SystemClock() {
  static const RealClock clock;
  return clock;
}

}  // namespace pointsman::common
