#include <sys/ioctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "cli/cli.h"

namespace {

int TerminalWidth() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

std::optional<std::string> Variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return value;
}

}  // namespace

int main(int argc, char** argv) {
  // `pointsman get ... | head` ends quietly.
  std::signal(SIGPIPE, SIG_DFL);
  // Errors are told once and in our words; whoever wants gRPC's own lines too sets the variable.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  const pointsman::cli::CliEnvironment environment{
      .out = std::cout,
      .err = std::cerr,
      .terminal = isatty(STDOUT_FILENO) == 1,
      .terminal_width = TerminalWidth(),
      .variable = Variable,
  };
  return static_cast<int>(
      pointsman::cli::RunCli(std::vector<std::string>(argv + 1, argv + argc), environment));
}
