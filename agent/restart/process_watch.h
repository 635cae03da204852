#pragma once

// Knows when an instance's process ends, at once: the pid comes from a pid file or from the agent's
// own restart, and a pidfd of it becomes readable when the process is gone (whatever takes over its
// number later). Thread-compatible; owns its descriptors.

#include <cstdint>
#include <string>
#include <vector>

#include "agent/core/agent_core.h"

namespace pointsman::agent {

// A process as it was last seen. A pid alone may name another process by now.
struct KnownProcess {
  int64_t pid = 0;     // 0: none.
  uint64_t start = 0;  // Field 22 of /proc/PID/stat.
};

class ProcessWatch {
 public:
  ProcessWatch();
  ~ProcessWatch();
  ProcessWatch(const ProcessWatch&) = delete;
  ProcessWatch& operator=(const ProcessWatch&) = delete;

  // Watches these instances from now on, in this order; those of the same service, id and pid file
  // as before go on. `known`: last known of each.
  void SetInstances(const std::vector<InstanceConfig>& instances,
                    const std::vector<KnownProcess>& known);

  // The agent started this process for the instance.
  void Adopt(size_t instance, int64_t pid);

  // Reads the pid files again. Returns what changed since the last call of Refresh or TakeEnded.
  std::vector<ProcessInput> Refresh();
  // Processes that ended. Call when fd() is readable.
  std::vector<ProcessInput> TakeEnded();

  // The known process of the instance while it runs; else 0.
  int64_t pid(size_t instance) const;
  // Readable when a watched process has ended.
  int fd() const { return epoll_; }

 private:
  struct Watched {
    std::string key;
    std::string pid_file;
    int64_t pid = 0;
    uint64_t start = 0;
    int pidfd = -1;        // -1: not running, or not known.
    int64_t gone_pid = 0;  // Its end was told.
    bool adopted = false;  // The agent started it: its pid counts more than the file's.
  };
  // True: the process runs and is watched.
  bool Open(Watched& watched, int64_t pid);
  void Close(Watched& watched);

  int epoll_;
  std::vector<Watched> watched_;
};

}  // namespace pointsman::agent
