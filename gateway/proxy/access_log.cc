#include "gateway/proxy/access_log.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/core/check.h"
#include "common/core/status_macros.h"
#include "common/thread_name.h"

namespace pointsman::gateway {

namespace {

constexpr size_t kBufferBytes = 256 * 1024;
// A pipe that nobody reads: the lines are lost, and the end of the program does not wait.
constexpr int kPipeWaitMillis = 200;

}  // namespace

AccessLog::AccessLog(AccessLogOptions options) : options_(std::move(options)) {
  PM_CHECK(options_.clock != nullptr);
  PM_CHECK((options_.ring_entries & (options_.ring_entries - 1)) == 0);
  for (size_t i = 0; i < options_.workers; ++i) {
    workers_.push_back(std::make_unique<OfWorker>(options_));
  }
}

absl::StatusOr<std::unique_ptr<AccessLog>> AccessLog::Open(AccessLogOptions options) {
  std::unique_ptr<AccessLog> log(new AccessLog(std::move(options)));
  PM_RETURN_IF_ERROR(log->OpenFile());
  log->writer_ = common::NamedThread("pm-access-log", [raw = log.get()] { raw->Run(); });
  return log;
}

AccessLog::~AccessLog() {
  if (!writer_.joinable()) return;
  {
    common::MutexLock lock(mutex_);
    stop_ = true;
  }
  stopped_.NotifyAll();
  writer_.join();
}

absl::Status AccessLog::OpenFile() {
  Fd file(options_.path == "-"
              ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)
              : open(options_.path.c_str(),
                     O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640));
  struct stat facts;
  if (!file.valid() || fstat(file.get(), &facts) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("access log \"", options_.path, "\": ", strerror(errno)));
  }
  regular_ = S_ISREG(facts.st_mode);
  file_ = std::move(file);
  torn_ = false;
  return absl::OkStatus();
}

void AccessLog::OnRequest(const RequestRecord& record) {
  OfWorker& worker = *workers_[record.worker];
  const auto random = static_cast<uint32_t>(worker.random());
  switch (worker.sampler.Decide(record, random)) {
    case AccessSampler::Verdict::kSkip:
      return;
    case AccessSampler::Verdict::kOverLimit:
      return worker.lost_failure_limit.Add();
    case AccessSampler::Verdict::kWrite:
      break;
  }
  AccessEntry* entry = worker.ring.Place();
  if (entry == nullptr) return worker.lost_ring_full.Add();
  FillAccessEntry(record, entry);
  worker.ring.Push();
}

AccessLogStats AccessLog::Stats() const {
  AccessLogStats stats;
  stats.lines = lines_.value();
  stats.lost_write = lost_write_.value();
  for (const auto& worker : workers_) {
    stats.lost_ring_full += worker->lost_ring_full.value();
    stats.lost_failure_limit += worker->lost_failure_limit.value();
  }
  return stats;
}

void AccessLog::Run() {
  bool stop = false;
  while (!stop) {
    {
      common::MutexLock lock(mutex_);
      if (!stop_) stopped_.WaitFor(mutex_, kPollInterval);
      stop = stop_;
    }
    while (Collect()) WriteBuffer();
    if (reopen_.exchange(false, std::memory_order_acq_rel) && options_.path != "-") {
      const absl::Status opened = OpenFile();
      if (failing_ || !opened.ok()) Tell(opened);
    }
  }
}

bool AccessLog::Collect() {
  buffer_.clear();
  // Workers tell their loops' time: how long ago that was is what the wall's clock is asked for.
  const int64_t now = options_.clock->Now().micros();
  const absl::Time wall = options_.clock->WallNow();
  for (const auto& worker : workers_) {
    while (buffer_.size() < kBufferBytes) {
      const AccessEntry* entry = worker->ring.Front();
      if (entry == nullptr) break;
      AppendAccessLine(*entry, wall - absl::Microseconds(now - entry->ended_micros), &buffer_);
      worker->ring.Pop();
    }
  }
  return !buffer_.empty();
}

int AccessLog::Write(absl::string_view text, size_t* written) {
  while (*written < text.size()) {
    size_t size = text.size() - *written;
    if (!regular_) {
      // So much fits when it is writable at all.
      size = std::min<size_t>(size, PIPE_BUF);
      pollfd waiting = {.fd = file_.get(), .events = POLLOUT, .revents = 0};
      if (poll(&waiting, 1, kPipeWaitMillis) == 0) return EAGAIN;
    }
    const ssize_t n = write(file_.get(), text.data() + *written, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    *written += static_cast<size_t>(n);
  }
  return 0;
}

void AccessLog::WriteBuffer() {
  if (torn_) buffer_.insert(buffer_.begin(), '\n');
  size_t written = 0;
  const int error = Write(buffer_, &written);
  const auto ends = [this](size_t begin, size_t end) {
    return static_cast<uint64_t>(std::count(buffer_.begin() + static_cast<ptrdiff_t>(begin),
                                            buffer_.begin() + static_cast<ptrdiff_t>(end), '\n'));
  };
  // The end of a cut line is no line.
  const uint64_t mended = torn_ && written > 0 ? 1 : 0;
  lines_.Add(ends(0, written) - mended);
  if (error == 0) {
    torn_ = false;
    if (failing_) Tell(absl::OkStatus());
    return;
  }
  lost_write_.Add(ends(written, buffer_.size()) - (torn_ && written == 0 ? 1 : 0));
  if (written > 0) torn_ = buffer_[written - 1] != '\n';
  if (!failing_) {
    Tell(absl::UnavailableError(
        absl::StrCat("access log \"", options_.path, "\": ", strerror(error))));
  }
}

void AccessLog::Tell(const absl::Status& status) {
  failing_ = !status.ok();
  if (options_.on_change) options_.on_change(status);
}

}  // namespace pointsman::gateway
