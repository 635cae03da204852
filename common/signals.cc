#include "common/signals.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/clock.h"
#include "common/core/check.h"

namespace pointsman::common {
namespace {

sigset_t WatchedSignals(bool upgrades) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  if (upgrades) sigaddset(&set, SIGUSR2);
  return set;
}

}  // namespace

Signals::Signals(bool upgrades) {
  const sigset_t set = WatchedSignals(upgrades);
  PM_CHECK(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  signal(SIGPIPE, SIG_IGN);
  fd_ = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  PM_CHECK(fd_ >= 0);
}

Signals::~Signals() { close(fd_); }

std::optional<Signal> Signals::Poll() {
  signalfd_siginfo info;
  if (read(fd_, &info, sizeof(info)) != sizeof(info)) return std::nullopt;
  if (info.ssi_signo == SIGHUP) return Signal::kReload;
  return info.ssi_signo == SIGUSR2 ? Signal::kUpgrade : Signal::kTerminate;
}

Signal Signals::Wait() {
  while (true) {
    if (const std::optional<Signal> signal = WaitFor(absl::Hours(1)); signal) return *signal;
  }
}

std::optional<Signal> Signals::WaitFor(absl::Duration timeout) {
  const MonotonicTime deadline = SystemClock().Now() + timeout;
  while (true) {
    if (const std::optional<Signal> signal = Poll(); signal) return signal;
    const absl::Duration left = deadline - SystemClock().Now();
    if (left <= absl::ZeroDuration()) return std::nullopt;
    pollfd waiting{fd_, POLLIN, 0};
    const absl::Duration turn = std::min(left, absl::Hours(1)) + absl::Milliseconds(1);
    const int result = poll(&waiting, 1, static_cast<int>(absl::ToInt64Milliseconds(turn)));
    PM_CHECK(result >= 0 || errno == EINTR);
  }
}

void Signals::Request(Signal signal) {
  const int number = signal == Signal::kReload    ? SIGHUP
                     : signal == Signal::kUpgrade ? SIGUSR2
                                                  : SIGTERM;
  PM_CHECK(kill(getpid(), number) == 0);
}

void UnblockSignalsForChild() {
  const sigset_t set = WatchedSignals(/*upgrades=*/true);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_DFL);
}

}  // namespace pointsman::common
