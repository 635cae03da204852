#pragma once

// The agent's state folder: the state file of core/saved_state.h, replaced atomically, and a lock
// so that two agents never use one folder. Thread-compatible; owns the lock.

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/core/saved_state.h"

namespace pointsman::agent {

class StateDir {
 public:
  // Makes and locks the folder. FailedPrecondition: locked by another process; errors of the
  // folder as they are.
  static absl::StatusOr<StateDir> Open(const std::string& path);
  StateDir(StateDir&& other) noexcept;
  StateDir& operator=(StateDir&&) = delete;
  ~StateDir();

  // What an agent of this boot of the host left. Absent: nothing, or of another boot.
  // InvalidArgument: damaged.
  absl::StatusOr<std::optional<SavedState>> Load() const;
  // Not forced to disk: the state is of no use after the host's crash.
  absl::Status Save(SavedState state) const;

  const std::string& path() const { return path_; }

 private:
  StateDir(std::string path, int lock_fd, std::string host_boot);

  std::string path_;
  int lock_fd_;
  std::string host_boot_;
};

}  // namespace pointsman::agent
