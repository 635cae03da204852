#include "gateway/control/snapshot.h"

#include <cstdio>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "common/core/hashing.h"
#include "common/core/status_macros.h"
#include "common/files.h"
#include "common/log.h"

namespace pointsman::gateway {
namespace {

constexpr char kMagic[] = "pointsman-snapshot-1";
constexpr size_t kStartsBytesMax = 16;

}  // namespace

std::string EncodeSnapshot(const v1::Bundle& bundle) {
  const std::string body = bundle.SerializeAsString();
  return absl::StrFormat("%s %d %016x\n%s", kMagic, body.size(), common::Hash64(body), body);
}

absl::StatusOr<v1::Bundle> DecodeSnapshot(absl::string_view bytes) {
  const size_t end = bytes.substr(0, 128).find('\n');
  const std::vector<absl::string_view> header =
      absl::StrSplit(bytes.substr(0, end == absl::string_view::npos ? 0 : end), ' ');
  uint64_t length = 0;
  if (header.size() != 3 || header[0] != kMagic || !absl::SimpleAtoi(header[1], &length)) {
    return absl::InvalidArgumentError("not a snapshot");
  }
  const absl::string_view body = bytes.substr(end + 1);
  if (body.size() != length) {
    return absl::InvalidArgumentError(
        absl::StrFormat("cut short: %d of %d bytes", body.size(), length));
  }
  if (header[2] != absl::StrFormat("%016x", common::Hash64(body))) {
    return absl::InvalidArgumentError("altered: the checksum does not fit");
  }
  v1::Bundle bundle;
  if (!bundle.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    return absl::InvalidArgumentError("altered: not a bundle");
  }
  return bundle;
}

SnapshotFile::SnapshotFile(const std::string& dir)
    : path_(dir + "/table.snapshot"),
      set_aside_path_(dir + "/table.snapshot.quarantined"),
      starts_path_(dir + "/table.starts") {}

int SnapshotFile::ReadStarts() const {
  const auto text = common::ReadFile(starts_path_, kStartsBytesMax);
  int starts = 0;
  if (!text.ok() || !absl::SimpleAtoi(*text, &starts) || starts < 0) return 0;
  return starts;
}

absl::StatusOr<v1::Bundle> SnapshotFile::LoadAtStart() {
  PM_ASSIGN_OR_RETURN(const std::string bytes, common::ReadFile(path_, kSnapshotBytesMax));
  const int starts = ReadStarts();
  if (starts >= kSnapshotStartsMax) {
    SetAside();
    return absl::FailedPreconditionError(absl::StrFormat(
        "%d starts with it did not prove themselves: moved to %s", starts, set_aside_path_));
  }
  // Before the content is looked at: whatever it does to the process is counted.
  PM_RETURN_IF_ERROR(common::WriteFileAtomically(starts_path_, std::to_string(starts + 1)));
  return DecodeSnapshot(bytes);
}

void SnapshotFile::Proven() { std::remove(starts_path_.c_str()); }

void SnapshotFile::SetAside() {
  std::rename(path_.c_str(), set_aside_path_.c_str());
  std::remove(starts_path_.c_str());
}

absl::Status SnapshotFile::Save(const v1::Bundle& bundle) {
  return common::WriteFileAtomically(path_, EncodeSnapshot(bundle), {.mode = 0600, .sync = true});
}

SnapshotWriter::SnapshotWriter(SnapshotFile& file, const common::Clock& clock,
                               absl::Duration interval)
    : file_(file), clock_(clock), interval_(interval), thread_([this] { Run(); }) {}

SnapshotWriter::~SnapshotWriter() {
  {
    common::MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  thread_.join();
}

void SnapshotWriter::Put(v1::Bundle bundle, uint64_t serial) {
  {
    common::MutexLock lock(mutex_);
    waiting_ = std::move(bundle);
    waiting_serial_ = serial;
  }
  changed_.NotifyAll();
}

void SnapshotWriter::Drop() {
  common::MutexLock lock(mutex_);
  waiting_.reset();
}

SnapshotWriter::Counts SnapshotWriter::counts() const {
  common::MutexLock lock(mutex_);
  return counts_;
}

void SnapshotWriter::Run() {
  while (true) {
    std::optional<v1::Bundle> bundle;
    uint64_t serial = 0;
    {
      common::MutexLock lock(mutex_);
      while (!waiting_.has_value() && !stopping_) changed_.Wait(mutex_);
      if (!waiting_.has_value()) return;
      bundle = std::exchange(waiting_, std::nullopt);
      serial = waiting_serial_;
    }
    const absl::Status status = file_.Save(*bundle);
    if (!status.ok()) {
      common::LogError("gateway.snapshot_failed",
                       {{"path", file_.path()}, {"error", status.ToString()}});
    }
    common::MutexLock lock(mutex_);
    ++(status.ok() ? counts_.written : counts_.failed);
    if (status.ok()) counts_.serial = serial;
    // Paced: only the end cuts the wait short, not the next bundle.
    const common::MonotonicTime until = clock_.Now() + interval_;
    while (!stopping_ && clock_.Now() < until) changed_.WaitFor(mutex_, until - clock_.Now());
  }
}

}  // namespace pointsman::gateway
