#include "gateway/net/timer_wheel.h"

#include <algorithm>
#include <bit>

namespace pointsman::gateway {

void TimerEntry::Cancel() {
  if (next_ == nullptr) return;
  next_->previous_ = previous_;
  previous_->next_ = next_;
  next_ = previous_ = nullptr;
}

TimerWheel::TimerWheel(common::MonotonicTime now) : tick_(now.micros() / kTickMicros) {
  for (TimerEntry& slot : slots_) slot.next_ = slot.previous_ = &slot;
}

void TimerWheel::Arm(TimerEntry& entry, common::MonotonicTime deadline) {
  const int64_t wanted =
      deadline.micros() / kTickMicros + (deadline.micros() % kTickMicros != 0 ? 1 : 0);
  const int64_t tick = std::clamp<int64_t>(wanted, tick_, tick_ + kSlots - 1);
  if (entry.armed()) {
    if (entry.tick_ <= tick) return;
    entry.Cancel();
  }
  const size_t slot = static_cast<size_t>(tick) % kSlots;
  TimerEntry& head = slots_[slot];
  entry.tick_ = tick;
  entry.next_ = &head;
  entry.previous_ = head.previous_;
  head.previous_->next_ = &entry;
  head.previous_ = &entry;
  occupied_[slot / 64] |= uint64_t{1} << (slot % 64);
}

int64_t TimerWheel::NextOccupied(int64_t from) const {
  const size_t start = static_cast<size_t>(from) % kSlots;
  size_t word = start / 64;
  uint64_t bits = occupied_[word] & (~uint64_t{0} << (start % 64));
  for (size_t i = 0; i <= kWords; ++i) {
    if (bits != 0) {
      const size_t slot = word * 64 + static_cast<size_t>(std::countr_zero(bits));
      const size_t distance = (slot + kSlots - start) % kSlots;
      return from + static_cast<int64_t>(distance);
    }
    word = (word + 1) % kWords;
    bits = occupied_[word];
  }
  return -1;
}

void TimerWheel::FireSlot(size_t slot, absl::FunctionRef<void(TimerEntry&)> fire, size_t* fired) {
  occupied_[slot / 64] &= ~(uint64_t{1} << (slot % 64));
  TimerEntry& head = slots_[slot];
  if (head.next_ == &head) return;
  // Moved to a list of its own, so that entries armed while firing wait for the next round.
  TimerEntry due;
  due.next_ = head.next_;
  due.previous_ = head.previous_;
  due.next_->previous_ = due.previous_->next_ = &due;
  head.next_ = head.previous_ = &head;
  while (due.next_ != &due) {
    TimerEntry& entry = *due.next_;
    entry.Cancel();
    ++*fired;
    fire(entry);
  }
  due.next_ = due.previous_ = nullptr;
}

size_t TimerWheel::Advance(common::MonotonicTime now, absl::FunctionRef<void(TimerEntry&)> fire) {
  const int64_t now_tick = now.micros() / kTickMicros;
  size_t fired = 0;
  while (tick_ <= now_tick) {
    const int64_t next = NextOccupied(tick_);
    if (next < 0 || next > now_tick) {
      tick_ = now_tick + 1;
      break;
    }
    tick_ = next + 1;
    FireSlot(static_cast<size_t>(next) % kSlots, fire, &fired);
  }
  return fired;
}

int64_t TimerWheel::MicrosToNext(common::MonotonicTime now) const {
  const int64_t next = NextOccupied(tick_);
  if (next < 0) return -1;
  return std::max<int64_t>(0, next * kTickMicros - now.micros());
}

}  // namespace pointsman::gateway
