#include "controller/event_log.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "common/core/proto_time.h"
#include "common/thread_name.h"
#include "controller/store/await.h"
#include "controller/store/store_error.h"

namespace pointsman::controller {
namespace {

constexpr int kDetailsMax = 32;
// At the end: how long a store may keep us.
constexpr absl::Duration kLastWriteMax = absl::Seconds(1);
constexpr absl::Duration kWriteMax = absl::Seconds(10);

v1::Event ToEvent(EventDraft draft, absl::Time now) {
  v1::Event event;
  common::ToProto(now, event.mutable_time());
  event.set_type(std::move(draft.type));
  event.set_subject(std::move(draft.subject));
  event.set_actor(std::move(draft.actor));
  event.set_summary(std::move(draft.summary));
  for (auto& [key, value] : draft.details) {
    if (event.details_size() >= kDetailsMax) break;
    (*event.mutable_details())[key] = std::move(value);
  }
  return event;
}

bool Matches(const v1::Event& event, const EventQuery& query) {
  return absl::StartsWith(event.type(), query.type_prefix) &&
         absl::StartsWith(event.subject(), query.subject_prefix) &&
         (query.before == 0 || event.sequence() < query.before);
}

}  // namespace

EventLog::EventLog(const Options& options) : options_(options) {
  if (options_.store == nullptr) return;
  const absl::StatusOr<uint64_t> last = Await<uint64_t>(
      [this](auto done) { options_.store->LastEventSequence(std::move(done)); }, kWriteMax);
  {
    common::MutexLock lock(mutex_);
    if (last.ok()) next_sequence_ = *last + 1;
  }
  thread_ = common::NamedThread("pm-events", [this] { Run(); });
}

EventLog::~EventLog() {
  {
    common::MutexLock lock(mutex_);
    stopping_ = true;
    wake_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

uint64_t EventLog::Record(EventDraft draft) {
  v1::Event event = ToEvent(std::move(draft), options_.clock->WallNow());
  common::MutexLock lock(mutex_);
  const uint64_t sequence = next_sequence_++;
  event.set_sequence(sequence);
  ring_.push_back(event);
  if (ring_.size() > options_.ring_max) ring_.pop_front();
  ++counters_.recorded;
  if (options_.store == nullptr) return sequence;
  waiting_.push_back(std::move(event));
  if (waiting_.size() > options_.waiting_max) {
    waiting_.pop_front();
    ++counters_.dropped;
  }
  wake_.NotifyOne();
  return sequence;
}

void EventLog::List(const EventQuery& query,
                    std::function<void(absl::StatusOr<std::vector<v1::Event>>)> done) const {
  std::vector<v1::Event> found;
  EventQuery rest = query;
  {
    common::MutexLock lock(mutex_);
    for (auto event = ring_.rbegin(); event != ring_.rend(); ++event) {
      if (found.size() >= query.limit) break;
      if (Matches(*event, query)) found.push_back(*event);
    }
    // The ring is gapless up to the newest: what is older can only be in the store.
    const uint64_t oldest = ring_.empty() ? next_sequence_ : ring_.front().sequence();
    rest.before = query.before == 0 ? oldest : std::min(query.before, oldest);
  }
  rest.limit = query.limit - static_cast<uint32_t>(found.size());
  if (rest.limit == 0 || rest.before <= 1 || options_.store == nullptr) {
    return done(std::move(found));
  }
  options_.store->ListEvents(std::move(rest),
                             [found = std::move(found), done = std::move(done)](
                                 absl::StatusOr<std::vector<v1::Event>> older) mutable {
                               if (!older.ok()) return done(WithStoreReason(older.status()));
                               for (v1::Event& event : *older) found.push_back(std::move(event));
                               done(std::move(found));
                             });
}

EventLogCounters EventLog::counters() const {
  common::MutexLock lock(mutex_);
  EventLogCounters counters = counters_;
  counters.waiting = waiting_.size();
  return counters;
}

void EventLog::Run() {
  while (true) {
    std::vector<v1::Event> batch;
    bool last = false;
    {
      common::MutexLock lock(mutex_);
      while (waiting_.empty() && !stopping_) wake_.Wait(mutex_);
      if (waiting_.empty()) return;
      last = stopping_;
      // At the end everything that waits goes in one write.
      const size_t count = last ? waiting_.size() : std::min(waiting_.size(), options_.batch_max);
      batch.assign(waiting_.begin(), waiting_.begin() + static_cast<ptrdiff_t>(count));
    }
    const bool written = WriteBatch(batch, last ? kLastWriteMax : kWriteMax);
    if (last) return;
    common::MutexLock lock(mutex_);
    if (!written) {
      if (!stopping_) wake_.WaitFor(mutex_, options_.retry);
      continue;
    }
    // The front may have been dropped while it was being written.
    while (!waiting_.empty() && waiting_.front().sequence() <= batch.back().sequence()) {
      waiting_.pop_front();
      ++counters_.written;
    }
  }
}

bool EventLog::WriteBatch(const std::vector<v1::Event>& batch, absl::Duration timeout) {
  return AwaitDone(
             [this, &batch](auto done) { options_.store->AppendEvents(batch, std::move(done)); },
             timeout)
      .ok();
}

}  // namespace pointsman::controller
