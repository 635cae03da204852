#include "cli/config_commands.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cli/next_step.h"
#include "cli/print_config.h"
#include "common/core/config_format.h"
#include "common/core/config_load.h"
#include "common/core/config_validate.h"
#include "common/core/error_reason.h"
#include "common/core/status_macros.h"
#include "common/files.h"

namespace pointsman::cli {
namespace {

constexpr absl::string_view kStandardInput = "standard input";

absl::StatusOr<std::string> ReadSource(const std::string& file) {
  absl::StatusOr<std::string> text = common::ReadFile(file, kFileBytesMax);
  if (text.ok()) return text;
  switch (text.status().code()) {
    case absl::StatusCode::kNotFound:
      return WithNext(text.status(), "correct the path; \"-\" reads standard input");
    case absl::StatusCode::kPermissionDenied:
      return WithNext(text.status(),
                      "let this user read the file, or pipe it in and name it \"-\"");
    case absl::StatusCode::kInvalidArgument:
      return WithNext(text.status(), "name the file itself, not its folder");
    default:
      return WithNext(text.status(), "see that the file can be read and is one of configuration");
  }
}

std::string SourceName(const std::string& file) {
  return file == "-" ? std::string(kStandardInput) : file;
}

// Where each file's resources begin in the configuration put together.
struct Part {
  std::string source;
  std::string text;
  int services;
  int routes;
  int overrides;
};

// "services[7].checks" of the whole becomes "services[2].checks" of its file, with its place there.
void AttributeTo(const std::vector<Part>& parts, common::ConfigProblem* problem,
                 std::string* source) {
  const std::pair<absl::string_view, int Part::*> kLists[] = {
      {"services[", &Part::services}, {"routes[", &Part::routes}, {"overrides[", &Part::overrides}};
  for (const auto& list : kLists) {
    const absl::string_view prefix = list.first;
    int Part::*const start = list.second;
    absl::string_view rest = problem->path;
    if (!absl::ConsumePrefix(&rest, prefix)) continue;
    const size_t end = rest.find(']');
    int index = 0;
    if (end == absl::string_view::npos || !absl::SimpleAtoi(rest.substr(0, end), &index)) return;
    const auto part = std::find_if(parts.rbegin(), parts.rend(),
                                   [&](const Part& p) { return p.*start <= index; });
    if (part == parts.rend()) return;
    *source = part->source;
    problem->path = absl::StrCat(prefix, index - (*part).*start, rest.substr(end));
    return common::LocateProblem(part->text, problem);
  }
}

absl::Status InvalidConfig(const std::string& problems) {
  return common::WithReason(absl::InvalidArgumentError(problems), "CONFIG_INVALID");
}

absl::StatusOr<v1::Config> LoadSeveral(const std::vector<std::string>& files) {
  v1::Config all;
  std::vector<Part> parts;
  std::string message;
  for (const std::string& file : files) {
    PM_ASSIGN_OR_RETURN(const std::string text, ReadSource(file));
    const absl::StatusOr<v1::Config> parsed = common::ParseConfig(text, SourceName(file));
    if (!parsed.ok()) {
      absl::StrAppend(&message, message.empty() ? "" : "\n", parsed.status().message());
      continue;
    }
    const v1::Config& config = *parsed;
    parts.push_back(
        {SourceName(file), text, all.services_size(), all.routes_size(), all.overrides_size()});
    all.MergeFrom(config);
  }
  // The rules are of the whole: they wait until each file can be read.
  if (!message.empty()) return InvalidConfig(message);
  common::NormalizeConfig(&all);
  for (common::ConfigProblem problem : common::ValidateConfig(all)) {
    std::string source;
    AttributeTo(parts, &problem, &source);
    absl::StrAppend(&message, message.empty() ? "" : "\n", common::FormatProblem(problem, source));
  }
  if (message.empty()) return all;
  return InvalidConfig(message);
}

std::string Count(int count, absl::string_view noun) {
  return absl::StrCat(count, " ", noun, count == 1 ? "" : "s");
}

absl::StatusOr<v1::ApplyResponse> Compare(const std::vector<std::string>& files,
                                          bool replace_overrides, AdminClient* client) {
  v1::ApplyRequest request;
  PM_ASSIGN_OR_RETURN(*request.mutable_config(), LoadFiles(files));
  request.set_validate_only(true);
  request.set_replace_overrides(replace_overrides);
  return client->Apply(request);
}

}  // namespace

absl::StatusOr<v1::Config> LoadFiles(const std::vector<std::string>& files) {
  if (std::count(files.begin(), files.end(), "-") > 1) {
    return WithNext(absl::InvalidArgumentError("\"-\" (standard input) can be read only once"),
                    "give the other configuration as a file");
  }
  if (files.size() != 1) return LoadSeveral(files);
  PM_ASSIGN_OR_RETURN(const std::string text, ReadSource(files[0]));
  return common::LoadConfig(text, SourceName(files[0]));
}

absl::StatusOr<v1::Config> LoadStaticFile(const std::string& file) {
  PM_ASSIGN_OR_RETURN(const std::string text, ReadSource(file));
  PM_ASSIGN_OR_RETURN(common::StaticConfig loaded,
                      common::LoadStaticConfig(text, SourceName(file)));
  return std::move(loaded.config);
}

CommandResult ApplyFiles(const ApplyArguments& arguments, const CommandContext& context) {
  v1::ApplyRequest request;
  PM_ASSIGN_OR_RETURN(*request.mutable_config(), LoadFiles(arguments.files));
  request.set_validate_only(arguments.dry_run);
  request.set_replace_overrides(arguments.replace_overrides);
  request.set_comment(arguments.comment);
  if (arguments.expected_revision) request.set_expected_revision(*arguments.expected_revision);
  PM_ASSIGN_OR_RETURN(const v1::ApplyResponse response, context.client->Apply(request));
  if (context.WriteMessage(response)) return ExitCode::kOk;
  if (response.changes().empty()) {
    context.out << "nothing to change, revision " << response.revision() << "\n";
    return ExitCode::kOk;
  }
  context.out << ChangesText(response.changes(), arguments.dry_run || arguments.show_lines,
                             context.style);
  context.out << (arguments.dry_run ? "not applied (--dry-run), current revision "
                                    : "applied, revision ")
              << response.revision() << "\n";
  return ExitCode::kOk;
}

CommandResult DiffFiles(const std::vector<std::string>& files, bool replace_overrides,
                        const CommandContext& context) {
  PM_ASSIGN_OR_RETURN(const v1::ApplyResponse response,
                      Compare(files, replace_overrides, context.client));
  if (!context.WriteMessage(response)) {
    context.out << ChangesText(response.changes(), /*lines=*/true, context.style);
  }
  return response.changes().empty() ? ExitCode::kOk : ExitCode::kDifferences;
}

CommandResult ValidateFiles(const std::vector<std::string>& files,
                            const std::optional<std::string>& static_file,
                            const CommandContext& context) {
  if (files.empty() && !static_file.has_value()) {
    return WithNext(absl::InvalidArgumentError("no file is named"),
                    "write \"pointsman validate -f FILE\", or \"pointsman validate --static FILE\" "
                    "for a gateway's own file");
  }
  PM_ASSIGN_OR_RETURN(const v1::Config config,
                      static_file.has_value() ? LoadStaticFile(*static_file) : LoadFiles(files));
  if (context.WriteMessage(config)) return ExitCode::kOk;
  context.out << "valid: " << Count(config.services_size(), "service") << ", "
              << Count(config.routes_size(), "route") << ", "
              << Count(config.overrides_size(), "override") << "\n";
  return ExitCode::kOk;
}

CommandResult ShowHistory(int limit, const CommandContext& context) {
  PM_ASSIGN_OR_RETURN(const v1::ListRevisionsResponse response,
                      context.client->ListRevisions(limit));
  if (context.WriteMessage(response)) return ExitCode::kOk;
  context.out << RevisionsTable(response.revisions(), context.style, context.zone);
  return ExitCode::kOk;
}

CommandResult ShowRevision(uint64_t revision, const CommandContext& context) {
  v1::GetRevisionRequest request;
  request.set_revision(revision);
  PM_ASSIGN_OR_RETURN(const v1::ConfigRevision found, context.client->GetRevision(request));
  if (context.output == OutputFormat::kJson) {
    context.out << common::FormatJson(found.config());
  } else {
    context.out << common::FormatYaml(found.config(), {.server_fields = false});
  }
  return ExitCode::kOk;
}

CommandResult RollbackTo(const RollbackArguments& arguments, const CommandContext& context) {
  v1::RollbackRequest request;
  request.set_revision(arguments.revision);
  request.set_comment(arguments.comment);
  if (arguments.expected_revision) request.set_expected_revision(*arguments.expected_revision);
  PM_ASSIGN_OR_RETURN(const v1::ApplyResponse response, context.client->Rollback(request));
  if (context.WriteMessage(response)) return ExitCode::kOk;
  context.out << ChangesText(response.changes(), /*lines=*/false, context.style)
              << "content of revision " << arguments.revision << " is now revision "
              << response.revision() << "\n";
  return ExitCode::kOk;
}

}  // namespace pointsman::cli
