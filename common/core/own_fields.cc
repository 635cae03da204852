#include "common/core/own_fields.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace pointsman::common {

bool IsOwnField(absl::string_view name) {
  static constexpr absl::string_view kOwn[] = {
      "connection",   "content-length",    "expect",      "forwarded", "host",    "keep-alive",
      "grpc-timeout", "proxy-connection",  "te",          "trailer",   "upgrade", "via",
      "x-real-ip",    "transfer-encoding", "x-request-id"};
  static constexpr absl::string_view kPrefixes[] = {"sec-websocket-", "x-forwarded-",
                                                    "x-pointsman-"};
  std::string folded = absl::AsciiStrToLower(name);
  std::replace(folded.begin(), folded.end(), '_', '-');
  const auto begins = [&folded](absl::string_view prefix) {
    return absl::StartsWith(folded, prefix);
  };
  return std::find(std::begin(kOwn), std::end(kOwn), folded) != std::end(kOwn) ||
         std::any_of(std::begin(kPrefixes), std::end(kPrefixes), begins);
}

}  // namespace pointsman::common
