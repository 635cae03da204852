#pragma once

// The clock and the agenda of a simulated world: callables that run at their time, those of one
// time in the order in which they were added. Nothing else orders them, so a run is a function of
// its inputs and seeds.
//
// Time is common::MonotonicTime, the microseconds that cores decide with. What is shorter than
// about 20 us should be scaled up (theory's mean service of 1 is a second here), and a process of
// many arrivals keeps its own exact time (PoissonArrivals in sim/random.h), so that rounding
// neither adds up nor shifts a mean.
//
// A callable of up to kInlineBytes is kept in place; in a steady state nothing is allocated. At
// and Step cost O(log pending), Cancel O(1). Thread-compatible.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "common/core/check.h"
#include "common/core/time.h"

namespace pointsman::sim {

class EventQueue {
 public:
  // Names one added event; never used again.
  using EventId = uint64_t;
  static constexpr EventId kNoEvent = 0;
  static constexpr size_t kInlineBytes = 48;
  // Events pending at once; more is an error of the experiment and ends the process.
  static constexpr size_t kPendingMax = size_t{1} << 24;

  EventQueue() = default;
  EventQueue(const EventQueue&) = delete;
  EventQueue& operator=(const EventQueue&) = delete;
  // Destroys what did not run.
  ~EventQueue();

  // Runs `action()` at `when`. REQUIRES: when >= now().
  template <typename Action>
  EventId At(common::MonotonicTime when, Action&& action) {
    using Callable = std::decay_t<Action>;
    const uint32_t slot = TakeSlot();
    Slot& place = SlotAt(slot);
    if constexpr (sizeof(Callable) <= kInlineBytes &&
                  alignof(Callable) <= alignof(std::max_align_t)) {
      new (place.bytes) Callable(std::forward<Action>(action));
      place.act = [](void* bytes, bool run) {
        Callable* callable = std::launder(static_cast<Callable*>(bytes));
        if (run) (*callable)();
        callable->~Callable();
      };
    } else {
      new (place.bytes) Callable*(new Callable(std::forward<Action>(action)));
      place.act = [](void* bytes, bool run) {
        std::unique_ptr<Callable> callable(*std::launder(static_cast<Callable**>(bytes)));
        if (run) (*callable)();
      };
    }
    return Push(when, slot);
  }
  // At now() + delay; a negative delay counts as 0.
  template <typename Action>
  EventId After(absl::Duration delay, Action&& action) {
    return At(delay > absl::ZeroDuration() ? now_ + delay : now_, std::forward<Action>(action));
  }

  // True when the event was pending; it will not run. False for one that ran, runs or was
  // cancelled, and for kNoEvent. Its place is reused when its time has come.
  bool Cancel(EventId id);

  // Runs the next event; false when there is none.
  bool Step();
  // Runs all events up to and including `end`, then sets now() to `end`. REQUIRES: end >= now().
  void RunUntil(common::MonotonicTime end);

  // The time of the event that runs or ran last, or RunUntil's end.
  common::MonotonicTime now() const { return now_; }
  // Events that will run.
  size_t pending() const { return heap_.size() - cancelled_; }
  uint64_t events_run() const { return events_run_; }

 private:
  static constexpr int kSlotBits = 24;
  static constexpr size_t kChunk = 1024;

  // `order` is the running number with the slot in its low bits: unique, so that no two entries
  // are equal and the heap's shape does not matter.
  struct Entry {
    int64_t micros;
    uint64_t order;
    bool Before(const Entry& other) const {
      return micros != other.micros ? micros < other.micros : order < other.order;
    }
  };
  struct Slot {
    alignas(std::max_align_t) std::byte bytes[kInlineBytes];
    // Runs (or not) and destroys what is in `bytes`; null: cancelled or free.
    void (*act)(void* bytes, bool run) = nullptr;
    EventId id = kNoEvent;
  };

  Slot& SlotAt(uint32_t slot) { return chunks_[slot / kChunk][slot % kChunk]; }
  uint32_t TakeSlot();
  EventId Push(common::MonotonicTime when, uint32_t slot);
  Entry PopFirst();
  bool RunFirst(int64_t latest_micros);

  std::vector<Entry> heap_;  // Four children a node: half the levels of a binary heap.
  std::vector<std::unique_ptr<Slot[]>> chunks_;  // Slots do not move: one may run meanwhile.
  std::vector<uint32_t> free_slots_;
  common::MonotonicTime now_;
  uint64_t next_number_ = 1;
  size_t cancelled_ = 0;
  uint64_t events_run_ = 0;
};

}  // namespace pointsman::sim
