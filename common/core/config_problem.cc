#include "common/core/config_problem.h"

#include "absl/strings/str_cat.h"
#include "common/core/error_reason.h"

namespace pointsman::common {

std::string FormatProblem(const ConfigProblem& problem, absl::string_view source) {
  std::string out(source);
  if (problem.line > 0) absl::StrAppend(&out, out.empty() ? "line " : ":", problem.line);
  if (!problem.path.empty()) absl::StrAppend(&out, out.empty() ? "" : ": ", problem.path);
  absl::StrAppend(&out, out.empty() ? "" : ": ", problem.message, " [", problem.code, "]");
  return out;
}

absl::Status ProblemsToStatus(const ConfigProblems& problems, absl::string_view source) {
  if (problems.empty()) return absl::OkStatus();
  std::string message;
  for (const ConfigProblem& problem : problems) {
    absl::StrAppend(&message, message.empty() ? "" : "\n", FormatProblem(problem, source));
  }
  return WithReason(absl::InvalidArgumentError(message), problems.front().code);
}

void ProblemList::Add(ConfigProblem problem) {
  if (problems_.size() < kConfigProblemsMax) {
    problems_.push_back(std::move(problem));
  } else {
    ++left_out_;
  }
}

ConfigProblems ProblemList::Take() && {
  if (left_out_ > 0) {
    problems_.push_back({.code = std::string(config_code::kLimit),
                         .message = absl::StrCat("and ", left_out_, " more problems")});
  }
  return std::move(problems_);
}

}  // namespace pointsman::common
