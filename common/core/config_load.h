#pragma once

// Reads configuration from text. YAML 1.2 as people write it; JSON is a part of it and goes the
// same way. Text is mapped onto the messages of proto/pointsman/v1 field by field:
//  - names in snake_case or lowerCamelCase; an unknown one is an error that names the nearest, or
//    where one that stands a level off belongs;
//  - durations "2s", "150ms", "1m30s"; times as RFC 3339;
//  - enums by name, with or without prefix, in any case: `signal: in_flight`;
//  - bytes as text (an escape for what is not); maps as maps; a oneof by naming its field;
//  - null and an empty value mean absent (for messages: present with every default).
// Anything else is a problem with line, path and code; all of them are listed.
//
// Bad input is never more than an error: size, depth and aliases are bounded.
// Thread-safe (no state).

#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/core/config_problem.h"
#include "pointsman/v1/config.pb.h"
#include "pointsman/v1/gateway_limits.pb.h"

namespace pointsman::common {

// Bytes of text, levels of nesting, values (aliases counted each time they are used), and
// characters that YAML gives a meaning in lists and maps (brackets, braces, commas, colons): the
// parser keeps a token of a few hundred bytes for each of these.
inline constexpr size_t kConfigTextBytesMax = 8 << 20;
inline constexpr int kConfigDepthMax = 32;
inline constexpr int kConfigValuesMax = 1'000'000;
inline constexpr int kConfigPunctuationMax = 1'000'000;

// Parses, normalises and validates: what Apply and files at start use. InvalidArgument with every
// problem (at most kConfigProblemsMax), mistakes of writing and broken rules together, each with
// its line. `source` is shown as the file's name.
absl::StatusOr<v1::Config> LoadConfig(absl::string_view text, absl::string_view source);

// What a gateway runs from alone (static.proto).
struct StaticConfig {
  v1::Config config;
  // Absent: the file says nothing of them.
  std::optional<v1::GatewayLimits> limits;
};

// As LoadConfig(), and the process's limits with their rules.
absl::StatusOr<StaticConfig> LoadStaticConfig(absl::string_view text, absl::string_view source);

// Only parses: names stay as written, rules are not checked. InvalidArgument as above.
absl::StatusOr<v1::Config> ParseConfig(absl::string_view text, absl::string_view source);

// Where a problem's path stands in a text that ParseConfig takes: fills line and column of the
// deepest part that the text has. O(text).
void LocateProblem(absl::string_view text, ConfigProblem* problem);

// The same for any message (tools, tests, other files). `message` is cleared first. Returns every
// problem; empty: it is filled in.
ConfigProblems ParseYaml(absl::string_view text, google::protobuf::Message* message);

}  // namespace pointsman::common
