#pragma once

// The small, shared and durable part of a controller's state: configuration, overrides, switches,
// and who owns what under which epoch. Keys and values with one revision counter, in the shape
// etcd has, so that a cluster's store can stand behind the same interface.
//
// Asynchronous: every call returns at once; its callback runs once, on a thread of the store (or
// on the calling thread when the call is refused at once: do not hold a lock that the callback
// takes). Callbacks must not block. Lists are the truth, watches are hints.
//
// Errors of every call: Unavailable (the store does not answer or does not take writes; nothing
// was changed), ResourceExhausted (its queue or a limit below is full), DataLoss (what is stored
// cannot be read), Cancelled (the store is closing). Thread-safe.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace pointsman::controller {

// Limits of one Txn; more is InvalidArgument.
inline constexpr size_t kTxnOperationsMax = 128;
inline constexpr size_t kTxnBytesMax = 1 << 20;
// Keys of one Get; more is InvalidArgument.
inline constexpr size_t kGetKeysMax = 128;

struct StoreItem {
  std::string key;
  std::string value;
  // Revision of the Txn that last put it.
  uint64_t mod_revision = 0;
};

struct ListResult {
  // By key.
  std::vector<StoreItem> items;
  // The store's revision the items belong to: watch from here.
  uint64_t revision = 0;
};

struct ListOptions {
  // Keys that begin with it; empty: all.
  std::string prefix = {};
  // Values are left empty.
  bool keys_only = false;
  // From the highest key down.
  bool descending = false;
  // Only keys strictly after this one in the list's direction; empty: from the start.
  std::string after = {};
  // 0: no limit.
  uint32_t limit = 0;
};

// Holds when the key's mod_revision is this; 0: the key is absent.
struct StoreCompare {
  std::string key;
  uint64_t mod_revision = 0;
};

struct StorePut {
  std::string key;
  std::string value;
};

// All or nothing. With a compare that does not hold: nothing.
struct TxnRequest {
  std::vector<StoreCompare> compares;
  std::vector<StorePut> puts;
  // Absent keys are no error.
  std::vector<std::string> deletes;
};

struct TxnResult {
  // False: a compare did not hold.
  bool succeeded = false;
  // Of the store, after it.
  uint64_t revision = 0;
};

struct StoreEvent {
  enum class Kind { kPut, kDelete };
  Kind kind = Kind::kPut;
  StoreItem item;  // A delete: without a value.
};

struct WatchBatch {
  // True: events between `from` and the oldest kept are lost; List again, then watch from there.
  // Nothing follows.
  bool compacted = false;
  // In order; whole transactions.
  std::vector<StoreEvent> events;
  // Of the last one.
  uint64_t revision = 0;
};

// Ends the watch when destroyed; after that its callback is not running and will not run.
// REQUIRES: not destroyed by that callback.
class WatchHandle {
 public:
  virtual ~WatchHandle() = default;
};

// An owner's hold on a scope.
struct Claim {
  std::string scope;
  std::string owner;
  uint64_t epoch = 0;
};

struct ClaimRequest {
  // What is owned: "controller".
  std::string scope;
  // Who claims; at most 255 bytes.
  std::string owner;
  // The new epoch is above this and above every epoch the scope had.
  uint64_t above = 0;
};

class SharedStore {
 public:
  template <typename T>
  using Callback = std::function<void(absl::StatusOr<T>)>;

  virtual ~SharedStore() = default;

  // Random, made with the store; a lost store comes back with another one.
  virtual std::string store_id() const = 0;

  // O(items). A List is one moment's state.
  virtual void List(ListOptions options, Callback<ListResult> done) = 0;
  // The items that are there, by key; of one moment. O(keys * log items).
  virtual void Get(std::vector<std::string> keys, Callback<ListResult> done) = 0;
  // On disk, or accepted by the cluster, when it succeeded.
  virtual void Txn(TxnRequest request, Callback<TxnResult> done) = 0;
  // Events of keys with the prefix, after revision `from` (exclusive), until the handle goes.
  virtual std::unique_ptr<WatchHandle> Watch(std::string prefix, uint64_t from,
                                             std::function<void(const WatchBatch&)> done) = 0;
  // Takes the scope over, from whomever; the epoch is on disk before the callback runs.
  virtual void ClaimScope(ClaimRequest request, Callback<Claim> done) = 0;
  // FailedPrecondition: somebody else has claimed it since.
  virtual void Renew(Claim claim, Callback<Claim> done) = 0;
};

}  // namespace pointsman::controller
