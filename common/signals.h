#pragma once

// SIGTERM, SIGINT, SIGHUP and, where asked for, SIGUSR2 as events on a descriptor instead of
// handlers. Made first thing in main, before any thread: the signals are blocked in the calling
// thread and so in all threads started later. SIGPIPE is ignored from then on (writes report
// EPIPE). Thread-safe.

#include <optional>

#include "absl/time/time.h"

namespace pointsman::common {

enum class Signal {
  // SIGTERM or SIGINT: drain and end.
  kTerminate,
  // SIGHUP: read the configuration again.
  kReload,
  // SIGUSR2: let a new process take over.
  kUpgrade,
};

class Signals {
 public:
  // `upgrades`: whether SIGUSR2 is watched; if not, it ends the process as it does by default.
  explicit Signals(bool upgrades = false);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  // Readable when a signal waits; for event loops. Owned by this object.
  int fd() const { return fd_; }
  // The next signal if one waits.
  std::optional<Signal> Poll();
  // Blocks until a signal comes.
  Signal Wait();
  // Blocks until a signal comes or `timeout` has passed.
  std::optional<Signal> WaitFor(absl::Duration timeout);
  // Makes another thread's (or the next) Wait() return `signal`: how a program tells itself. Only
  // with what is watched.
  static void Request(Signal signal);
  void RequestTermination() { Request(Signal::kTerminate); }

 private:
  int fd_;
};

// Undoes the blocking in a child before exec: children start with every signal open. Safe between
// fork and exec.
void UnblockSignalsForChild();

}  // namespace pointsman::common
