#pragma once

// Commands about configuration: apply, diff, validate, history, rollback. Thread-compatible.

#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "pointsman/v1/config.pb.h"

namespace pointsman::cli {

// The files' configurations put together, normalised and checked; "-" is standard input. Errors
// name file and line. InvalidArgument, NotFound, PermissionDenied, ResourceExhausted (a file).
absl::StatusOr<v1::Config> LoadFiles(const std::vector<std::string>& files);

struct ApplyArguments {
  std::vector<std::string> files;
  bool dry_run = false;
  // Shows each change line by line; a dry run does so anyway.
  bool show_lines = false;
  bool replace_overrides = false;
  std::optional<uint64_t> expected_revision;
  std::string comment;
};
CommandResult ApplyFiles(const ApplyArguments& arguments, const CommandContext& context);

// kDifferences when something would change.
CommandResult DiffFiles(const std::vector<std::string>& files, bool replace_overrides,
                        const CommandContext& context);

// What a gateway runs from alone (its flag --static), without its limits; they are checked as well.
// Errors as of LoadFiles().
absl::StatusOr<v1::Config> LoadStaticFile(const std::string& file);

// `static_file`: of a gateway, instead of `files`. Needs no controller.
CommandResult ValidateFiles(const std::vector<std::string>& files,
                            const std::optional<std::string>& static_file,
                            const CommandContext& context);

// Newest first, at most `limit`.
CommandResult ShowHistory(int limit, const CommandContext& context);
// One revision's configuration as YAML (or JSON); 0: the current one.
CommandResult ShowRevision(uint64_t revision, const CommandContext& context);

struct RollbackArguments {
  uint64_t revision = 0;
  std::optional<uint64_t> expected_revision;
  std::string comment;
};
CommandResult RollbackTo(const RollbackArguments& arguments, const CommandContext& context);

}  // namespace pointsman::cli
