#include "sim/event_queue.h"

#include <algorithm>

namespace pointsman::sim {
namespace {

constexpr size_t kChildren = 4;
constexpr uint64_t kSlotMask = EventQueue::kPendingMax - 1;

}  // namespace

EventQueue::~EventQueue() {
  for (const Entry& entry : heap_) {
    Slot& slot = SlotAt(static_cast<uint32_t>(entry.order & kSlotMask));
    if (slot.act != nullptr) slot.act(slot.bytes, false);
  }
}

uint32_t EventQueue::TakeSlot() {
  if (free_slots_.empty()) {
    const size_t first = chunks_.size() * kChunk;
    PM_CHECK(first + kChunk <= kPendingMax);
    chunks_.push_back(std::make_unique<Slot[]>(kChunk));
    // The lowest is taken first.
    for (size_t i = kChunk; i > 0; --i) {
      free_slots_.push_back(static_cast<uint32_t>(first + i - 1));
    }
  }
  const uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  return slot;
}

EventQueue::EventId EventQueue::Push(common::MonotonicTime when, uint32_t slot) {
  PM_CHECK(when >= now_);
  PM_CHECK(next_number_ < uint64_t{1} << (64 - kSlotBits));
  const Entry entry{when.micros(), next_number_++ << kSlotBits | slot};
  SlotAt(slot).id = entry.order;
  size_t place = heap_.size();
  heap_.push_back(entry);
  while (place > 0) {
    const size_t parent = (place - 1) / kChildren;
    if (!entry.Before(heap_[parent])) break;
    heap_[place] = heap_[parent];
    place = parent;
  }
  heap_[place] = entry;
  return entry.order;
}

// The last entry sinks from the top.
EventQueue::Entry EventQueue::PopFirst() {
  const Entry first = heap_.front();
  const Entry last = heap_.back();
  heap_.pop_back();
  const size_t size = heap_.size();
  if (size == 0) return first;
  size_t place = 0;
  for (size_t child = 1; child < size; child = place * kChildren + 1) {
    size_t least = child;
    const size_t end = std::min(child + kChildren, size);
    for (size_t other = child + 1; other < end; ++other) {
      if (heap_[other].Before(heap_[least])) least = other;
    }
    if (!heap_[least].Before(last)) break;
    heap_[place] = heap_[least];
    place = least;
  }
  heap_[place] = last;
  return first;
}

bool EventQueue::Cancel(EventId id) {
  const uint32_t number = static_cast<uint32_t>(id & kSlotMask);
  if (id == kNoEvent || number / kChunk >= chunks_.size()) return false;
  Slot& slot = SlotAt(number);
  if (slot.id != id || slot.act == nullptr) return false;
  const auto act = std::exchange(slot.act, nullptr);
  ++cancelled_;
  act(slot.bytes, false);
  return true;
}

// Runs the first event that is not after `latest_micros` and was not cancelled.
bool EventQueue::RunFirst(int64_t latest_micros) {
  while (!heap_.empty() && heap_.front().micros <= latest_micros) {
    const Entry entry = PopFirst();
    const uint32_t number = static_cast<uint32_t>(entry.order & kSlotMask);
    Slot& slot = SlotAt(number);
    const auto act = std::exchange(slot.act, nullptr);
    if (act != nullptr) {
      now_ = common::MonotonicTime::FromMicros(entry.micros);
      ++events_run_;
      act(slot.bytes, true);
    } else {
      --cancelled_;
    }
    free_slots_.push_back(number);
    if (act != nullptr) return true;
  }
  return false;
}

bool EventQueue::Step() { return RunFirst(INT64_MAX); }

void EventQueue::RunUntil(common::MonotonicTime end) {
  PM_CHECK(end >= now_);
  while (RunFirst(end.micros())) {
  }
  now_ = end;
}

}  // namespace pointsman::sim
