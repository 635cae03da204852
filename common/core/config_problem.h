#pragma once

// What is wrong with a configuration: one entry a mistake, with the place and a stable code, so
// that a person sees all of them at once and a script can tell them apart. Values;
// thread-compatible.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace pointsman::common {

// Stable codes; docs/errors.md lists them.
namespace config_code {
inline constexpr absl::string_view kSyntax = "CONFIG_SYNTAX";
inline constexpr absl::string_view kEncoding = "CONFIG_ENCODING";
inline constexpr absl::string_view kTooLarge = "CONFIG_TOO_LARGE";
inline constexpr absl::string_view kTooDeep = "CONFIG_TOO_DEEP";
inline constexpr absl::string_view kDocuments = "CONFIG_SEVERAL_DOCUMENTS";
inline constexpr absl::string_view kAlias = "CONFIG_ALIAS";
inline constexpr absl::string_view kUnknownField = "CONFIG_UNKNOWN_FIELD";
inline constexpr absl::string_view kDuplicate = "CONFIG_DUPLICATE";
inline constexpr absl::string_view kType = "CONFIG_TYPE";
inline constexpr absl::string_view kValue = "CONFIG_VALUE";
inline constexpr absl::string_view kRange = "CONFIG_RANGE";
inline constexpr absl::string_view kRequired = "CONFIG_REQUIRED";
inline constexpr absl::string_view kReference = "CONFIG_REFERENCE";
inline constexpr absl::string_view kPattern = "CONFIG_PATTERN";
inline constexpr absl::string_view kAddress = "CONFIG_ADDRESS";
inline constexpr absl::string_view kLimit = "CONFIG_LIMIT";
inline constexpr absl::string_view kConflict = "CONFIG_CONFLICT";
}  // namespace config_code

struct ConfigProblem {
  // One of config_code.
  std::string code = {};
  // "services[0].checks[1].http.path"; empty: the whole file.
  std::string path = {};
  // What is wrong, with value and limit.
  std::string message = {};
  // From 1; 0: not known.
  int line = 0;
  int column = 0;

  friend bool operator==(const ConfigProblem&, const ConfigProblem&) = default;
};

using ConfigProblems = std::vector<ConfigProblem>;

// Problems listed at most; one more entry then says how many were left out.
inline constexpr int kConfigProblemsMax = 20;

// Collects problems up to kConfigProblemsMax and counts the rest.
class ProblemList {
 public:
  void Add(ConfigProblem problem);
  bool empty() const { return problems_.empty(); }
  // True: further problems are only counted, their texts need not be made.
  bool full() const { return problems_.size() >= kConfigProblemsMax; }
  // All of them, and one entry for those left out.
  ConfigProblems Take() &&;

 private:
  ConfigProblems problems_;
  int left_out_ = 0;
};

// "web.yaml:12: services[0].chekcs: unknown field; did you mean "checks"? [CONFIG_UNKNOWN_FIELD]".
std::string FormatProblem(const ConfigProblem& problem, absl::string_view source);

// OK when there is none; else InvalidArgument with one line a problem, and the first problem's code
// as its reason (error_reason.h). `source` is the file's name
// as a person knows it; may be empty.
absl::Status ProblemsToStatus(const ConfigProblems& problems, absl::string_view source);

}  // namespace pointsman::common
