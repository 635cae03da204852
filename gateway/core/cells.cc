#include "gateway/core/cells.h"

#include <algorithm>

#include "common/core/check.h"
#include "common/core/latency_histogram.h"

namespace pointsman::gateway {
namespace {

static_assert(kCellLatencyBuckets == common::LatencyHistogram::kBuckets);

// One writer: a load and a store, no locked instruction.
template <typename T>
void Bump(std::atomic<T>& cell, T by) {
  cell.store(cell.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

}  // namespace

absl::string_view AvoidedForName(AvoidedFor reason) {
  switch (reason) {
    case AvoidedFor::kNothing:
      return "";
    case AvoidedFor::kAsked:
      return "retry_after";
    case AvoidedFor::kSlow:
      return "slow";
    case AvoidedFor::kFailing:
      return "failing";
    case AvoidedFor::kNoAnswer:
      return "no_answer";
  }
  return "";
}

WorkerCells::~WorkerCells() {
  for (auto& block : blocks_) delete block.load(std::memory_order_relaxed);
}

void WorkerCells::AddBlock(size_t block, Shared* shared) {
  auto added = std::make_unique<Block>();
  added->shared = shared;
  blocks_[block].store(added.release(), std::memory_order_release);
}

bool WorkerCells::StartTry(CellRef ref, uint32_t limit) {
  Hot& hot = HotOf(ref);
  const size_t i = ref.index % kCellBlock;
  const uint32_t own = hot.own[i].load(std::memory_order_relaxed);
  if (limit != kNoCellLimit) {
    Lease& lease = hot.leases[i];
    if (lease.limit.load(std::memory_order_relaxed) != limit) SetLimit(ref, limit);
    if (lease.held.load(std::memory_order_relaxed) <= own && !TakeLease(ref, &lease, own)) {
      return false;
    }
  }
  hot.own[i].store(own + 1, std::memory_order_relaxed);
  return true;
}

bool WorkerCells::AtLimit(CellRef ref, uint32_t limit) const {
  const Block& block = *BlockOf(ref);
  const size_t i = ref.index % kCellBlock;
  const Lease& lease = block.hot.leases[i];
  const uint32_t own = block.hot.own[i].load(std::memory_order_relaxed);
  const uint32_t held = lease.held.load(std::memory_order_relaxed);
  const uint32_t unused = held > own ? held - own : 0;
  const bool same = lease.limit.load(std::memory_order_relaxed) == limit;
  if (same && unused > 0) return false;
  // What is unused of another limit would go back first.
  return block.shared->leased[i].load(std::memory_order_relaxed) - unused >= limit;
}

void WorkerCells::EndTry(CellRef ref) {
  Hot& hot = HotOf(ref);
  const size_t i = ref.index % kCellBlock;
  const uint32_t value = hot.own[i].load(std::memory_order_relaxed);
  PM_CHECK(value > 0);
  Lease& lease = hot.leases[i];
  const uint32_t batch = lease.batch.load(std::memory_order_relaxed);
  if (lease.held.load(std::memory_order_relaxed) > value - 1 + 2 * batch) {
    ReturnLease(ref, &lease, value - 1, batch);
  }
  // Last: with nothing in flight a retired slot may be given to another endpoint.
  hot.own[i].store(value - 1, std::memory_order_release);
}

void WorkerCells::SetLimit(CellRef ref, uint32_t limit) {
  Hot& hot = HotOf(ref);
  const size_t i = ref.index % kCellBlock;
  Lease& lease = hot.leases[i];
  ReturnLease(ref, &lease, hot.own[i].load(std::memory_order_relaxed), 0);
  lease.limit.store(limit, std::memory_order_relaxed);
  lease.batch.store(static_cast<uint32_t>(limit / (kLeaseParts * workers_)),
                    std::memory_order_relaxed);
}

bool WorkerCells::TakeLease(CellRef ref, Lease* lease, uint32_t own) {
  const uint32_t held = lease->held.load(std::memory_order_relaxed);
  const uint32_t limit = lease->limit.load(std::memory_order_relaxed);
  const uint32_t needed = own + 1 - held;
  const uint32_t wanted = needed + lease->batch.load(std::memory_order_relaxed);
  std::atomic<uint32_t>& leased = BlockOf(ref)->shared->leased[ref.index % kCellBlock];
  uint32_t all = leased.load(std::memory_order_relaxed);
  uint32_t taken = 0;
  do {
    if (all >= limit || limit - all < needed) return false;
    taken = std::min(wanted, limit - all);
  } while (!leased.compare_exchange_weak(all, all + taken, std::memory_order_relaxed));
  lease->held.store(held + taken, std::memory_order_relaxed);
  return true;
}

void WorkerCells::ReturnLease(CellRef ref, Lease* lease, uint32_t own, uint32_t keep) {
  const uint32_t held = lease->held.load(std::memory_order_relaxed);
  if (held <= own + keep) return;
  BlockOf(ref)->shared->leased[ref.index % kCellBlock].fetch_sub(held - own - keep,
                                                                 std::memory_order_relaxed);
  lease->held.store(own + keep, std::memory_order_relaxed);
}

void WorkerCells::CountOutcome(CellRef ref, TryOutcome outcome, absl::Duration latency) {
  CountRequest(ref, outcome, latency);
  CountInARow(ref, outcome);
}

void WorkerCells::CountRequest(CellRef ref, TryOutcome outcome, absl::Duration latency) {
  if (outcome == TryOutcome::kAbandoned) return;
  Counters& counters = CountersOf(ref);
  Bump(counters.requests, uint64_t{1});
  switch (outcome) {
    case TryOutcome::kServerError:
      Bump(counters.server_errors, uint64_t{1});
      break;
    case TryOutcome::kConnectFailure:
    case TryOutcome::kConnectTimeout:
      Bump(counters.connect_failures, uint64_t{1});
      break;
    case TryOutcome::kReset:
      Bump(counters.resets, uint64_t{1});
      break;
    case TryOutcome::kTimeout:
    case TryOutcome::kDeadline:
      Bump(counters.timeouts, uint64_t{1});
      break;
    case TryOutcome::kResponse:
    case TryOutcome::kAbandoned:
      break;
  }
  if (latency < absl::ZeroDuration()) return;
  const int64_t micros = absl::ToInt64Microseconds(latency);
  Bump(counters.latency_sum_micros, micros);
  Bump(counters.latency_buckets[common::LatencyHistogram::BucketOfMicros(micros)], uint64_t{1});
}

OwnCounts WorkerCells::Own(CellRef ref) const {
  const Counters& counters = CountersOf(ref);
  OwnCounts own;
  own.tries = counters.requests.load(std::memory_order_relaxed);
  own.unanswered = counters.connect_failures.load(std::memory_order_relaxed) +
                   counters.resets.load(std::memory_order_relaxed) +
                   counters.timeouts.load(std::memory_order_relaxed);
  own.server_errors = counters.server_errors.load(std::memory_order_relaxed);
  own.latency_sum_micros = counters.latency_sum_micros.load(std::memory_order_relaxed);
  for (size_t i = 0; i < kCellLatencyBuckets; ++i) {
    own.latency_buckets[i] = counters.latency_buckets[i].load(std::memory_order_relaxed);
  }
  return own;
}

void WorkerCells::CountInARow(CellRef ref, TryOutcome outcome) {
  // A request's own limit says nothing of who was asked.
  if (outcome == TryOutcome::kAbandoned || outcome == TryOutcome::kDeadline) return;
  Row& row = BlockOf(ref)->shared->in_a_row[ref.index % kCellBlock];
  if (outcome == TryOutcome::kResponse || outcome == TryOutcome::kServerError) {
    // Nearly always 0 already, and then the line stays shared.
    for (auto* cell : {&row.unreachable, &row.timeouts}) {
      if (cell->load(std::memory_order_relaxed) != 0) cell->store(0, std::memory_order_relaxed);
    }
    return;
  }
  const bool timeout = outcome == TryOutcome::kTimeout || outcome == TryOutcome::kConnectTimeout;
  (timeout ? row.timeouts : row.unreachable).fetch_add(1, std::memory_order_relaxed);
  Bump(hard_failures_, uint64_t{1});
}

void WorkerCells::AddAvoided(CellRef ref, absl::Duration duration) {
  Bump(CountersOf(ref).avoided_micros, absl::ToInt64Microseconds(duration));
}

void WorkerCells::ShowAvoided(CellRef ref, AvoidedFor reason) {
  auto& shown = CountersOf(ref).avoided_for;
  if (shown.load(std::memory_order_relaxed) == reason) return;
  shown.store(reason, std::memory_order_relaxed);
  // Whoever sees the count sees the reason.
  avoidance_changes_.store(avoidance_changes_.load(std::memory_order_relaxed) + 1,
                           std::memory_order_release);
}

void WorkerCells::RecordFailing(CellRef ref, bool failed, common::MonotonicTime now) {
  auto& cell = HotOf(ref).failing[ref.index % kCellBlock];
  const FailingShare before(cell.load(std::memory_order_relaxed));
  const FailingShare after = before.After(failed, now);
  if (after.packed() != before.packed()) cell.store(after.packed(), std::memory_order_relaxed);
  if (failed) failing_until_ = std::max(failing_until_, now + FailingShare::kForgotten);
}

void WorkerCells::ClearSlot(CellRef ref) {
  Hot& hot = HotOf(ref);
  PM_CHECK(hot.own[ref.index % kCellBlock].load(std::memory_order_relaxed) == 0);
  hot.others[ref.index % kCellBlock].store(0, std::memory_order_relaxed);
  hot.failing[ref.index % kCellBlock].store(0, std::memory_order_relaxed);
  Counters& counters = CountersOf(ref);
  for (auto* cell : {&counters.requests, &counters.connect_failures, &counters.resets,
                     &counters.timeouts, &counters.server_errors}) {
    cell->store(0, std::memory_order_relaxed);
  }
  counters.latency_sum_micros.store(0, std::memory_order_relaxed);
  counters.avoided_micros.store(0, std::memory_order_relaxed);
  counters.learned_limit.store(0, std::memory_order_relaxed);
  counters.avoided_for.store(AvoidedFor::kNothing, std::memory_order_relaxed);
  for (auto& bucket : counters.latency_buckets) bucket.store(0, std::memory_order_relaxed);
  Row& row = BlockOf(ref)->shared->in_a_row[ref.index % kCellBlock];
  row.unreachable.store(0, std::memory_order_relaxed);
  row.timeouts.store(0, std::memory_order_relaxed);
  Lease& lease = hot.leases[ref.index % kCellBlock];
  for (auto* cell : {&lease.held, &lease.limit, &lease.batch}) {
    cell->store(0, std::memory_order_relaxed);
  }
  BlockOf(ref)->shared->leased[ref.index % kCellBlock].store(0, std::memory_order_relaxed);
}

EndpointCells::EndpointCells(size_t workers) {
  PM_CHECK(workers >= 1);
  for (size_t i = 0; i < workers; ++i) workers_.push_back(std::make_unique<WorkerCells>(workers));
}

absl::StatusOr<CellRef> EndpointCells::Allocate() {
  if (free_.empty()) {
    const size_t block = integral_blocks_.size();
    if (block == kCellBlocksMax) {
      return absl::ResourceExhaustedError("all 131072 endpoint cells are in use");
    }
    shared_.push_back(std::make_unique<WorkerCells::Shared>());
    for (auto& worker : workers_) worker->AddBlock(block, shared_.back().get());
    integral_blocks_.push_back(std::make_unique<std::atomic<uint64_t>[]>(kCellBlock));
    in_flight_micros_[block].store(integral_blocks_.back().get(), std::memory_order_release);
    generations_.resize(generations_.size() + kCellBlock);
    for (size_t i = kCellBlock; i > 0; --i) {
      free_.push_back(static_cast<uint32_t>(block * kCellBlock + i - 1));
    }
  }
  const uint32_t index = free_.back();
  free_.pop_back();
  const CellRef ref{index, ++generations_[index]};
  for (auto& worker : workers_) worker->ClearSlot(ref);
  in_flight_micros_[index / kCellBlock].load(std::memory_order_relaxed)[index % kCellBlock].store(
      0, std::memory_order_relaxed);
  in_use_.fetch_add(1, std::memory_order_relaxed);
  return ref;
}

void EndpointCells::Retire(CellRef ref) {
  PM_CHECK(ref.valid() && generations_[ref.index] == ref.generation);
  retired_.push_back(ref);
}

size_t EndpointCells::Recycle() {
  const auto idle = [this](CellRef ref) {
    if (SlotInFlight(ref.index) != 0) return false;
    free_.push_back(ref.index);
    return true;
  };
  const auto end = std::remove_if(retired_.begin(), retired_.end(), idle);
  const size_t freed = static_cast<size_t>(retired_.end() - end);
  retired_.erase(end, retired_.end());
  in_use_.fetch_sub(freed, std::memory_order_relaxed);
  return freed;
}

uint32_t EndpointCells::SlotInFlight(uint32_t index) const {
  uint32_t sum = 0;
  for (const auto& worker : workers_) {
    sum += worker->HotOf({index, 1}).own[index % kCellBlock].load(std::memory_order_acquire);
  }
  return sum;
}

bool EndpointCells::PublishSums(absl::Duration elapsed) {
  const uint64_t micros = std::max<int64_t>(0, absl::ToInt64Microseconds(elapsed));
  std::array<uint32_t, kCellBlock> sums;
  bool any = false;
  for (size_t block = 0; block < integral_blocks_.size(); ++block) {
    sums.fill(0);
    const CellRef first{static_cast<uint32_t>(block * kCellBlock), 1};
    for (const auto& worker : workers_) {
      const auto& own = worker->HotOf(first).own;
      for (size_t i = 0; i < kCellBlock; ++i) sums[i] += own[i].load(std::memory_order_relaxed);
    }
    for (size_t i = 0; i < kCellBlock; ++i) {
      if (sums[i] == 0) continue;
      any = true;
      Bump(integral_blocks_[block][i], sums[i] * micros);
    }
    if (workers_.size() == 1) continue;
    for (const auto& worker : workers_) {
      WorkerCells::Hot& hot = worker->HotOf(first);
      for (size_t i = 0; i < kCellBlock; ++i) {
        const uint32_t own = hot.own[i].load(std::memory_order_relaxed);
        const uint32_t others = sums[i] > own ? sums[i] - own : 0;
        // A line that did not change stays with the worker that reads it.
        if (hot.others[i].load(std::memory_order_relaxed) != others) {
          hot.others[i].store(others, std::memory_order_relaxed);
        }
      }
    }
  }
  return any;
}

CellTotals EndpointCells::Totals(CellRef ref) const {
  CellTotals totals;
  for (const auto& worker : workers_) {
    const WorkerCells::Counters& counters = worker->CountersOf(ref);
    totals.requests += counters.requests.load(std::memory_order_relaxed);
    totals.connect_failures += counters.connect_failures.load(std::memory_order_relaxed);
    totals.resets += counters.resets.load(std::memory_order_relaxed);
    totals.timeouts += counters.timeouts.load(std::memory_order_relaxed);
    totals.server_errors += counters.server_errors.load(std::memory_order_relaxed);
    totals.latency_sum_micros += counters.latency_sum_micros.load(std::memory_order_relaxed);
    totals.learned_limit += counters.learned_limit.load(std::memory_order_relaxed);
    totals.avoided_micros += counters.avoided_micros.load(std::memory_order_relaxed);
    for (size_t i = 0; i < kCellLatencyBuckets; ++i) {
      const uint64_t count = counters.latency_buckets[i].load(std::memory_order_relaxed);
      totals.latency_buckets[i] += count;
      totals.latency_count += count;
    }
  }
  totals.avoided_micros /= static_cast<int64_t>(workers_.size());
  const WorkerCells::Row& row = workers_[0]->BlockOf(ref)->shared->in_a_row[ref.index % kCellBlock];
  totals.unreachable_in_a_row = row.unreachable.load(std::memory_order_relaxed);
  totals.timeouts_in_a_row = row.timeouts.load(std::memory_order_relaxed);
  totals.in_flight = SlotInFlight(ref.index);
  const auto* integral = in_flight_micros_[ref.index / kCellBlock].load(std::memory_order_acquire);
  totals.in_flight_micros = integral[ref.index % kCellBlock].load(std::memory_order_relaxed);
  return totals;
}

AvoidedNow EndpointCells::Avoided(CellRef ref) const {
  AvoidedNow now;
  for (const auto& worker : workers_) {
    const AvoidedFor reason = worker->CountersOf(ref).avoided_for.load(std::memory_order_relaxed);
    if (reason != AvoidedFor::kNothing) ++now.workers;
    now.reason = std::max(now.reason, reason);
  }
  return now;
}

uint64_t EndpointCells::AvoidanceChanges() const {
  uint64_t sum = 0;
  for (const auto& worker : workers_) {
    sum += worker->avoidance_changes_.load(std::memory_order_acquire);
  }
  return sum;
}

uint64_t EndpointCells::HardFailures() const {
  uint64_t sum = 0;
  for (const auto& worker : workers_) sum += worker->hard_failures_.load(std::memory_order_relaxed);
  return sum;
}

}  // namespace pointsman::gateway
