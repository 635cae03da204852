#include "controller/store/sqlite_shared.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/core/status_macros.h"

namespace pointsman::controller {
namespace {

// Epochs above this are refused: nothing raises them that far but a broken or hostile peer.
constexpr uint64_t kEpochMax = uint64_t{1} << 53;
constexpr size_t kOwnerBytesMax = 255;

// The first key after all keys with the prefix; empty: there is none.
std::string PrefixEnd(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff) prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

absl::StatusOr<uint64_t> StoreRevision(Database& database) {
  PM_ASSIGN_OR_RETURN(const int64_t revision,
                      database.QueryInteger("SELECT value FROM meta WHERE key = 'revision'"));
  return static_cast<uint64_t>(revision);
}

absl::Status SetStoreRevision(Database& database, uint64_t revision) {
  PM_ASSIGN_OR_RETURN(Statement update,
                      database.Prepare("UPDATE meta SET value = ? WHERE key = 'revision'"));
  return update.BindInteger(1, static_cast<int64_t>(revision)).Run();
}

absl::StatusOr<std::optional<StoreItem>> GetItem(Database& database, absl::string_view key) {
  PM_ASSIGN_OR_RETURN(Statement select,
                      database.Prepare("SELECT value, mod_revision FROM kv WHERE key = ?"));
  PM_ASSIGN_OR_RETURN(const bool row, select.BindBlob(1, key).Step());
  if (!row) return std::optional<StoreItem>();
  return std::optional<StoreItem>(StoreItem{std::string(key), std::string(select.Bytes(0)),
                                            static_cast<uint64_t>(select.Integer(1))});
}

absl::Status PutItem(Database& database, const StoreItem& item) {
  PM_ASSIGN_OR_RETURN(Statement insert,
                      database.Prepare("INSERT OR REPLACE INTO kv VALUES (?, ?, ?)"));
  return insert.BindBlob(1, item.key)
      .BindBlob(2, item.value)
      .BindInteger(3, static_cast<int64_t>(item.mod_revision))
      .Run();
}

// One statement text for each direction; ?4 turns the values off.
constexpr char kListAscending[] =
    "SELECT key, CASE WHEN ?4 THEN x'' ELSE value END, mod_revision FROM kv"
    " WHERE key >= ?1 AND (length(?2) = 0 OR key < ?2) AND (length(?3) = 0 OR key > ?3)"
    " ORDER BY key LIMIT ?5";
constexpr char kListDescending[] =
    "SELECT key, CASE WHEN ?4 THEN x'' ELSE value END, mod_revision FROM kv"
    " WHERE key >= ?1 AND (length(?2) = 0 OR key < ?2) AND (length(?3) = 0 OR key < ?3)"
    " ORDER BY key DESC LIMIT ?5";

absl::Status ListItems(Database& database, const ListOptions& options, ListResult& result) {
  PM_ASSIGN_OR_RETURN(result.revision, StoreRevision(database));
  PM_ASSIGN_OR_RETURN(Statement select,
                      database.Prepare(options.descending ? kListDescending : kListAscending));
  select.BindBlob(1, options.prefix)
      .BindBlob(2, PrefixEnd(options.prefix))
      .BindBlob(3, options.after)
      .BindInteger(4, options.keys_only ? 1 : 0)
      .BindInteger(5, options.limit == 0 ? -1 : static_cast<int64_t>(options.limit));
  while (true) {
    PM_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return absl::OkStatus();
    result.items.push_back({std::string(select.Bytes(0)), std::string(select.Bytes(1)),
                            static_cast<uint64_t>(select.Integer(2))});
  }
}

absl::Status CheckTxnLimits(const TxnRequest& request) {
  const size_t operations = request.compares.size() + request.puts.size() + request.deletes.size();
  if (operations > kTxnOperationsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("a transaction of ", operations, " operations; at most ", kTxnOperationsMax));
  }
  size_t bytes = 0;
  for (const StoreCompare& compare : request.compares) bytes += compare.key.size();
  for (const StorePut& put : request.puts) bytes += put.key.size() + put.value.size();
  for (const std::string& key : request.deletes) bytes += key.size();
  if (bytes > kTxnBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("a transaction of ", bytes, " bytes; at most ", kTxnBytesMax));
  }
  return absl::OkStatus();
}

// What a transaction's body leaves for its end.
struct TxnState {
  TxnResult result;
  std::vector<StoreEvent> events;
};

absl::Status RunTxn(Database& database, const TxnRequest& request, TxnState& state) {
  PM_ASSIGN_OR_RETURN(state.result.revision, StoreRevision(database));
  for (const StoreCompare& compare : request.compares) {
    PM_ASSIGN_OR_RETURN(const std::optional<StoreItem> item, GetItem(database, compare.key));
    if ((item ? item->mod_revision : 0) != compare.mod_revision) return absl::OkStatus();
  }
  state.result.succeeded = true;
  if (request.puts.empty() && request.deletes.empty()) return absl::OkStatus();
  const uint64_t revision = ++state.result.revision;
  for (const StorePut& put : request.puts) {
    StoreItem item{put.key, put.value, revision};
    PM_RETURN_IF_ERROR(PutItem(database, item));
    state.events.push_back({StoreEvent::Kind::kPut, std::move(item)});
  }
  for (const std::string& key : request.deletes) {
    PM_ASSIGN_OR_RETURN(Statement erase, database.Prepare("DELETE FROM kv WHERE key = ?"));
    PM_RETURN_IF_ERROR(erase.BindBlob(1, key).Run());
    if (database.changes() > 0) {
      state.events.push_back({StoreEvent::Kind::kDelete, {key, "", revision}});
    }
  }
  return SetStoreRevision(database, revision);
}

std::string EpochKey(absl::string_view scope) { return absl::StrCat("epoch/", scope); }

// "EPOCH OWNER".
std::optional<Claim> ParseClaim(absl::string_view scope, absl::string_view value) {
  const size_t space = value.find(' ');
  Claim claim;
  claim.scope = std::string(scope);
  if (space == absl::string_view::npos || !absl::SimpleAtoi(value.substr(0, space), &claim.epoch)) {
    return std::nullopt;
  }
  claim.owner = std::string(value.substr(space + 1));
  return claim;
}

absl::StatusOr<Claim> CurrentClaim(Database& database, const std::string& scope) {
  PM_ASSIGN_OR_RETURN(const std::optional<StoreItem> item, GetItem(database, EpochKey(scope)));
  if (!item) return Claim{scope, "", 0};
  const std::optional<Claim> claim = ParseClaim(scope, item->value);
  if (!claim) return absl::DataLossError(absl::StrCat("epoch of ", scope, " cannot be read"));
  return *claim;
}

}  // namespace

void SqliteShared::List(ListOptions options, Callback<ListResult> done) {
  auto result = std::make_shared<ListResult>();
  engine_->Read([options = std::move(options),
                 result](Database& database) { return ListItems(database, options, *result); },
                [result, done = std::move(done)](absl::Status status) {
                  if (!status.ok()) return done(std::move(status));
                  done(std::move(*result));
                });
}

void SqliteShared::Get(std::vector<std::string> keys, Callback<ListResult> done) {
  if (keys.size() > kGetKeysMax) {
    return done(absl::InvalidArgumentError(
        absl::StrCat("a get of ", keys.size(), " keys; at most ", kGetKeysMax)));
  }
  std::sort(keys.begin(), keys.end());
  auto result = std::make_shared<ListResult>();
  engine_->Read(
      [keys = std::move(keys), result](Database& database) -> absl::Status {
        PM_ASSIGN_OR_RETURN(result->revision, StoreRevision(database));
        for (const std::string& key : keys) {
          PM_ASSIGN_OR_RETURN(std::optional<StoreItem> item, GetItem(database, key));
          if (item) result->items.push_back(*std::move(item));
        }
        return absl::OkStatus();
      },
      [result, done = std::move(done)](absl::Status status) {
        if (!status.ok()) return done(std::move(status));
        done(std::move(*result));
      });
}

void SqliteShared::Txn(TxnRequest request, Callback<TxnResult> done) {
  if (absl::Status limits = CheckTxnLimits(request); !limits.ok()) return done(std::move(limits));
  auto state = std::make_shared<TxnState>();
  engine_->Write(
      SqliteEngine::Durability::kFlushed,
      [request = std::move(request), state](Database& database) {
        return RunTxn(database, request, *state);
      },
      [this, state, done = std::move(done)](absl::Status status) {
        if (!status.ok()) return done(std::move(status));
        done(state->result);
        if (!state->events.empty()) Publish(std::move(state->events), state->result.revision);
      });
}

void SqliteShared::ClaimScope(ClaimRequest request, Callback<Claim> done) {
  if (request.scope.empty() || request.owner.size() > kOwnerBytesMax ||
      request.above >= kEpochMax) {
    return done(absl::InvalidArgumentError(absl::StrCat(
        "claim of \"", request.scope, "\" above epoch ", request.above, ": scope is required, ",
        "owner at most ", kOwnerBytesMax, " bytes, epochs end at ", kEpochMax)));
  }
  auto state = std::make_shared<TxnState>();
  auto claim = std::make_shared<Claim>();
  engine_->Write(
      SqliteEngine::Durability::kFlushed,
      [request = std::move(request), state, claim](Database& database) -> absl::Status {
        PM_ASSIGN_OR_RETURN(*claim, CurrentClaim(database, request.scope));
        claim->epoch = std::max(claim->epoch, request.above) + 1;
        claim->owner = request.owner;
        TxnRequest txn;
        txn.puts = {{EpochKey(claim->scope), absl::StrCat(claim->epoch, " ", claim->owner)}};
        return RunTxn(database, txn, *state);
      },
      [this, state, claim, done = std::move(done)](absl::Status status) {
        if (!status.ok()) return done(std::move(status));
        done(*claim);
        Publish(std::move(state->events), state->result.revision);
      });
}

void SqliteShared::Renew(Claim claim, Callback<Claim> done) {
  auto current = std::make_shared<Claim>();
  engine_->Read(
      [scope = claim.scope, current](Database& database) -> absl::Status {
        PM_ASSIGN_OR_RETURN(*current, CurrentClaim(database, scope));
        return absl::OkStatus();
      },
      [claim, current, done = std::move(done)](absl::Status status) {
        if (!status.ok()) return done(std::move(status));
        if (current->epoch != claim.epoch || current->owner != claim.owner) {
          return done(absl::FailedPreconditionError(
              absl::StrCat(claim.scope, " is owned by \"", current->owner, "\" under epoch ",
                           current->epoch, ", not by \"", claim.owner, "\" under ", claim.epoch)));
        }
        done(claim);
      });
}

class SqliteShared::Watcher {
 public:
  Watcher(std::string prefix, uint64_t from, std::function<void(const WatchBatch&)> done)
      : prefix_(std::move(prefix)), position_(from), done_(std::move(done)) {}

  const std::string& prefix() const { return prefix_; }
  // The writing thread's own.
  uint64_t position() const { return position_; }

  void Deliver(const WatchBatch& batch, uint64_t position) {
    position_ = position;
    if (batch.events.empty() && !batch.compacted) return;
    common::MutexLock lock(mutex_);
    if (!ended_) done_(batch);
    if (batch.compacted) ended_ = true;
  }
  void End() {
    common::MutexLock lock(mutex_);
    ended_ = true;
  }

 private:
  const std::string prefix_;
  uint64_t position_;
  common::Mutex mutex_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  const std::function<void(const WatchBatch&)> done_;
};

class SqliteShared::Handle final : public WatchHandle {
 public:
  Handle(SqliteShared* store, std::shared_ptr<Watcher> watcher)
      : store_(store), watcher_(std::move(watcher)) {}
  ~Handle() override {
    watcher_->End();
    common::MutexLock lock(store_->mutex_);
    std::erase(store_->watchers_, watcher_);
  }

 private:
  SqliteShared* const store_;
  const std::shared_ptr<Watcher> watcher_;
};

std::unique_ptr<WatchHandle> SqliteShared::Watch(std::string prefix, uint64_t from,
                                                 std::function<void(const WatchBatch&)> done) {
  auto watcher = std::make_shared<Watcher>(std::move(prefix), from, std::move(done));
  {
    common::MutexLock lock(mutex_);
    // One too many is not told anything: its lists are the truth.
    if (watchers_.size() < kWatchersMax) watchers_.push_back(watcher);
  }
  engine_->Post([this] { Pump(); });
  return std::make_unique<Handle>(this, std::move(watcher));
}

void SqliteShared::Publish(std::vector<StoreEvent> events, uint64_t revision) {
  {
    common::MutexLock lock(mutex_);
    newest_ = revision;
    for (StoreEvent& event : events) ring_.push_back(std::move(event));
    while (ring_.size() > kWatchEventsKept) {
      // Whole transactions go: a part of one would be a lie.
      floor_ = ring_.front().item.mod_revision;
      while (!ring_.empty() && ring_.front().item.mod_revision == floor_) ring_.pop_front();
    }
  }
  Pump();
}

WatchBatch SqliteShared::BatchFor(const Watcher& watcher) {
  common::MutexLock lock(mutex_);
  WatchBatch batch;
  batch.revision = newest_;
  batch.compacted = watcher.position() < floor_;
  if (batch.compacted || watcher.position() >= newest_) return batch;
  auto event = std::upper_bound(
      ring_.begin(), ring_.end(), watcher.position(),
      [](uint64_t position, const StoreEvent& e) { return position < e.item.mod_revision; });
  for (; event != ring_.end(); ++event) {
    if (absl::StartsWith(event->item.key, watcher.prefix())) batch.events.push_back(*event);
  }
  return batch;
}

void SqliteShared::Pump() {
  std::vector<std::shared_ptr<Watcher>> watchers;
  {
    common::MutexLock lock(mutex_);
    watchers = watchers_;
  }
  for (const std::shared_ptr<Watcher>& watcher : watchers) {
    const WatchBatch batch = BatchFor(*watcher);
    watcher->Deliver(batch, std::max(watcher->position(), batch.revision));
  }
}

}  // namespace pointsman::controller
