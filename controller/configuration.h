#pragma once

// The current configuration and its history: the one place that changes it. Every change is
// planned (config_plan.h), written to the shared store as immutable objects, made current by
// moving the head, and only then published to the listeners. When the store fails nothing
// changes. The freeze switch is kept the same way.
//
// Thread-safe. Owns one thread, on which changes happen one after the other, callbacks and
// listeners run; they must not block and must not wait for another change.

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/mutex.h"
#include "controller/config_plan.h"
#include "controller/event_log.h"
#include "controller/store/shared_store.h"
#include "pointsman/v1/admin.pb.h"
#include "pointsman/v1/config.pb.h"

namespace pointsman::controller {

// Revisions kept for history and rollback; older ones are deleted.
inline constexpr uint64_t kRevisionsKept = 1'000;
// Changes and history reads waiting at most; more is ResourceExhausted (BUSY).
inline constexpr size_t kConfigJobsMax = 64;

// One moment's configuration. Never null.
struct ConfigSnapshot {
  std::shared_ptr<const v1::Config> config;
  // 0: none was ever applied.
  uint64_t revision = 0;
  // Who applied it.
  std::string actor;
};

struct FreezeState {
  bool frozen = false;
  std::string actor;
  std::string comment;
  // When it was last switched; to show.
  absl::Time time;
};

class ConfigArchive;

class Configuration {
 public:
  template <typename T>
  using Callback = std::function<void(absl::StatusOr<T>)>;
  using Listener = std::function<void(const ConfigSnapshot&)>;
  using FreezeListener = std::function<void(const FreezeState&)>;

  // All must outlive this.
  struct Options {
    SharedStore* store = nullptr;
    EventLog* events = nullptr;
    const common::Clock* clock = nullptr;
  };

  explicit Configuration(const Options& options);
  ~Configuration();
  Configuration(const Configuration&) = delete;
  Configuration& operator=(const Configuration&) = delete;

  // Before Start(). Called with the loaded state once, then after each change.
  void AddListener(Listener listener);
  void AddFreezeListener(FreezeListener listener);
  // Loads the newest revision and the freeze, tells the listeners, begins to take changes. Blocks.
  // DataLoss: what is stored cannot be read; Unavailable: the store does not answer.
  absl::Status Start();

  ConfigSnapshot Current() const;
  FreezeState freeze() const;

  // Makes the configuration equal to the request's. Errors, reasons in quotes:
  // InvalidArgument "CONFIG_INVALID" (every problem, a line each); FailedPrecondition
  // "REVISION_MISMATCH"; Aborted "ETAG_MISMATCH"; Unavailable "STORE_UNAVAILABLE";
  // ResourceExhausted "BUSY"; Unavailable "CONTROLLER_STOPPING".
  void Apply(v1::ApplyRequest request, std::string actor, Callback<v1::ApplyResponse> done);
  // Apply and wait: for the file at start.
  absl::StatusOr<v1::ApplyResponse> ApplyNow(v1::ApplyRequest request, std::string actor);

  // Which text the file of --config had when it was applied last; empty: none was. Both wait.
  absl::StatusOr<std::string> FileDigest();
  absl::Status SetFileDigest(std::string digest);

  // A change of single resources: `change` edits a copy of the current configuration, or refuses.
  struct EditRequest {
    std::function<absl::Status(v1::Config*)> change;
    std::string actor;
    std::string comment;
    bool validate_only = false;
  };
  // The configuration afterwards (validate-only: as it would be). Errors: the change's own, and
  // as Apply.
  void Edit(EditRequest request, Callback<ConfigSnapshot> done);

  // NotFound "REVISION_NOT_FOUND"; else as Apply.
  void Rollback(v1::RollbackRequest request, std::string actor, Callback<v1::ApplyResponse> done);
  // Newest first, revisions below `before` (0: all), without their content.
  void ListRevisions(uint64_t before, uint32_t limit,
                     Callback<std::vector<v1::ConfigRevision>> done);
  // 0: the current one. NotFound "REVISION_NOT_FOUND".
  void GetRevision(uint64_t revision, Callback<v1::ConfigRevision> done);

  void SetFreeze(bool frozen, std::string comment, std::string actor, Callback<FreezeState> done);

 private:
  struct Change {
    v1::Config wanted;
    bool replace_overrides = false;
    bool validate_only = false;
    std::optional<uint64_t> expected_revision;
    std::string actor;
    std::string comment;
  };
  struct Outcome {
    v1::ApplyResponse response;
    ConfigSnapshot after;
  };
  // A job is told whether it is run or, at the end, only refused.
  using Job = std::function<void(absl::Status)>;

  bool started() const;
  void Enqueue(Job job);
  void Run();
  // On the thread (or before it runs):
  absl::StatusOr<Outcome> Commit(Change change);
  absl::Status ReloadIfUnsure();
  absl::Status Reload();
  absl::Status WriteRevision(const Plan& plan, const Change& change, absl::Time now);
  absl::Status LoadFreeze();
  absl::StatusOr<FreezeState> WriteFreeze(FreezeState wanted);
  void Publish(const ConfigSnapshot& snapshot);

  const Options options_;
  const std::unique_ptr<ConfigArchive> archive_;
  std::vector<Listener> listeners_;
  std::vector<FreezeListener> freeze_listeners_;
  // The thread's own: the head may differ from what was last read (a write's end is not known).
  bool unsure_ = false;

  mutable common::Mutex mutex_;
  common::CondVar wake_;
  bool started_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<Job> jobs_ ABSL_GUARDED_BY(mutex_);
  ConfigSnapshot current_ ABSL_GUARDED_BY(mutex_);
  FreezeState freeze_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace pointsman::controller
