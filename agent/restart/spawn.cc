#include "agent/restart/spawn.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace pointsman::agent {
namespace {

// What the child tells through the pipe. Nothing but a pid: the program runs (the pipe closed by
// itself).
struct ChildNote {
  int64_t pid = 0;
  int error = 0;
  char step[12] = {};
};

// Everything the child needs, made before fork: afterwards only async-signal-safe calls are made.
struct Plan {
  std::vector<char*> argv;
  const char* output;
  int output_flags;
  const char* directory;
  bool detached;
  int note_fd;
};

void Tell(const Plan& plan, const char* step, int error) {
  ChildNote note;
  note.pid = getpid();
  note.error = error;
  strncpy(note.step, step, sizeof(note.step) - 1);
  // A pipe takes so little whole, or the parent is gone.
  [[maybe_unused]] const ssize_t written = write(plan.note_fd, &note, sizeof(note));
}

[[noreturn]] void Die(const Plan& plan, const char* step) {
  Tell(plan, step, errno);
  _exit(127);
}

void ResetSignals() {
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void RunChild(const Plan& plan) {
  if (setsid() < 0 && !plan.detached) Die(plan, "setsid");
  if (plan.detached) {
    const pid_t service = fork();
    if (service < 0) Die(plan, "fork");
    if (service > 0) _exit(0);
    // A session leader of its own again: whole groups are killed by it, and only by it.
    if (setsid() < 0) Die(plan, "setsid");
  }
  ResetSignals();
  const int null_fd = open("/dev/null", O_RDWR);
  const int out_fd = plan.output[0] == '\0'
                         ? null_fd
                         : open(plan.output, O_WRONLY | O_CREAT | plan.output_flags, 0640);
  if (null_fd < 0 || out_fd < 0) Die(plan, "output");
  if (dup2(null_fd, 0) < 0 || dup2(out_fd, 1) < 0 || dup2(out_fd, 2) < 0) Die(plan, "dup2");
  if (chdir(plan.directory) != 0) Die(plan, "chdir");
  close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  Tell(plan, "", 0);
  execv(plan.argv[0], plan.argv.data());
  Die(plan, "exec");
}

absl::Status ToStatus(const ChildNote& note, const std::string& program) {
  const std::string text =
      absl::StrCat("cannot run ", program, ": ", note.step, ": ", strerror(note.error));
  if (note.error == ENOENT) return absl::NotFoundError(text);
  if (note.error == EACCES || note.error == EPERM) return absl::PermissionDeniedError(text);
  return absl::UnavailableError(text);
}

// Reads until the pipe closes: the last note counts.
ChildNote ReadNotes(int fd) {
  ChildNote note;
  ChildNote read_note;
  while (true) {
    const ssize_t n = read(fd, &read_note, sizeof(read_note));
    if (n < 0 && errno == EINTR) continue;
    if (n != sizeof(read_note)) return note;
    note = read_note;
  }
}

}  // namespace

absl::StatusOr<int64_t> Spawn(const SpawnOptions& options) {
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
    return absl::UnavailableError(absl::StrCat("pipe: ", strerror(errno)));
  }
  Plan plan{.argv = {},
            .output = options.output.c_str(),
            .output_flags = options.truncate_output ? O_TRUNC : O_APPEND,
            .directory = options.directory.empty() ? "/" : options.directory.c_str(),
            .detached = options.detached,
            .note_fd = pipe_fds[1]};
  for (const std::string& word : options.argv) plan.argv.push_back(const_cast<char*>(word.c_str()));
  plan.argv.push_back(nullptr);
  // Signals stay blocked until the child has default handlers.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t child = fork();
  if (child == 0) RunChild(plan);
  const int fork_error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  close(pipe_fds[1]);
  if (child < 0) {
    close(pipe_fds[0]);
    return absl::UnavailableError(absl::StrCat("fork: ", strerror(fork_error)));
  }
  const ChildNote note = ReadNotes(pipe_fds[0]);
  close(pipe_fds[0]);
  const bool started = note.pid != 0 && note.error == 0;
  // The go-between of a detached start, and a child that did not start, end at once.
  if (options.detached || !started) {
    while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  if (started) return note.pid;
  return ToStatus(note, options.argv[0]);
}

}  // namespace pointsman::agent
