#include "sim/server.h"

#include <algorithm>
#include <cmath>

#include "common/core/check.h"
#include "sim/random.h"

namespace pointsman::sim {

double BusyShare(const ServerCounters& from, const ServerCounters& to, absl::Duration elapsed,
                 uint32_t concurrency) {
  PM_CHECK(elapsed > absl::ZeroDuration() && concurrency > 0);
  return (to.busy_micros - from.busy_micros) / (absl::ToDoubleMicroseconds(elapsed) * concurrency);
}

double OfferedLoad(const ServerCounters& from, const ServerCounters& to, absl::Duration elapsed,
                   double concurrency_times_speed) {
  PM_CHECK(elapsed > absl::ZeroDuration() && concurrency_times_speed > 0);
  return (to.work_offered_micros - from.work_offered_micros) /
         (absl::ToDoubleMicroseconds(elapsed) * concurrency_times_speed);
}

Server::Server(EventQueue& queue, const ServerOptions& options)
    : queue_(queue),
      options_(options),
      speed_(options.speed),
      integrated_to_(queue.now().micros()) {
  PM_CHECK(options.concurrency >= 1 && options.speed >= 0);
}

uint32_t Server::Allocate(const Job& job) {
  if (free_.empty()) {
    free_.push_back(static_cast<uint32_t>(requests_.size()));
    requests_.emplace_back();
  }
  const uint32_t index = free_.back();
  free_.pop_back();
  Request& request = requests_[index];
  request.job = job;
  request.work_left = job.work_micros;
  request.arrived = queue_.now().micros();
  request.in_flight_at_arrival = in_flight_++;
  request.fails = false;
  ++request.generation;
  return index;
}

Server::JobId Server::Submit(const Job& job, absl::BitGenRef random) {
  PM_CHECK(job.work_micros >= 0 && job.sink != nullptr);
  Integrate();
  ++counters_.arrivals;
  const bool full = queued_ >= options_.queue_max && !faults_.black_hole;
  if (faults_.crashed || full) {
    ++counters_.refused;
    Tell(job, faults_.crashed ? Outcome::kRefused : Outcome::kQueueFull);
    return kNoJob;
  }
  const uint32_t index = Allocate(job);
  Request& request = requests_[index];
  const JobId id = uint64_t{request.generation} << 32 | index;
  if (faults_.black_hole) {
    request.phase = Phase::kHeld;
  } else if (Chance(faults_.fast_failure_share, random)) {
    request.phase = Phase::kAnswering;
    request.event = queue_.After(faults_.fast_failure_time,
                                 [this, index] { Answer(index, Outcome::kFastError); });
  } else {
    counters_.work_offered_micros += job.work_micros;
    request.fails = Chance(faults_.grey_error_share, random);
    Enqueue(index);
    StartWaiting();
  }
  return id;
}

void Server::Enqueue(uint32_t index) {
  Request& request = requests_[index];
  request.phase = Phase::kQueued;
  request.next = kNone;
  request.previous = last_;
  (last_ == kNone ? first_ : requests_[last_].next) = index;
  last_ = index;
  ++queued_;
}

void Server::Unqueue(uint32_t index) {
  const Request& request = requests_[index];
  (request.previous == kNone ? first_ : requests_[request.previous].next) = request.next;
  (request.next == kNone ? last_ : requests_[request.next].previous) = request.previous;
  --queued_;
}

void Server::StartWaiting() {
  while (first_ != kNone && running_.size() < options_.concurrency) {
    const uint32_t index = first_;
    Unqueue(index);
    Start(index);
  }
}

void Server::Start(uint32_t index) {
  Request& request = requests_[index];
  request.phase = Phase::kRunning;
  request.started = queue_.now().micros();
  request.next = static_cast<uint32_t>(running_.size());
  running_.push_back(index);
  ScheduleEnd(request, index);
}

void Server::LeaveSlot(uint32_t index) {
  const uint32_t place = requests_[index].next;
  running_[place] = running_.back();
  requests_[running_[place]].next = place;
  running_.pop_back();
}

// REQUIRES: work_left is as of now.
void Server::ScheduleEnd(Request& request, uint32_t index) {
  request.event = EventQueue::kNoEvent;
  if (rate() <= 0) return;
  // To the nearest microsecond, so that rounding does not shift the mean.
  const double micros = std::floor(std::max(0.0, request.work_left) / rate() + 0.5);
  const auto end = common::MonotonicTime::FromMicros(queue_.now().micros() +
                                                     static_cast<int64_t>(std::min(micros, 1e17)));
  request.event = queue_.At(end, [this, index] { Finish(index); });
}

void Server::Reschedule() {
  for (const uint32_t index : running_) {
    Request& request = requests_[index];
    queue_.Cancel(request.event);
    ScheduleEnd(request, index);
  }
}

// Work and integrals up to now, at the rate that held since the last time.
void Server::Integrate() {
  const int64_t now = queue_.now().micros();
  if (now == integrated_to_) return;
  const double elapsed = static_cast<double>(now - integrated_to_);
  integrated_to_ = now;
  const double work = elapsed * rate();
  for (const uint32_t index : running_) requests_[index].work_left -= work;
  const double running = static_cast<double>(running_.size());
  counters_.busy_micros += elapsed * running;
  counters_.work_done_micros += work * running;
  counters_.in_flight_micros += elapsed * in_flight_;
}

const ServerCounters& Server::counters() {
  Integrate();
  return counters_;
}

void Server::Finish(uint32_t index) {
  Integrate();
  LeaveSlot(index);
  StartWaiting();
  Answer(index, requests_[index].fails ? Outcome::kError : Outcome::kOk);
}

// Ends the request and tells its sender, from within an event of its own.
void Server::Answer(uint32_t index, Outcome outcome) {
  Integrate();
  const Request& request = requests_[index];
  const int64_t micros = queue_.now().micros() - request.arrived;
  ++(outcome == Outcome::kOk ? counters_.completions : counters_.errors);
  counters_.latency_micros += static_cast<double>(micros);
  CompletionSink* const sink = request.job.sink;
  // What failed fast was in no slot.
  const bool in_slot = outcome != Outcome::kFastError;
  const absl::Duration served =
      absl::Microseconds(in_slot ? queue_.now().micros() - request.started : 0);
  const Completion completion{request.job.ticket,           outcome, absl::Microseconds(micros),
                              request.in_flight_at_arrival, served,  queued_};
  Free(index);
  sink->OnCompletion(completion);
}

void Server::Free(uint32_t index) {
  requests_[index].phase = Phase::kFree;
  free_.push_back(index);
  --in_flight_;
}

// As an event: the sender may be in the middle of something.
void Server::Tell(const Job& job, Outcome outcome) {
  queue_.After(absl::ZeroDuration(), [sink = job.sink, ticket = job.ticket, outcome] {
    Completion completion;
    completion.ticket = ticket;
    completion.outcome = outcome;
    sink->OnCompletion(completion);
  });
}

bool Server::Abandon(JobId id) {
  const uint32_t index = static_cast<uint32_t>(id);
  if (id == kNoJob || index >= requests_.size()) return false;
  Request& request = requests_[index];
  if (request.generation != id >> 32 || request.phase == Phase::kFree) return false;
  Integrate();
  if (request.phase == Phase::kQueued) Unqueue(index);
  if (request.phase == Phase::kRunning || request.phase == Phase::kAnswering) {
    queue_.Cancel(request.event);
  }
  if (request.phase == Phase::kRunning) LeaveSlot(index);
  Free(index);
  ++counters_.abandoned;
  StartWaiting();
  return true;
}

void Server::SetSpeed(double speed) {
  PM_CHECK(speed >= 0);
  Integrate();
  speed_ = speed;
  Reschedule();
}

void Server::SetFaults(const ServerFaults& faults) {
  PM_CHECK(faults.slow_factor > 0);
  Integrate();
  const bool crashes = faults.crashed && !faults_.crashed;
  faults_ = faults;
  if (crashes) {
    ResetAll();
  } else {
    Reschedule();
  }
}

void Server::ResetAll() {
  for (uint32_t index = 0; index < requests_.size(); ++index) {
    Request& request = requests_[index];
    if (request.phase == Phase::kFree) continue;
    if (request.phase == Phase::kRunning || request.phase == Phase::kAnswering) {
      queue_.Cancel(request.event);
    }
    ++counters_.resets;
    Tell(request.job, Outcome::kReset);
    Free(index);
  }
  running_.clear();
  first_ = last_ = kNone;
  queued_ = 0;
}

}  // namespace pointsman::sim
