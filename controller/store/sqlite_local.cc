#include "controller/store/sqlite_local.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/core/status_macros.h"

namespace pointsman::controller {
namespace {

using Durability = SqliteEngine::Durability;

absl::Status InsertEvents(Database& database, const std::vector<v1::Event>& events) {
  uint64_t last = 0;
  for (const v1::Event& event : events) {
    PM_ASSIGN_OR_RETURN(Statement insert,
                        database.Prepare("INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?)"));
    PM_RETURN_IF_ERROR(insert.BindInteger(1, static_cast<int64_t>(event.sequence()))
                           .BindText(2, event.type())
                           .BindText(3, event.subject())
                           .BindBlob(4, event.SerializeAsString())
                           .Run());
    last = std::max(last, event.sequence());
  }
  PM_ASSIGN_OR_RETURN(
      Statement newest,
      database.Prepare("UPDATE meta SET value = max(value, ?) WHERE key = 'last_event'"));
  PM_RETURN_IF_ERROR(newest.BindInteger(1, static_cast<int64_t>(last)).Run());
  PM_ASSIGN_OR_RETURN(Statement prune, database.Prepare("DELETE FROM events WHERE sequence <="
                                                        " (SELECT max(sequence) FROM events) - ?"));
  return prune.BindInteger(1, kEventsKept).Run();
}

absl::Status SelectEvents(Database& database, const EventQuery& query,
                          std::vector<v1::Event>& events) {
  PM_ASSIGN_OR_RETURN(Statement select,
                      database.Prepare("SELECT data FROM events WHERE sequence < ?1"
                                       " AND substr(type, 1, length(?2)) = ?2"
                                       " AND substr(subject, 1, length(?3)) = ?3"
                                       " ORDER BY sequence DESC LIMIT ?4"));
  select.BindInteger(1, query.before == 0 ? INT64_MAX : static_cast<int64_t>(query.before))
      .BindText(2, query.type_prefix)
      .BindText(3, query.subject_prefix)
      .BindInteger(4, query.limit);
  while (true) {
    PM_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return absl::OkStatus();
    v1::Event event;
    const absl::string_view bytes = select.Bytes(0);
    if (!event.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      return absl::DataLossError("an event cannot be read");
    }
    events.push_back(std::move(event));
  }
}

absl::Status InsertDecisions(Database& database, const std::vector<DecisionRecord>& decisions) {
  for (const DecisionRecord& decision : decisions) {
    PM_ASSIGN_OR_RETURN(
        Statement insert,
        database.Prepare("INSERT INTO decisions (endpoint, time_us, data) VALUES (?, ?, ?)"));
    PM_RETURN_IF_ERROR(insert.BindText(1, decision.endpoint)
                           .BindInteger(2, decision.time_unix_micros)
                           .BindBlob(3, decision.explanation.SerializeAsString())
                           .Run());
  }
  PM_ASSIGN_OR_RETURN(Statement prune, database.Prepare("DELETE FROM decisions WHERE id <="
                                                        " (SELECT max(id) FROM decisions) - ?"));
  return prune.BindInteger(1, kDecisionsKept).Run();
}

absl::Status SelectDecisions(Database& database, const std::string& endpoint, uint32_t limit,
                             std::vector<DecisionRecord>& decisions) {
  PM_ASSIGN_OR_RETURN(Statement select,
                      database.Prepare("SELECT time_us, data FROM decisions WHERE endpoint = ?"
                                       " ORDER BY id DESC LIMIT ?"));
  select.BindText(1, endpoint).BindInteger(2, limit);
  while (true) {
    PM_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return absl::OkStatus();
    DecisionRecord decision{endpoint, select.Integer(0), {}};
    const absl::string_view bytes = select.Bytes(1);
    if (!decision.explanation.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      return absl::DataLossError("a decision cannot be read");
    }
    decisions.push_back(std::move(decision));
  }
}

}  // namespace

void SqliteLocal::AppendEvents(std::vector<v1::Event> events, Done done) {
  if (events.empty()) return done(absl::OkStatus());
  engine_->Write(
      Durability::kLazy,
      [events = std::move(events)](Database& database) { return InsertEvents(database, events); },
      std::move(done));
}

void SqliteLocal::ListEvents(EventQuery query, Callback<std::vector<v1::Event>> done) {
  auto events = std::make_shared<std::vector<v1::Event>>();
  engine_->Read([query = std::move(query),
                 events](Database& database) { return SelectEvents(database, query, *events); },
                [events, done = std::move(done)](absl::Status status) {
                  if (!status.ok()) return done(std::move(status));
                  done(std::move(*events));
                });
}

void SqliteLocal::LastEventSequence(Callback<uint64_t> done) {
  auto last = std::make_shared<uint64_t>();
  engine_->Read(
      [last](Database& database) -> absl::Status {
        PM_ASSIGN_OR_RETURN(
            const int64_t value,
            database.QueryInteger("SELECT value FROM meta WHERE key = 'last_event'"));
        *last = static_cast<uint64_t>(value);
        return absl::OkStatus();
      },
      [last, done = std::move(done)](absl::Status status) {
        if (!status.ok()) return done(std::move(status));
        done(*last);
      });
}

void SqliteLocal::AppendDecisions(std::vector<DecisionRecord> decisions, Done done) {
  if (decisions.empty()) return done(absl::OkStatus());
  engine_->Write(
      Durability::kLazy,
      [decisions = std::move(decisions)](Database& database) {
        return InsertDecisions(database, decisions);
      },
      std::move(done));
}

void SqliteLocal::ListDecisions(std::string endpoint, uint32_t limit,
                                Callback<std::vector<DecisionRecord>> done) {
  auto decisions = std::make_shared<std::vector<DecisionRecord>>();
  engine_->Read(
      [endpoint = std::move(endpoint), limit, decisions](Database& database) {
        return SelectDecisions(database, endpoint, limit, *decisions);
      },
      [decisions, done = std::move(done)](absl::Status status) {
        if (!status.ok()) return done(std::move(status));
        done(std::move(*decisions));
      });
}

void SqliteLocal::PutSnapshot(std::string name, std::string blob, Done done) {
  if (blob.size() > kSnapshotBytesMax) {
    return done(absl::ResourceExhaustedError(absl::StrCat("snapshot ", name, " of ", blob.size(),
                                                          " bytes; at most ", kSnapshotBytesMax)));
  }
  engine_->Write(
      Durability::kLazy,
      [name = std::move(name), blob = std::move(blob)](Database& database) -> absl::Status {
        PM_ASSIGN_OR_RETURN(Statement insert,
                            database.Prepare("INSERT OR REPLACE INTO snapshots VALUES (?, ?)"));
        return insert.BindText(1, name).BindBlob(2, blob).Run();
      },
      std::move(done));
}

void SqliteLocal::GetSnapshot(std::string name, Callback<std::string> done) {
  auto blob = std::make_shared<std::string>();
  auto found = std::make_shared<bool>(false);
  engine_->Read(
      [name, blob, found](Database& database) -> absl::Status {
        PM_ASSIGN_OR_RETURN(Statement select,
                            database.Prepare("SELECT data FROM snapshots WHERE name = ?"));
        PM_ASSIGN_OR_RETURN(*found, select.BindText(1, name).Step());
        if (*found) *blob = std::string(select.Bytes(0));
        return absl::OkStatus();
      },
      [name, blob, found, done = std::move(done)](absl::Status status) {
        if (status.ok() && !*found) {
          status = absl::NotFoundError(absl::StrCat("no snapshot \"", name, "\""));
        }
        if (!status.ok()) return done(std::move(status));
        done(std::move(*blob));
      });
}

}  // namespace pointsman::controller
