#include "agent/state_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/core/status_macros.h"
#include "common/files.h"

namespace pointsman::agent {
namespace {

constexpr uint64_t kStateBytesMax = 8 << 20;

}  // namespace

StateDir::StateDir(std::string path, int lock_fd, std::string host_boot)
    : path_(std::move(path)), lock_fd_(lock_fd), host_boot_(std::move(host_boot)) {}

StateDir::StateDir(StateDir&& other) noexcept
    : path_(std::move(other.path_)),
      lock_fd_(std::exchange(other.lock_fd_, -1)),
      host_boot_(std::move(other.host_boot_)) {}

StateDir::~StateDir() {
  if (lock_fd_ >= 0) close(lock_fd_);
}

absl::StatusOr<StateDir> StateDir::Open(const std::string& path) {
  PM_RETURN_IF_ERROR(common::MakeFolders(path));
  const std::string lock_path = absl::StrCat(path, "/lock");
  const int fd = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (fd < 0) {
    return absl::PermissionDeniedError(absl::StrCat(lock_path, ": ", std::strerror(errno)));
  }
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    close(fd);
    return absl::FailedPreconditionError(absl::StrCat(
        path, ": another agent uses this state folder; give each its own --state-dir"));
  }
  // The kernel without /proc gives no boot: then nothing is ever taken for this boot's.
  const absl::StatusOr<std::string> boot =
      common::ReadFile("/proc/sys/kernel/random/boot_id", 4096);
  return StateDir(path, fd,
                  boot.ok() ? std::string(absl::StripAsciiWhitespace(*boot)) : std::string());
}

absl::StatusOr<std::optional<SavedState>> StateDir::Load() const {
  const absl::StatusOr<std::string> text =
      common::ReadFile(absl::StrCat(path_, "/agent.state"), kStateBytesMax);
  if (absl::IsNotFound(text.status())) return std::optional<SavedState>();
  PM_RETURN_IF_ERROR(text.status());
  PM_ASSIGN_OR_RETURN(SavedState state, DecodeState(*text));
  if (host_boot_.empty() || state.host_boot != host_boot_) return std::optional<SavedState>();
  return std::optional<SavedState>(std::move(state));
}

absl::Status StateDir::Save(SavedState state) const {
  state.host_boot = host_boot_;
  return common::WriteFileAtomically(absl::StrCat(path_, "/agent.state"), EncodeState(state),
                                     {.mode = 0640, .sync = false});
}

}  // namespace pointsman::agent
