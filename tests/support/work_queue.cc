#include "tests/support/work_queue.h"

#include <algorithm>

#include "absl/random/distributions.h"

namespace pointsman::testing {
namespace {

using common::MonotonicTime;

constexpr absl::Duration kMarkPeriod = absl::Milliseconds(250);
constexpr size_t kMarksMax = 5;

absl::Duration WorkTime(const Behaviour& behaviour, absl::BitGenRef random) {
  const double ms = behaviour.exponential && behaviour.delay_ms > 0
                        ? absl::Exponential<double>(random, 1 / behaviour.delay_ms)
                        : behaviour.delay_ms;
  return absl::Microseconds(ms * 1e3);
}

}  // namespace

WorkQueue::Ticket WorkQueue::Enter(const Behaviour& behaviour, MonotonicTime now,
                                   absl::BitGenRef random) {
  Advance(now);
  const Ticket ticket = next_ticket_++;
  waiting_.push_back({ticket, now});
  FillSlots(behaviour, now, random);
  return ticket;
}

void WorkQueue::Abandon(Ticket ticket, const Behaviour& behaviour, MonotonicTime now,
                        absl::BitGenRef random) {
  Advance(now);
  std::erase_if(waiting_, [ticket](const Waiter& waiter) { return waiter.ticket == ticket; });
  std::erase_if(running_, [ticket](const auto& running) { return running.second == ticket; });
  FillSlots(behaviour, now, random);
}

std::vector<WorkQueue::Ticket> WorkQueue::Finished(const Behaviour& behaviour, MonotonicTime now,
                                                   absl::BitGenRef random, size_t most) {
  std::vector<Ticket> finished;
  Advance(now);
  while (finished.size() < most && !running_.empty() && running_.begin()->first <= now) {
    finished.push_back(running_.begin()->second);
    running_.erase(running_.begin());
    FillSlots(behaviour, now, random);
  }
  return finished;
}

MonotonicTime WorkQueue::NextEnd() const {
  return running_.empty() ? MonotonicTime::Infinite() : running_.begin()->first;
}

void WorkQueue::FillSlots(const Behaviour& behaviour, MonotonicTime now, absl::BitGenRef random) {
  const size_t slots = static_cast<size_t>(behaviour.concurrency);
  while (!waiting_.empty() && (slots == 0 || running_.size() < slots)) {
    const Waiter waiter = waiting_.front();
    waiting_.pop_front();
    sums_.waited_seconds += absl::ToDoubleSeconds(now - waiter.since);
    ++sums_.left_queue;
    running_.emplace(now + WorkTime(behaviour, random), waiter.ticket);
  }
}

void WorkQueue::Advance(MonotonicTime now) {
  const double seconds = absl::ToDoubleSeconds(now - last_);
  if (seconds <= 0) return;
  sums_.in_flight_seconds += seconds * static_cast<double>(in_flight());
  sums_.busy_seconds += seconds * static_cast<double>(running_.size());
  last_ = now;
  if (now - marks_.back().time < kMarkPeriod) return;
  marks_.push_back({now, sums_});
  if (marks_.size() > kMarksMax) marks_.pop_front();
}

ServiceLoad WorkQueue::Load(const Behaviour& behaviour, MonotonicTime now) {
  Advance(now);
  const Mark& from = marks_.front();
  const double seconds = absl::ToDoubleSeconds(now - from.time);
  ServiceLoad load;
  if (seconds <= 0) return load;
  load.in_flight = (sums_.in_flight_seconds - from.sums.in_flight_seconds) / seconds;
  if (behaviour.concurrency > 0) {
    load.utilisation =
        (sums_.busy_seconds - from.sums.busy_seconds) / seconds / behaviour.concurrency;
  }
  const uint64_t left = sums_.left_queue - from.sums.left_queue;
  if (left > 0) {
    load.queue_delay_seconds =
        (sums_.waited_seconds - from.sums.waited_seconds) / static_cast<double>(left);
  }
  return load;
}

}  // namespace pointsman::testing
