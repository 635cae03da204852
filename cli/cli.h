#pragma once

// The whole program behind `main`: reads the command line, runs one command, writes its result and
// its errors. Thread-compatible.

#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/exit_code.h"

namespace pointsman::cli {

// What the program sees of the world, so that tests can stand in for it.
struct CliEnvironment {
  std::ostream& out;
  std::ostream& err;
  // True: `out` is a terminal.
  bool terminal = false;
  // Columns of the terminal; 0: not known.
  int terminal_width = 0;
  // An environment variable; absent: not set.
  std::function<std::optional<std::string>(const std::string&)> variable;
};

// `arguments` without the program's name.
ExitCode RunCli(const std::vector<std::string>& arguments, const CliEnvironment& environment);

// "error: ..." (what and where) and "next: ..." (what to do about it).
std::string ErrorText(const absl::Status& status);

}  // namespace pointsman::cli
