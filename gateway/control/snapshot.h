#pragma once

// The last good configuration and slices on disk, so that a gateway that starts without a
// controller serves what it served before.
//
// One file: a header line with format, length and XXH3 of the rest, then a v1::Bundle. Written
// whole to a temporary file, forced to disk and renamed, by a thread of its own, at most every few
// seconds; the newest waiting one wins. Beside it a marker counts starts that have not proven
// themselves yet: a snapshot with which the process died twice at start is set aside under another
// name and never loaded again.
//
// SnapshotFile: thread-compatible. SnapshotWriter: thread-safe.

#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/mutex.h"
#include "pointsman/v1/gateway.pb.h"

namespace pointsman::gateway {

// At most this many bytes are read.
inline constexpr size_t kSnapshotBytesMax = size_t{1} << 30;
// Unproven starts with one snapshot until it is set aside.
inline constexpr int kSnapshotStartsMax = 2;

// The file's bytes. InvalidArgument (Decode): not a snapshot, cut short, or altered.
std::string EncodeSnapshot(const v1::Bundle& bundle);
absl::StatusOr<v1::Bundle> DecodeSnapshot(absl::string_view bytes);

class SnapshotFile {
 public:
  // `dir` must exist.
  explicit SnapshotFile(const std::string& dir);

  // Counts a start and loads. NotFound: there is none. InvalidArgument: broken; it is left where
  // it is and the next Save replaces it. FailedPrecondition: it was set aside just now, because
  // kSnapshotStartsMax starts with it did not prove themselves. Other errors: as ReadFile.
  absl::StatusOr<v1::Bundle> LoadAtStart();
  // The process runs well with what it loaded: the count starts over.
  void Proven();
  // The content is bad in another way than its bytes: it is set aside at once.
  void SetAside();

  absl::Status Save(const v1::Bundle& bundle);

  const std::string& path() const { return path_; }
  const std::string& set_aside_path() const { return set_aside_path_; }

 private:
  int ReadStarts() const;

  std::string path_;
  std::string set_aside_path_;
  std::string starts_path_;
};

class SnapshotWriter {
 public:
  // Writes to `file` at most once in `interval`. `file` and `clock` must outlive this.
  SnapshotWriter(SnapshotFile& file, const common::Clock& clock, absl::Duration interval);
  // Writes what waits, then joins.
  ~SnapshotWriter();

  // Takes the place of what waits. `serial`: of the table it belongs to.
  void Put(v1::Bundle bundle, uint64_t serial);

  // What waits is not written.
  void Drop();

  struct Counts {
    uint64_t written = 0;
    uint64_t failed = 0;
    uint64_t serial = 0;  // Of the table last written; 0: none yet.
  };
  Counts counts() const;

 private:
  void Run();

  SnapshotFile& file_;
  const common::Clock& clock_;
  const absl::Duration interval_;
  mutable common::Mutex mutex_;
  common::CondVar changed_;
  std::optional<v1::Bundle> waiting_ ABSL_GUARDED_BY(mutex_);
  uint64_t waiting_serial_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  Counts counts_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace pointsman::gateway
