#pragma once

// What every command gets, and how it writes its result. Thread-compatible.

#include <ostream>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/admin_client.h"
#include "cli/exit_code.h"
#include "cli/text.h"
#include "google/protobuf/message.h"

namespace pointsman::cli {

enum class OutputFormat { kTable, kWide, kJson, kYaml };

struct CommandContext {
  // Null for commands that need none.
  AdminClient* client = nullptr;
  OutputFormat output = OutputFormat::kTable;
  Style style;
  absl::TimeZone zone;
  std::ostream& out;

  bool wide() const { return output == OutputFormat::kWide; }
  // True: written as JSON or YAML; false: it is for the command to write a table.
  bool WriteMessage(const google::protobuf::Message& message) const;
};

// A command's result: the exit code, or what went wrong (the caller writes it to standard error).
using CommandResult = absl::StatusOr<ExitCode>;

// Bytes of one file that are read at all; the configuration's own, smaller bound is told with its
// code.
inline constexpr uint64_t kFileBytesMax = 64 << 20;

}  // namespace pointsman::cli
