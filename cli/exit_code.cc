#include "cli/exit_code.h"

#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

namespace pointsman::cli {
namespace {

struct Row {
  ExitCode code;
  absl::string_view name;
  absl::string_view meaning;
};

constexpr Row kRows[] = {
    {ExitCode::kOk, "ok", "done; diff: no differences"},
    {ExitCode::kDifferences, "differences", "diff, and only diff: something would change"},
    {ExitCode::kInvalid, "invalid", "wrong command line, or input that breaks a rule"},
    {ExitCode::kNotFound, "not-found", "no such resource, revision or file"},
    {ExitCode::kRefused, "refused", "the present state does not allow it (revision, etag, exists)"},
    {ExitCode::kUnavailable, "unavailable",
     "the controller or its store does not answer; try again"},
    {ExitCode::kDenied, "denied", "this identity may not do that, or a file may not be read"},
    {ExitCode::kLimit, "limit", "a limit is reached"},
    {ExitCode::kInternal, "internal", "a defect of Pointsman; please report it"},
};

}  // namespace

ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return ExitCode::kOk;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return ExitCode::kInvalid;
    case absl::StatusCode::kNotFound:
      return ExitCode::kNotFound;
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kAlreadyExists:
      return ExitCode::kRefused;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
      return ExitCode::kUnavailable;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return ExitCode::kDenied;
    case absl::StatusCode::kResourceExhausted:
      return ExitCode::kLimit;
    default:
      return ExitCode::kInternal;
  }
}

std::string ExitCodeTable() {
  std::string out = "CODE  NAME         MEANING\n";
  for (const Row& row : kRows) {
    absl::StrAppendFormat(&out, "%-4d  %-11s  %s\n", static_cast<int>(row.code), row.name,
                          row.meaning);
  }
  return out;
}

}  // namespace pointsman::cli
