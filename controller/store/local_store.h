#pragma once

// What one controller keeps for itself: events, the history of decisions, and the blob it starts
// warm from. Losing it loses history, never correctness; nothing waits for it. Load reports are
// never stored.
//
// Asynchronous like SharedStore, with the same errors and the same rules for callbacks.
// Thread-safe.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pointsman/v1/state.pb.h"

namespace pointsman::controller {

// The newest are kept.
inline constexpr uint64_t kEventsKept = 100'000;
inline constexpr uint64_t kDecisionsKept = 20'000;
// A larger snapshot is ResourceExhausted.
inline constexpr size_t kSnapshotBytesMax = 256 << 20;

struct EventQuery {
  // Empty: every type, every subject.
  std::string type_prefix = {};
  std::string subject_prefix = {};
  // Only sequences below this; 0: from the newest.
  uint64_t before = 0;
  uint32_t limit = 100;
};

// One decision about an endpoint, as Explain would have shown it then.
struct DecisionRecord {
  // "services/S/endpoints/E".
  std::string endpoint;
  int64_t time_unix_micros = 0;
  v1::Explanation explanation;
};

class LocalStore {
 public:
  using Done = std::function<void(absl::Status)>;
  template <typename T>
  using Callback = std::function<void(absl::StatusOr<T>)>;

  virtual ~LocalStore() = default;

  // All or nothing; a sequence that is there already is replaced. Drops what is too old.
  virtual void AppendEvents(std::vector<v1::Event> events, Done done) = 0;
  // Newest first. O(kEventsKept) with prefixes.
  virtual void ListEvents(EventQuery query, Callback<std::vector<v1::Event>> done) = 0;
  // Highest sequence there ever was; 0: none.
  virtual void LastEventSequence(Callback<uint64_t> done) = 0;

  virtual void AppendDecisions(std::vector<DecisionRecord> decisions, Done done) = 0;
  // Of one endpoint, newest first.
  virtual void ListDecisions(std::string endpoint, uint32_t limit,
                             Callback<std::vector<DecisionRecord>> done) = 0;

  // Replaces the snapshot of this name.
  virtual void PutSnapshot(std::string name, std::string blob, Done done) = 0;
  // NotFound: there is none.
  virtual void GetSnapshot(std::string name, Callback<std::string> done) = 0;
};

}  // namespace pointsman::controller
