#pragma once

// A command line that cannot be read, told in our words: CLI11 neither names a command it does not
// know nor the nearest one it does. Thread-compatible.

#include "absl/status/status.h"

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace pointsman::cli {

// InvalidArgument with its next step. `app` is the whole program's, just after its parse() threw
// `error`.
absl::Status UsageError(const CLI::App& app, const CLI::ParseError& error);

}  // namespace pointsman::cli
