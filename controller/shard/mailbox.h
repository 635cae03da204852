#pragma once

// A shard's mailbox: what RPC threads say, until the shard's thread takes it. Reports and
// observations conflate: one slot for each (agent, service) and each (gateway, service), the
// newest wins, so a flood costs memory once. Everything else keeps its order in a bounded lane.
//
// Thread-safe; Await() and Take() are for the one owner thread. Owns what waits in it.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/core/time.h"
#include "common/mutex.h"
#include "controller/core/inputs.h"

namespace pointsman::controller {

class ShardCore;

// Run on the shard's thread, in the lane's order; must not block.
using ShardCall = std::function<void(ShardCore&, common::MonotonicTime now)>;
using Letter = std::variant<Input, ShardCall>;

// A letter and since when something has waited in its place: a slot counts from its first letter.
struct Waiting {
  Letter letter;
  common::MonotonicTime since;
};

// How soon a letter wants to be opened.
enum class Urgency {
  kNone,     // Nothing waits.
  kPatient,  // With others, within Mailbox::kPatience: a report without news.
  kNow,
};

struct MailboxLimits {
  // Letters waiting in order. Reached: ResourceExhausted, counted; the sender ends its stream.
  size_t lane_max = 200'000;
  // Beyond that, for what nobody says again: a configuration, an epoch, a freeze, who has gone.
  // These are at most as many as the sessions that stand.
  size_t lane_reserve = 100'000;
  // Slots. Reached: a report of a new (agent, service) is dropped and counted; the next one comes.
  size_t slots_max = 400'000;
  // Endpoints that one slot of observations keeps. Reached: those named longest ago are left out
  // and counted; counters are cumulative, so the next message that names them makes up for it.
  size_t slot_endpoints_max = 4'096;
};

struct MailboxCounters {
  uint64_t posted = 0;
  uint64_t conflated = 0;
  uint64_t refused = 0;
  uint64_t shed = 0;  // Endpoints left out of full slots.
  size_t lane = 0;
  size_t slots = 0;
};

class Mailbox {
 public:
  // Waking the owner costs more than a report's step, so reports without news wait for each other.
  static constexpr absl::Duration kPatience = absl::Milliseconds(25);

  explicit Mailbox(const MailboxLimits& limits = {}) : limits_(limits) {}

  // ResourceExhausted: a limit is reached. O(1); observations: O(endpoints of message and slot).
  absl::Status Post(Letter letter, common::MonotonicTime now = {}, Urgency urgency = Urgency::kNow);

  // Waits until a letter of at least `urgency` has come, Wake() was called, or `timeout` has
  // passed; may return early. The result: the most urgent that waits.
  Urgency Await(Urgency urgency, absl::Duration timeout);
  // All that waits, ordered letters first, then slots by their age; may be nothing.
  std::vector<Waiting> Take();
  // Makes a waiting or the next Await() return.
  void Wake();

  MailboxCounters counters() const;

 private:
  // Reporter and service, views into the slot's own input.
  using SlotKey = std::pair<absl::string_view, absl::string_view>;

  void Conflate(AgentReportInput& held, AgentReportInput newer)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Conflate(ObservationsInput& held, ObservationsInput newer)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Raise(Urgency urgency) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // True: nobody would say it again.
  static bool SaidOnce(const Letter& letter);
  absl::Status PostToLane(Waiting waiting) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  template <typename T>
  absl::Status PostToSlot(T& input, common::MonotonicTime now,
                          absl::flat_hash_map<SlotKey, Letter*>& index)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const MailboxLimits limits_;
  mutable common::Mutex mutex_;
  common::CondVar changed_;
  Urgency urgency_ ABSL_GUARDED_BY(mutex_) = Urgency::kNone;
  std::deque<Waiting> lane_ ABSL_GUARDED_BY(mutex_);
  std::deque<Waiting> slots_ ABSL_GUARDED_BY(mutex_);  // Addresses are stable while it grows.
  absl::flat_hash_map<SlotKey, Letter*> reports_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<SlotKey, Letter*> observations_ ABSL_GUARDED_BY(mutex_);
  MailboxCounters counters_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pointsman::controller
