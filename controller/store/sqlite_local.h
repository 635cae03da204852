#pragma once

// LocalStore on the SQLite engine, never flushed one by one. Thread-safe (no state of its own).

#include <string>
#include <vector>

#include "controller/store/local_store.h"
#include "controller/store/sqlite_engine.h"

namespace pointsman::controller {

class SqliteLocal final : public LocalStore {
 public:
  // Before the first call; used, not owned.
  void Attach(SqliteEngine* engine) { engine_ = engine; }

  void AppendEvents(std::vector<v1::Event> events, Done done) override;
  void ListEvents(EventQuery query, Callback<std::vector<v1::Event>> done) override;
  void LastEventSequence(Callback<uint64_t> done) override;
  void AppendDecisions(std::vector<DecisionRecord> decisions, Done done) override;
  void ListDecisions(std::string endpoint, uint32_t limit,
                     Callback<std::vector<DecisionRecord>> done) override;
  void PutSnapshot(std::string name, std::string blob, Done done) override;
  void GetSnapshot(std::string name, Callback<std::string> done) override;

 private:
  SqliteEngine* engine_ = nullptr;
};

}  // namespace pointsman::controller
