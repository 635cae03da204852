#pragma once

// A child process of a measuring program: started, asked for its costs, ended. Ended with the
// parent too. Thread-compatible.

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace pointsman::bench {

class ChildProcess {
 public:
  // Starts argv[0] with its output appended to `log_path`. INTERNAL: cannot fork or open.
  static absl::StatusOr<ChildProcess> Start(const std::vector<std::string>& argv,
                                            const std::string& log_path);
  ChildProcess(ChildProcess&& other) noexcept;
  ~ChildProcess();  // SIGTERM, after 5 s SIGKILL; waits.

  pid_t pid() const { return pid_; }
  // User and system time so far; all threads.
  absl::Duration CpuTime() const;
  // The same of its threads by name; those of one name together. Ended threads are missing.
  std::map<std::string, absl::Duration> CpuTimeByThreadName() const;
  // Anonymous resident memory.
  uint64_t RssAnonBytes() const;

 private:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}
  pid_t pid_;
};

// Waits until `path` exists with content, and returns it. DEADLINE_EXCEEDED.
absl::StatusOr<std::string> WaitForFile(const std::string& path, absl::Duration timeout);

// The value of "key":"value" or "key":number in a flat JSON object; empty: not there.
std::string JsonField(const std::string& json, const std::string& key);

// A folder of its own under TMPDIR, removed with all content at destruction.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  std::string Path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace pointsman::bench
