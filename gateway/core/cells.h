#pragma once

// Live counters of endpoints (and services) that outlive table changes. A slot of this gateway,
// named by a CellRef, belongs to one endpoint at one address for as long as any table or request
// refers to it; then it is given to another with a higher generation. Slots are never keyed by a
// slice's handle.
//
// Every worker has a cell of its own for each slot and is the only one to write it (relaxed
// atomics, blocks of its own cache lines), so counting costs no shared line; only tries without an
// answer are counted by all in one place, which an answer sets back. What other workers have in
// flight is summed by PublishSums every few milliseconds (while there is any) and written beside
// each worker's own cells: picks compare by it.
//
// Limits on requests in flight are exact, and leased: a worker begins a try out of what it holds of
// the limit. It takes more, a batch at a time, from the one count that all share, and gives back
// what it holds beyond two batches. A batch is a sixteenth of the limit shared among the W workers,
// so at most an eighth of a limit lies with workers that do not use it; limits below 16 W are taken
// and given back one by one, and nothing lies anywhere. When a limit changes, each worker gives
// back what it holds of the old one (SetLimit).
//
// Threads: WorkerCells belongs to its worker. EndpointCells::Allocate, Retire, Recycle and
// PublishSums: one thread at a time (the control side locks). Totals: any thread.
// std::atomic is used as in-memory cells only: there is no waiting here.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/core/time.h"
#include "gateway/core/failing_share.h"

namespace pointsman::gateway {

// Names a slot. Generation 0: none.
struct CellRef {
  uint32_t index = 0;
  uint32_t generation = 0;

  bool valid() const { return generation != 0; }
  // Of maps; another for each ref.
  uint64_t key() const { return uint64_t{generation} << 32 | index; }
  friend bool operator==(CellRef, CellRef) = default;
  friend auto operator<=>(CellRef, CellRef) = default;
};

// How one try at an endpoint ended.
enum class TryOutcome : uint8_t {
  kResponse,        // A response head with a status below 500.
  kServerError,     // A response head with a status of 500 to 599.
  kConnectFailure,  // No connection: refused, reset while connecting, unreachable.
  kReset,           // Connection lost before the response head.
  kTimeout,         // Ended by a timeout of the endpoint before the response head.
  kConnectTimeout,  // No connection in time.
  kDeadline,        // Ended before the response head by a limit of the request as a whole.
  kAbandoned,       // The client went away or another limit ended it: says nothing of the endpoint.
};

// Why a worker avoids an endpoint just now (local_avoidance.h).
enum class AvoidedFor : uint8_t {
  kNothing,   // It does not.
  kAsked,     // It asked to be left alone (Retry-After).
  kSlow,      // It is far slower than the others of its service.
  kFailing,   // It fails far oftener than they do.
  kNoAnswer,  // No connection, or tries without an answer in a row.
};

// "no_answer" and the like, as logs and dumps show it; empty for kNothing.
absl::string_view AvoidedForName(AvoidedFor reason);

// What the workers make of one endpoint at the moment.
struct AvoidedNow {
  uint32_t workers = 0;                      // That avoid it.
  AvoidedFor reason = AvoidedFor::kNothing;  // The last one in order of theirs.
};

inline constexpr size_t kCellBlock = 256;
inline constexpr size_t kCellBlocksMax = 512;
inline constexpr size_t kCellsMax = kCellBlock * kCellBlocksMax;
inline constexpr size_t kCellLatencyBuckets = 20;  // As common::LatencyHistogram.
inline constexpr uint32_t kNoCellLimit = UINT32_MAX;
// A batch of a lease: this part of the limit, shared among the workers.
inline constexpr uint32_t kLeaseParts = 16;

// Plain sums over all workers of one slot, cumulative since the slot was given out.
struct CellTotals {
  uint64_t requests = 0;
  uint64_t connect_failures = 0;
  uint64_t resets = 0;
  uint64_t timeouts = 0;
  uint64_t server_errors = 0;
  int64_t latency_sum_micros = 0;
  uint64_t latency_count = 0;
  int64_t avoided_micros = 0;  // Averaged over the workers: at most the wall time.
  uint32_t in_flight = 0;
  uint64_t in_flight_micros = 0;  // Integral of in_flight over time, as sampled by PublishSums.
  uint32_t learned_limit = 0;     // Of requests in flight; 0: nobody learns one.
  // Since the last answer to any worker.
  uint32_t unreachable_in_a_row = 0;  // Connect failures and resets.
  uint32_t timeouts_in_a_row = 0;
  std::array<uint64_t, kCellLatencyBuckets> latency_buckets = {};
};

// One worker's counts of a slot, cumulative since the slot was given out.
struct OwnCounts {
  uint64_t tries = 0;
  uint64_t unanswered = 0;  // Without a connection, reset or timed out.
  uint64_t server_errors = 0;
  int64_t latency_sum_micros = 0;
  std::array<uint64_t, kCellLatencyBuckets> latency_buckets = {};
};

// One worker's cells.
class WorkerCells {
 public:
  // `workers`: of the gateway, 1 at least.
  explicit WorkerCells(size_t workers) : workers_(workers) {}
  ~WorkerCells();
  WorkerCells(const WorkerCells&) = delete;
  WorkerCells& operator=(const WorkerCells&) = delete;

  // Requests in flight at the slot, of this worker exactly and of the others as of the last
  // PublishSums. REQUIRES (here and below): `ref` is of a table the worker runs, or of a try not
  // ended.
  uint32_t InFlight(CellRef ref) const {
    const Hot& hot = HotOf(ref);
    const size_t i = ref.index % kCellBlock;
    return hot.own[i].load(std::memory_order_relaxed) +
           hot.others[i].load(std::memory_order_relaxed);
  }

  // A try begins: in the same loop turn as the pick that chose it. False: `limit` tries are in
  // flight or may be begun by others; nothing begins. The limit may change: tries beyond a lower
  // one go on to their end.
  bool StartTry(CellRef ref, uint32_t limit = kNoCellLimit);
  // The limit is another from now on: what this worker holds of the old one, and has not in flight,
  // goes back. StartTry() does it too, but not for a worker that has nothing to start.
  void SetLimit(CellRef ref, uint32_t limit);
  // Whether StartTry() would say no now; others may begin meanwhile.
  bool AtLimit(CellRef ref, uint32_t limit) const;
  // The try's response is complete or it failed; exactly once for each StartTry.
  void EndTry(CellRef ref);
  // What became of the try, at most once for each StartTry: at the response head or at its failure.
  // `latency` is from the request's write to the first response byte; negative: not measured.
  void CountOutcome(CellRef ref, TryOutcome outcome, absl::Duration latency);
  // The same of a request as a whole, for a service's cell: it is no endpoint that fails to answer.
  void CountRequest(CellRef ref, TryOutcome outcome, absl::Duration latency);
  // What this worker has learned that may be in flight at a service, to be shown.
  void ShowLearnedLimit(CellRef ref, uint32_t limit) {
    CountersOf(ref).learned_limit.store(limit, std::memory_order_relaxed);
  }
  // What this worker alone counted at the slot, cumulative; tries that were abandoned are not among
  // them. Cheap: one load.
  uint64_t OwnTries(CellRef ref) const {
    return CountersOf(ref).requests.load(std::memory_order_relaxed);
  }
  OwnCounts Own(CellRef ref) const;
  // The endpoint is avoided by this worker for `duration` more.
  void AddAvoided(CellRef ref, absl::Duration duration);
  // Why it is avoided from now on, to be shown. A worker that forgets an endpoint of before may say
  // kNothing when the slot is another's: of that one it has said nothing else.
  void ShowAvoided(CellRef ref, AvoidedFor reason);

  // A try of this worker at the endpoint failed, or did not.
  void CountFailing(CellRef ref, bool failed, common::MonotonicTime now) {
    if (failed || now < failing_until_) RecordFailing(ref, failed, now);
  }
  // Of this worker's tries; see FailingShare. In [0, FailingShare::kAll].
  uint32_t Failing(CellRef ref, common::MonotonicTime now) const {
    // Mostly nothing failed anywhere, and no cell is looked at.
    if (now >= failing_until_) return 0;
    const auto& failing = HotOf(ref).failing[ref.index % kCellBlock];
    return FailingShare(failing.load(std::memory_order_relaxed)).At(now);
  }

 private:
  friend class EndpointCells;

  // What this worker holds of a slot's limit, its tries in flight included.
  struct Lease {
    std::atomic<uint32_t> held{0};
    std::atomic<uint32_t> limit{0};  // The last one asked for.
    std::atomic<uint32_t> batch{0};  // 0: one by one.
  };
  // What picks read: dense.
  struct Hot {
    alignas(64) std::array<std::atomic<uint32_t>, kCellBlock> own = {};
    alignas(64) std::array<std::atomic<uint32_t>, kCellBlock> others = {};
    alignas(64) std::array<Lease, kCellBlock> leases = {};
    alignas(64) std::array<std::atomic<uint64_t>, kCellBlock> failing = {};  // FailingShare.
  };
  struct Counters {
    std::atomic<uint64_t> requests{0};
    std::atomic<uint64_t> connect_failures{0};
    std::atomic<uint64_t> resets{0};
    std::atomic<uint64_t> timeouts{0};
    std::atomic<uint64_t> server_errors{0};
    std::atomic<int64_t> latency_sum_micros{0};
    std::atomic<int64_t> avoided_micros{0};
    std::atomic<uint32_t> learned_limit{0};
    std::atomic<AvoidedFor> avoided_for{AvoidedFor::kNothing};
    std::array<std::atomic<uint64_t>, kCellLatencyBuckets> latency_buckets = {};
  };
  // Tries in a row without an answer.
  struct Row {
    std::atomic<uint32_t> unreachable{0};
    std::atomic<uint32_t> timeouts{0};
  };
  // What the workers share of a block.
  struct Shared {
    alignas(64) std::array<Row, kCellBlock> in_a_row = {};
    // Of the slots' limits, by all workers.
    alignas(64) std::array<std::atomic<uint32_t>, kCellBlock> leased = {};
  };
  struct Block {
    Hot hot;
    alignas(64) std::array<Counters, kCellBlock> counters = {};
    Shared* shared = nullptr;  // Owned by EndpointCells.
  };

  Block* BlockOf(CellRef ref) const {
    return blocks_[ref.index / kCellBlock].load(std::memory_order_acquire);
  }
  Hot& HotOf(CellRef ref) const { return BlockOf(ref)->hot; }
  Counters& CountersOf(CellRef ref) const { return BlockOf(ref)->counters[ref.index % kCellBlock]; }
  void AddBlock(size_t block, Shared* shared);
  void ClearSlot(CellRef ref);
  // So that one more than `own` is held; false: the limit does not give it.
  bool TakeLease(CellRef ref, Lease* lease, uint32_t own);
  // What is held beyond `own` and `keep` goes back.
  void ReturnLease(CellRef ref, Lease* lease, uint32_t own, uint32_t keep);
  void CountInARow(CellRef ref, TryOutcome outcome);
  void RecordFailing(CellRef ref, bool failed, common::MonotonicTime now);

  const size_t workers_;
  std::array<std::atomic<Block*>, kCellBlocksMax> blocks_ = {};
  std::atomic<uint64_t> hard_failures_{0};
  std::atomic<uint64_t> avoidance_changes_{0};
  common::MonotonicTime failing_until_;  // Then nothing is left of any failing share.
};

// All slots of one gateway. Owns the workers' cells; must outlive the workers and tables.
class EndpointCells {
 public:
  // REQUIRES: workers >= 1.
  explicit EndpointCells(size_t workers);

  size_t workers() const { return workers_.size(); }
  WorkerCells& worker(size_t index) { return *workers_[index]; }

  // A free slot with zeroed counters. ResourceExhausted: kCellsMax slots are in use.
  absl::StatusOr<CellRef> Allocate();
  // No table that any worker runs or will run refers to the slot. It becomes free in a Recycle()
  // once nothing is in flight there.
  void Retire(CellRef ref);
  // Frees retired slots that have nothing in flight; returns how many. O(retired slots).
  size_t Recycle();

  // Sums what is in flight and tells each worker what the others have. `elapsed`: since the last
  // call. Whether anything is in flight. O(slots * workers), about 1 ns each.
  bool PublishSums(absl::Duration elapsed);

  // Sums of a slot. The slot may be in use or retired. O(workers).
  CellTotals Totals(CellRef ref) const;
  // Grows with each try of any worker that got no answer: a change asks for observations soon.
  uint64_t HardFailures() const;
  // What the workers do with the endpoint now. The slot may be in use or retired. O(workers).
  AvoidedNow Avoided(CellRef ref) const;
  // Grows whenever a worker changes what Avoided() says of a slot. Acquires: Avoided() is as new as
  // this. O(workers).
  uint64_t AvoidanceChanges() const;
  // Slots given out and not yet free again.
  size_t in_use() const { return in_use_.load(std::memory_order_relaxed); }

 private:
  uint32_t SlotInFlight(uint32_t index) const;

  std::vector<std::unique_ptr<WorkerCells>> workers_;
  std::vector<uint32_t> generations_;  // By slot.
  std::vector<uint32_t> free_;
  std::vector<CellRef> retired_;
  // Written by PublishSums, read by Totals.
  std::array<std::atomic<std::atomic<uint64_t>*>, kCellBlocksMax> in_flight_micros_ = {};
  std::vector<std::unique_ptr<std::atomic<uint64_t>[]>> integral_blocks_;
  std::vector<std::unique_ptr<WorkerCells::Shared>> shared_;  // By block.
  std::atomic<size_t> in_use_{0};
};

}  // namespace pointsman::gateway
