#include "common/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "common/core/status_macros.h"
#include "nlohmann/json.hpp"

namespace pointsman::common {
namespace {

absl::Status ErrnoStatus(absl::string_view doing, absl::string_view path, int error) {
  const std::string message = absl::StrCat(doing, " ", path, ": ", strerror(error));
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    case EISDIR:
      return absl::InvalidArgumentError(message);
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return absl::ResourceExhaustedError(message);
    default:
      return absl::UnavailableError(message);
  }
}

// Closes on every way out.
class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ > STDIN_FILENO) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

absl::Status WriteAll(int fd, absl::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus("cannot write", path, errno);
    content.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status WriteTemporary(const std::string& path, absl::string_view content,
                            const WriteFileOptions& options) {
  const File file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, options.mode));
  if (file.fd() < 0) return ErrnoStatus("cannot create", path, errno);
  PM_RETURN_IF_ERROR(WriteAll(file.fd(), content, path));
  if (options.sync && fsync(file.fd()) != 0) return ErrnoStatus("cannot sync", path, errno);
  return absl::OkStatus();
}

absl::Status SyncFolderOf(const std::string& path) {
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  const std::string folder = parent.empty() ? std::string(".") : parent.string();
  const File file(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (file.fd() < 0) return ErrnoStatus("cannot open folder", folder, errno);
  if (fsync(file.fd()) != 0) return ErrnoStatus("cannot sync folder", folder, errno);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path, uint64_t bytes_max) {
  const bool standard_input = path == "-";
  const File file(standard_input ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.fd() < 0) return ErrnoStatus("cannot open", path, errno);
  std::string content;
  char buffer[64 << 10];
  while (true) {
    const ssize_t got = read(file.fd(), buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus("cannot read", path, errno);
    if (got == 0) return content;
    if (content.size() + static_cast<size_t>(got) > bytes_max) {
      return absl::ResourceExhaustedError(
          absl::StrCat("cannot read ", path, ": larger than ", bytes_max, " bytes"));
    }
    content.append(buffer, static_cast<size_t>(got));
  }
}

absl::Status WriteFileAtomically(const std::string& path, absl::string_view content,
                                 const WriteFileOptions& options) {
  const std::string temporary = absl::StrCat(path, ".tmp.", getpid());
  absl::Status status = WriteTemporary(temporary, content, options);
  if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0) {
    status = ErrnoStatus("cannot rename to", path, errno);
  }
  if (!status.ok()) {
    unlink(temporary.c_str());
    return status;
  }
  return options.sync ? SyncFolderOf(path) : absl::OkStatus();
}

absl::Status MakeFolders(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return ErrnoStatus("cannot make folder", path, error.value());
  return absl::OkStatus();
}

std::string FormatReadyFile(const ReadyFile& ready) {
  nlohmann::ordered_json object;
  if (!ready.grpc.empty()) object["grpc"] = ready.grpc;
  if (!ready.listen.empty()) object["listen"] = ready.listen;
  if (!ready.listeners.empty()) object["listen"] = ready.listeners;
  if (!ready.admin.empty()) object["admin"] = ready.admin;
  object["pid"] = getpid();
  return object.dump() + "\n";
}

absl::Status WriteReadyFile(const std::string& path, const ReadyFile& ready) {
  if (path.empty()) return absl::OkStatus();
  return WriteFileAtomically(path, FormatReadyFile(ready), {.sync = false});
}

}  // namespace pointsman::common
