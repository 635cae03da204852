#include "controller/rpc/admin_pages.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/core/error_reason.h"
#include "common/core/status_macros.h"

namespace pointsman::controller {
namespace {

// Tells tokens of ours, of this form, from others.
constexpr char kTokenForm[] = "1:";
constexpr size_t kTokenBytesMax = 1'024;

absl::Status Invalid(absl::string_view field, absl::string_view text) {
  return common::WithReason(absl::InvalidArgumentError(absl::StrCat(field, ": ", text)),
                            "PAGE_INVALID", {{"field", std::string(field)}});
}

}  // namespace

absl::StatusOr<uint32_t> PageSize(int32_t asked) {
  if (asked < 0) return Invalid("page_size", absl::StrCat(asked, " is negative"));
  if (asked == 0) return kPageSizeDefault;
  return static_cast<uint32_t>(std::min(asked, kPageSizeMax));
}

std::string PageToken(absl::string_view last) {
  return absl::WebSafeBase64Escape(absl::StrCat(kTokenForm, last));
}

absl::StatusOr<std::string> ParsePageToken(absl::string_view token) {
  if (token.empty()) return std::string();
  std::string text;
  if (token.size() > kTokenBytesMax || !absl::WebSafeBase64Unescape(token, &text) ||
      !absl::StartsWith(text, kTokenForm)) {
    return Invalid("page_token", "not one that this list gave out");
  }
  return text.substr(sizeof(kTokenForm) - 1);
}

absl::StatusOr<uint64_t> ParseNumberToken(absl::string_view token) {
  PM_ASSIGN_OR_RETURN(const std::string text, ParsePageToken(token));
  if (text.empty()) return 0;
  uint64_t number;
  if (!absl::SimpleAtoi(text, &number) || number == 0) {
    return Invalid("page_token", "not one that this list gave out");
  }
  return number;
}

}  // namespace pointsman::controller
