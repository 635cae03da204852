#include "gateway/core/text_condition.h"

#include <re2/re2.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/core/status_macros.h"

namespace pointsman::gateway {

absl::StatusOr<std::shared_ptr<const re2::RE2>> CompilePattern(const std::string& text) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);
  auto pattern = std::make_shared<re2::RE2>(text, options);
  if (pattern->ok()) return pattern;
  return absl::InvalidArgumentError(absl::StrCat("pattern \"", text, "\": ", pattern->error()));
}

absl::Status TextCondition::Compile() {
  if (kind != Kind::kPattern) return absl::OkStatus();
  PM_ASSIGN_OR_RETURN(pattern, CompilePattern(value));
  return absl::OkStatus();
}

bool TextCondition::Holds(std::optional<absl::string_view> text) const {
  switch (kind) {
    case Kind::kPresent:
      return text.has_value();
    case Kind::kAbsent:
      return !text.has_value();
    case Kind::kExact:
      return text.has_value() && *text == value;
    case Kind::kPrefix:
      return text.has_value() && absl::StartsWith(*text, value);
    case Kind::kPattern:
      return text.has_value() &&
             re2::RE2::FullMatch(re2::StringPiece(text->data(), text->size()), *pattern);
  }
  return false;
}

}  // namespace pointsman::gateway
