#include "agent/restart/process_watch.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/core/check.h"

namespace pointsman::agent {
namespace {

using Sight = ProcessInput::Sight;

// The first number of a small file; 0: none.
int64_t ReadPid(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return 0;
  char buffer[32];
  const ssize_t n = read(fd, buffer, sizeof(buffer));
  close(fd);
  int64_t pid = 0;
  if (n <= 0 ||
      !absl::SimpleAtoi(
          absl::StripAsciiWhitespace(absl::string_view(buffer, static_cast<size_t>(n))), &pid)) {
    return 0;
  }
  return pid > 1 && pid <= INT32_MAX ? pid : 0;  // No service is process 1.
}

// When a process started, in ticks since boot; 0: it cannot be read.
uint64_t ReadStart(int64_t pid) {
  const int fd = open(absl::StrCat("/proc/", pid, "/stat").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char buffer[1024];
  const ssize_t n = read(fd, buffer, sizeof(buffer));
  close(fd);
  if (n <= 0) return 0;
  const absl::string_view text(buffer, static_cast<size_t>(n));
  // The name, field 2, may contain anything; the last ')' ends it.
  const size_t name_end = text.rfind(')');
  if (name_end == absl::string_view::npos) return 0;
  constexpr size_t kStartAfterName = 20;  // Fields from 3 on; 22 is wanted; a blank comes first.
  const std::vector<absl::string_view> fields = absl::StrSplit(text.substr(name_end + 1), ' ');
  uint64_t start = 0;
  if (fields.size() <= kStartAfterName || !absl::SimpleAtoi(fields[kStartAfterName], &start)) {
    return 0;
  }
  return start;
}

bool Ended(int pidfd) {
  pollfd waiting{pidfd, POLLIN, 0};
  return poll(&waiting, 1, 0) > 0;
}

}  // namespace

ProcessWatch::ProcessWatch() : epoll_(epoll_create1(EPOLL_CLOEXEC)) { PM_CHECK(epoll_ >= 0); }

ProcessWatch::~ProcessWatch() {
  for (Watched& watched : watched_) Close(watched);
  close(epoll_);
}

void ProcessWatch::SetInstances(const std::vector<InstanceConfig>& instances,
                                const std::vector<KnownProcess>& known) {
  PM_CHECK(instances.size() == known.size());
  std::vector<Watched> before = std::move(watched_);
  watched_.clear();
  for (size_t i = 0; i < instances.size(); ++i) {
    const std::string key = absl::StrCat(instances[i].service, "/", instances[i].id);
    const auto same = std::find_if(before.begin(), before.end(),
                                   [&key](const Watched& watched) { return watched.key == key; });
    Watched& watched = watched_.emplace_back();
    if (same != before.end() && same->pid_file == instances[i].pid_file) {
      watched = std::exchange(*same, Watched());
    }
    watched.key = key;
    watched.pid_file = instances[i].pid_file;
    // A process known from before the agent's restart, where no file will say it.
    if (watched.pid == 0 && known[i].pid > 0 && watched.pid_file.empty()) {
      watched.adopted = Open(watched, known[i].pid);
      if (watched.adopted && watched.start != known[i].start) {
        Close(watched);  // Its number is another's now.
        watched.adopted = false;
      }
      if (!watched.adopted) watched.pid = known[i].pid;  // Ended meanwhile: told by Refresh().
    }
  }
  for (Watched& watched : before) Close(watched);
}

bool ProcessWatch::Open(Watched& watched, int64_t pid) {
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0));
  if (pidfd < 0) return false;
  epoll_event event{};
  event.events = EPOLLIN;
  // An ended process that nobody waited for yet has a pidfd, too.
  if (Ended(pidfd) || epoll_ctl(epoll_, EPOLL_CTL_ADD, pidfd, &event) != 0) {
    close(pidfd);
    return false;
  }
  Close(watched);
  watched.pid = pid;
  watched.pidfd = pidfd;
  watched.start = ReadStart(pid);
  return true;
}

void ProcessWatch::Close(Watched& watched) {
  if (watched.pidfd >= 0) close(watched.pidfd);
  watched.pidfd = -1;
}

void ProcessWatch::Adopt(size_t instance, int64_t pid) {
  if (instance >= watched_.size()) return;
  Watched& watched = watched_[instance];
  watched.adopted = true;
  if (Open(watched, pid)) return;
  // Gone already: told by the next Refresh.
  Close(watched);
  watched.pid = pid;
}

std::vector<ProcessInput> ProcessWatch::Refresh() {
  for (Watched& watched : watched_) {
    if (watched.pidfd >= 0 && (watched.adopted || watched.pid_file.empty())) continue;
    const int64_t pid = watched.pid_file.empty() ? 0 : ReadPid(watched.pid_file);
    if (pid == 0 || (watched.pidfd >= 0 && pid == watched.pid)) continue;
    if (Open(watched, pid)) {
      watched.adopted = false;
      watched.gone_pid = 0;
    } else if (watched.pidfd < 0) {
      watched.pid = pid;
    }
  }
  std::vector<ProcessInput> seen = TakeEnded();
  for (size_t i = 0; i < watched_.size(); ++i) {
    const Watched& watched = watched_[i];
    if (watched.pidfd >= 0) seen.push_back({i, Sight::kRunning, watched.pid, watched.start});
  }
  return seen;
}

std::vector<ProcessInput> ProcessWatch::TakeEnded() {
  std::vector<ProcessInput> ended;
  for (size_t i = 0; i < watched_.size(); ++i) {
    Watched& watched = watched_[i];
    if (watched.pidfd >= 0 && Ended(watched.pidfd)) Close(watched);
    if (watched.pidfd >= 0 || watched.pid == 0 || watched.gone_pid == watched.pid) continue;
    watched.gone_pid = watched.pid;
    watched.adopted = false;
    ended.push_back({i, Sight::kGone, watched.pid});
  }
  return ended;
}

int64_t ProcessWatch::pid(size_t instance) const {
  if (instance >= watched_.size() || watched_[instance].pidfd < 0) return 0;
  return watched_[instance].pid;
}

}  // namespace pointsman::agent
