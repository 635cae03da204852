#include "gateway/replacement.h"

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/core/status_macros.h"

namespace pointsman::gateway {
namespace {

// Where the new process finds the socket.
constexpr int kChildSocket = 3;

// What the new process must not take for its own: this one's watchdog, activation and hand-over.
bool IsOfThisProcess(const std::string& variable) {
  for (const absl::string_view name :
       {"WATCHDOG_PID=", "LISTEN_PID=", "LISTEN_FDS=", "LISTEN_FDNAMES="}) {
    if (absl::StartsWith(variable, name)) return true;
  }
  return absl::StartsWith(variable, absl::StrCat(kHandoverVariable, "="));
}

std::vector<std::string> ChildEnvironment() {
  std::vector<std::string> result;
  for (char** one = environ; *one != nullptr; ++one) {
    if (!IsOfThisProcess(*one)) result.emplace_back(*one);
  }
  result.push_back(absl::StrCat(kHandoverVariable, "=", kChildSocket));
  return result;
}

std::vector<char*> Pointers(std::vector<std::string>* texts) {
  std::vector<char*> pointers;
  for (std::string& text : *texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// posix_spawn and not fork: nothing of this process's threads is ever seen by the new one. Signals
// are as a fresh process has them, and of descriptors only the socket stays.
absl::StatusOr<pid_t> Spawn(const ProgramStart& program, int socket) {
  std::vector<std::string> arguments = program.arguments;
  std::vector<std::string> environment = ChildEnvironment();
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, socket, kChildSocket);
  posix_spawn_file_actions_addclosefrom_np(&actions, kChildSocket + 1);
  sigset_t none;
  sigset_t defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, program.file.c_str(), &actions, &attributes,
                                Pointers(&arguments).data(), Pointers(&environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error == 0) return pid;
  return absl::UnavailableError(
      absl::StrCat("cannot start ", program.file, ": ", std::strerror(error)));
}

std::string HowItEnded(int state) {
  if (WIFEXITED(state)) return absl::StrCat("ended with code ", WEXITSTATUS(state));
  return absl::StrCat("was ended by signal ", WTERMSIG(state));
}

}  // namespace

ProgramStart ProgramStartOf(int argc, char** argv) {
  ProgramStart start;
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof(path));
  if (length > 0 && length < static_cast<ssize_t>(sizeof(path))) {
    start.file.assign(path, static_cast<size_t>(length));
  }
  start.arguments.assign(argv, argv + argc);
  return start;
}

absl::StatusOr<std::unique_ptr<Replacement>> Replacement::Begin(const ProgramStart& program,
                                                                const Handover& handover,
                                                                common::MonotonicTime deadline) {
  if (program.file.empty()) return absl::UnavailableError("the program's file is not known");
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return absl::ResourceExhaustedError(absl::StrCat("socketpair: ", std::strerror(errno)));
  }
  Fd own(ends[0]);
  const Fd its(ends[1]);
  // Before the process: what does not fit is known at once.
  PM_RETURN_IF_ERROR(SendHandover(own.get(), handover));
  PM_ASSIGN_OR_RETURN(const pid_t pid, Spawn(program, its.get()));
  return std::unique_ptr<Replacement>(
      new Replacement(pid, std::move(own), handover.listeners.size(), deadline));
}

Replacement::~Replacement() {
  if (committed_) return;
  // Before the socket closes, which the new process would take for our end. It serves nobody yet.
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

std::optional<absl::StatusOr<std::vector<bool>>> Replacement::Poll(common::MonotonicTime now) {
  pollfd waiting{socket_.get(), POLLIN, 0};
  if (poll(&waiting, 1, 0) <= 0) {
    if (now < deadline_) return std::nullopt;
    return absl::DeadlineExceededError("the new process was not ready in time");
  }
  auto taken = ReceiveAnswer(socket_.get(), listeners_);
  if (!absl::IsUnavailable(taken.status())) return taken;
  // Its end of the socket closes a moment before it can be waited for.
  siginfo_t info{};
  if (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
      info.si_pid == 0) {
    return taken;
  }
  const int state = info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status;
  return absl::UnavailableError(absl::StrCat("the new process ", HowItEnded(state)));
}

absl::Status Replacement::Commit() {
  PM_RETURN_IF_ERROR(SendGo(socket_.get()));
  committed_ = true;
  return absl::OkStatus();
}

}  // namespace pointsman::gateway
