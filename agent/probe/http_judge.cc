#include "agent/probe/http_judge.h"

#include <re2/re2.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/core/config_validate.h"

namespace pointsman::agent {
namespace {

constexpr size_t kPatternsMax = 64;

RunResult Fail(v1::CheckFailure failure, uint32_t status, std::string detail) {
  return {.failure = failure, .latency = {}, .http_status = status, .detail = std::move(detail)};
}

bool StatusAccepted(const v1::HttpCheck& check, uint32_t status) {
  if (check.statuses().empty()) return status >= 200 && status <= 299;
  return std::any_of(check.statuses().begin(), check.statuses().end(),
                     [status](const std::string& range) { return StatusMatches(range, status); });
}

}  // namespace

bool StatusMatches(absl::string_view range, uint32_t status) {
  const std::pair<absl::string_view, absl::string_view> ends = absl::StrSplit(range, '-');
  uint32_t low;
  if (!absl::SimpleAtoi(ends.first, &low)) return false;
  uint32_t high = low;
  if (ends.second.data() != nullptr && !absl::SimpleAtoi(ends.second, &high)) return false;
  return status >= low && status <= high;
}

HttpJudge::HttpJudge() = default;
HttpJudge::~HttpJudge() = default;

const re2::RE2* HttpJudge::Pattern(const std::string& pattern) {
  const auto at = patterns_.find(pattern);
  if (at != patterns_.end()) return at->second->ok() ? at->second.get() : nullptr;
  if (patterns_.size() >= kPatternsMax) patterns_.clear();
  re2::RE2::Options options;
  // As the controller compiles it when it takes the configuration.
  options.set_max_mem(common::kPatternMemoryMax);
  options.set_log_errors(false);
  auto compiled = std::make_unique<re2::RE2>(pattern, options);
  const re2::RE2* result = patterns_.emplace(pattern, std::move(compiled)).first->second.get();
  return result->ok() ? result : nullptr;
}

bool HttpJudge::HeaderPasses(const v1::HeaderMatch& match, const HttpAnswer& answer) {
  const bool absent_wanted = match.value_case() == v1::HeaderMatch::kPresent && !match.present();
  bool found = false;
  for (const auto& [name, value] : answer.headers) {
    if (!absl::EqualsIgnoreCase(name, match.name())) continue;
    found = true;
    switch (match.value_case()) {
      case v1::HeaderMatch::kExact:
        if (value == match.exact()) return true;
        break;
      case v1::HeaderMatch::kPrefix:
        if (absl::StartsWith(value, match.prefix())) return true;
        break;
      case v1::HeaderMatch::kMatches: {
        const re2::RE2* pattern = Pattern(match.matches());
        if (pattern != nullptr && re2::RE2::FullMatch(value, *pattern)) return true;
        break;
      }
      default:
        return !absent_wanted;
    }
  }
  return absent_wanted && !found;
}

RunResult HttpJudge::Judge(const v1::HttpCheck& check, const HttpAnswer& answer) {
  if (!StatusAccepted(check, answer.status)) {
    return Fail(v1::CHECK_FAILURE_STATUS, answer.status, absl::StrCat("status ", answer.status));
  }
  if (check.has_response_header() && !HeaderPasses(check.response_header(), answer)) {
    return Fail(v1::CHECK_FAILURE_HEADER, answer.status,
                absl::StrCat("header ", check.response_header().name(), " is not as asked"));
  }
  if (!check.body_contains().empty() && !absl::StrContains(answer.body, check.body_contains())) {
    return Fail(v1::CHECK_FAILURE_BODY, answer.status, "body does not contain the text");
  }
  if (!check.body_matches().empty()) {
    const re2::RE2* pattern = Pattern(check.body_matches());
    if (pattern == nullptr) {
      return Fail(v1::CHECK_FAILURE_PROTOCOL, answer.status, "body_matches does not compile");
    }
    if (!re2::RE2::PartialMatch(answer.body, *pattern)) {
      return Fail(v1::CHECK_FAILURE_BODY, answer.status, "body does not match the pattern");
    }
  }
  return Fail(v1::CHECK_FAILURE_UNSPECIFIED, answer.status, "");
}

}  // namespace pointsman::agent
