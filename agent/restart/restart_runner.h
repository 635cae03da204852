#pragma once

// Runs restart actions: a local argv, never a shell, nothing from the network. The child is a
// session of its own with its own signal dispositions, no inherited descriptors and no death
// signal: it lives on when the agent ends. Output of a kOneshot goes to a file of the state folder
// (a pipe would break, or block, a daemon that kept it) and its beginning is returned.
//
// Thread-compatible; polled by its owner. Children that run on are not waited for.

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/core/agent_config.h"
#include "common/clock.h"
#include "common/core/time.h"

namespace pointsman::agent {

struct RestartOutcome {
  std::string name;  // As given to Start().
  bool ok = false;
  int64_t pid = 0;     // kSimple: the service's process.
  std::string detail;  // "exit status 3", "timeout", ... and the first line of the output.
  std::string output;  // At most kRestartOutputBytesMax.
};

inline constexpr size_t kRestartOutputBytesMax = 4096;

class RestartRunner {
 public:
  // Output files go below `output_folder`, which exists. `clock` must outlive the runner.
  RestartRunner(const common::Clock& clock, std::string output_folder);
  // Actions under way run on.
  ~RestartRunner();

  // Starts the action; its outcome comes from Poll(). `name` is unique among those under way:
  // "web/web-1".
  void Start(const std::string& name, const RestartAction& action);

  // Actions that ended or ran out of time (then their session is killed). Cheap when none runs.
  std::vector<RestartOutcome> Poll();

  // When Poll() is worth calling next; Infinite() when nothing runs.
  common::MonotonicTime NextDue() const;
  // Readable when an action has ended.
  int fd() const { return epoll_; }

 private:
  struct Job {
    std::string name;
    int64_t pid = 0;
    int pidfd = -1;
    common::MonotonicTime deadline;
    std::string output_path;
  };
  RestartOutcome Finish(const Job& job, bool timed_out);
  void StartOneshot(const std::string& name, const RestartAction& action);
  void StartSimple(const std::string& name, const RestartAction& action);
  void Fail(const std::string& name, std::string detail);

  const common::Clock& clock_;
  const std::string output_folder_;
  int epoll_;
  std::vector<Job> jobs_;
  std::vector<RestartOutcome> done_;
};

}  // namespace pointsman::agent
