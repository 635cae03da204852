#include "agent/restart/restart_runner.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "agent/restart/spawn.h"
#include "common/core/check.h"

namespace pointsman::agent {
namespace {

std::string ReadBeginning(const std::string& path) {
  std::string text(kRestartOutputBytesMax, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  return text;
}

std::string Ending(int status) {
  if (WIFEXITED(status)) return absl::StrCat("exit status ", WEXITSTATUS(status));
  if (WIFSIGNALED(status)) return absl::StrCat("killed by signal ", WTERMSIG(status));
  return "ended";
}

}  // namespace

RestartRunner::RestartRunner(const common::Clock& clock, std::string output_folder)
    : clock_(clock),
      output_folder_(std::move(output_folder)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  PM_CHECK(epoll_ >= 0);
}

RestartRunner::~RestartRunner() {
  for (const Job& job : jobs_) close(job.pidfd);
  close(epoll_);
}

void RestartRunner::Start(const std::string& name, const RestartAction& action) {
  if (action.kind == RestartAction::Kind::kSimple) {
    StartSimple(name, action);
  } else {
    StartOneshot(name, action);
  }
}

void RestartRunner::Fail(const std::string& name, std::string detail) {
  done_.push_back({.name = name, .ok = false, .pid = 0, .detail = std::move(detail), .output = ""});
}

void RestartRunner::StartSimple(const std::string& name, const RestartAction& action) {
  const absl::StatusOr<int64_t> pid = Spawn({.argv = action.argv,
                                             .output = action.output,
                                             .truncate_output = false,
                                             .directory = action.directory,
                                             .detached = true});
  if (!pid.ok()) return Fail(name, std::string(pid.status().message()));
  done_.push_back({.name = name, .ok = true, .pid = *pid, .detail = "started", .output = ""});
}

void RestartRunner::StartOneshot(const std::string& name, const RestartAction& action) {
  Job job;
  job.name = name;
  job.deadline = clock_.Now() + action.timeout;
  job.output_path =
      absl::StrCat(output_folder_, "/restart-", absl::StrReplaceAll(name, {{"/", "."}}), ".log");
  const absl::StatusOr<int64_t> pid = Spawn({.argv = action.argv,
                                             .output = job.output_path,
                                             .truncate_output = true,
                                             .directory = action.directory,
                                             .detached = false});
  if (!pid.ok()) return Fail(name, std::string(pid.status().message()));
  job.pid = *pid;
  // Our own child: its number stays its own until it is waited for.
  job.pidfd = static_cast<int>(syscall(SYS_pidfd_open, static_cast<pid_t>(job.pid), 0));
  epoll_event event{};
  event.events = EPOLLIN;
  if (job.pidfd < 0 || epoll_ctl(epoll_, EPOLL_CTL_ADD, job.pidfd, &event) != 0) {
    const std::string cause = std::strerror(errno);
    if (job.pidfd >= 0) close(job.pidfd);
    kill(static_cast<pid_t>(job.pid), SIGKILL);
    waitpid(static_cast<pid_t>(job.pid), nullptr, 0);
    return Fail(name, absl::StrCat("cannot watch the restart command: ", cause));
  }
  jobs_.push_back(std::move(job));
}

std::vector<RestartOutcome> RestartRunner::Poll() {
  std::vector<RestartOutcome> outcomes = std::exchange(done_, {});
  for (size_t i = 0; i < jobs_.size();) {
    const Job& job = jobs_[i];
    siginfo_t info{};
    const bool ended =
        waitid(P_PID, static_cast<id_t>(job.pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        info.si_pid == job.pid;
    if (!ended && clock_.Now() < job.deadline) {
      ++i;
      continue;
    }
    outcomes.push_back(Finish(job, !ended));
    jobs_.erase(jobs_.begin() + static_cast<ptrdiff_t>(i));
  }
  return outcomes;
}

RestartOutcome RestartRunner::Finish(const Job& job, bool timed_out) {
  if (timed_out) kill(static_cast<pid_t>(-job.pid), SIGKILL);
  int status = 0;
  while (waitpid(static_cast<pid_t>(job.pid), &status, 0) < 0 && errno == EINTR) {
  }
  close(job.pidfd);
  RestartOutcome outcome;
  outcome.name = job.name;
  outcome.ok = !timed_out && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  outcome.output = ReadBeginning(job.output_path);
  outcome.detail = timed_out ? "timeout" : Ending(status);
  const std::string first_line = outcome.output.substr(0, outcome.output.find('\n'));
  if (!outcome.ok && !first_line.empty()) absl::StrAppend(&outcome.detail, ": ", first_line);
  return outcome;
}

common::MonotonicTime RestartRunner::NextDue() const {
  if (!done_.empty()) return common::MonotonicTime();
  common::MonotonicTime due = common::MonotonicTime::Infinite();
  for (const Job& job : jobs_) due = std::min(due, job.deadline);
  return due;
}

}  // namespace pointsman::agent
