#pragma once

// Deadlines of a worker's objects: a wheel of 1 ms. Each object has one entry and stores its own
// deadline; moving a deadline later costs nothing (the entry fires at its old place, the object
// looks at its deadline and arms again), moving it earlier moves the entry. Deadlines further away
// than the wheel's horizon fire at the horizon and are armed again the same way.
// Thread-compatible; entries are owned by the objects and leave the wheel with them.

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "common/core/time.h"

namespace pointsman::gateway {

class TimerWheel;

// Base (or member) of an object that has a deadline.
class TimerEntry {
 public:
  TimerEntry() = default;
  TimerEntry(const TimerEntry&) = delete;
  TimerEntry& operator=(const TimerEntry&) = delete;
  virtual ~TimerEntry() { Cancel(); }

  // The entry fired: time to look at the deadline. It is no longer armed.
  virtual void OnTimer() {}

  // The deadline is gone. O(1).
  void Cancel();
  bool armed() const { return next_ != nullptr; }

 private:
  friend class TimerWheel;
  TimerEntry* next_ = nullptr;
  TimerEntry* previous_ = nullptr;
  int64_t tick_ = 0;
};

class TimerWheel {
 public:
  static constexpr int64_t kTickMicros = 1000;
  static constexpr size_t kSlots = 16384;

  explicit TimerWheel(common::MonotonicTime now);

  // `entry` fires at `deadline` rounded up to a millisecond, or earlier; never later. When it is
  // armed for an earlier time already, nothing is done. O(1).
  void Arm(TimerEntry& entry, common::MonotonicTime deadline);

  // Takes out every entry due at `now` and calls `fire` for it; `fire` may arm and cancel entries.
  // Returns how many fired. Cost: entries due, plus occupied words of the wheel passed.
  size_t Advance(common::MonotonicTime now, absl::FunctionRef<void(TimerEntry&)> fire);

  // Microseconds until the next entry may fire, -1 if none is armed, 0 if one is due.
  int64_t MicrosToNext(common::MonotonicTime now) const;

 private:
  static constexpr size_t kWords = kSlots / 64;
  // First occupied tick in [from, from + kSlots), or -1.
  int64_t NextOccupied(int64_t from) const;
  void FireSlot(size_t slot, absl::FunctionRef<void(TimerEntry&)> fire, size_t* fired);

  // Everything before this tick has fired.
  int64_t tick_;
  std::array<TimerEntry, kSlots> slots_;
  // A set bit may stand for a slot whose entries were cancelled; cleared when passed.
  std::array<uint64_t, kWords> occupied_{};
};

}  // namespace pointsman::gateway
