#pragma once

// The old side of an upgrade: starts the program's file anew with the same command line, gives it
// what handover.h names, and waits for its answer. Until that answer is "ready" the new process
// accepts nothing, so that ending it at any time before loses nothing. Thread-compatible.

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/core/time.h"
#include "gateway/handover.h"

namespace pointsman::gateway {

// How this process was started. Taken at start: the file behind /proc/self/exe may be replaced
// later, and its path is then another's.
struct ProgramStart {
  std::string file;  // Empty: not known, so that no upgrade is possible.
  std::vector<std::string> arguments;
};
ProgramStart ProgramStartOf(int argc, char** argv);

class Replacement {
 public:
  // Does not wait for the new process. Unavailable: it cannot be started; others as SendHandover().
  static absl::StatusOr<std::unique_ptr<Replacement>> Begin(const ProgramStart& program,
                                                            const Handover& handover,
                                                            common::MonotonicTime deadline);
  // Ends the new process, unless it serves.
  ~Replacement();
  Replacement(const Replacement&) = delete;
  Replacement& operator=(const Replacement&) = delete;

  // Readable when Poll() may know more.
  int fd() const { return socket_.get(); }
  common::MonotonicTime deadline() const { return deadline_; }
  pid_t pid() const { return pid_; }

  // By place in Handover::listeners, what the new process has taken; nullopt: it is not ready yet.
  // From then on it waits for Commit(). Errors end the attempt: as ReceiveAnswer(), or
  // DeadlineExceeded.
  std::optional<absl::StatusOr<std::vector<bool>>> Poll(common::MonotonicTime now);
  // The new process serves from now on. Unavailable: it is gone, so this one has to go on.
  absl::Status Commit();

 private:
  Replacement(pid_t pid, Fd socket, size_t listeners, common::MonotonicTime deadline)
      : pid_(pid), socket_(std::move(socket)), listeners_(listeners), deadline_(deadline) {}

  const pid_t pid_;
  Fd socket_;
  const size_t listeners_;
  const common::MonotonicTime deadline_;
  bool committed_ = false;
};

}  // namespace pointsman::gateway
