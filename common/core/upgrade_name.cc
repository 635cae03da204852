#include "common/core/upgrade_name.h"

#include "absl/strings/match.h"
#include "common/core/names.h"

namespace pointsman::common {
namespace {

constexpr size_t kBytesMax = 64;

// A tunnel of HTTP would carry requests that no rule and no route has seen; TLS, what nobody could
// tell from it. The drafts of HTTP/2 were called h2-NN and h2c-NN.
bool IsHopsOwn(absl::string_view protocol) {
  for (absl::string_view own : {"http", "h2", "h2c", "h3", "tls"}) {
    if (absl::EqualsIgnoreCase(protocol, own)) return true;
  }
  return absl::StartsWithIgnoreCase(protocol, "h2-") ||
         absl::StartsWithIgnoreCase(protocol, "h2c-");
}

}  // namespace

absl::string_view UpgradeNameError(absl::string_view name) {
  const size_t slash = name.find('/');
  const bool versioned = slash != absl::string_view::npos;
  const absl::string_view protocol = name.substr(0, slash);
  if (name.size() > kBytesMax || !IsToken(protocol) ||
      (versioned && !IsToken(name.substr(slash + 1)))) {
    return "must be a protocol's name, as in \"tcp\" or \"spdy/3.1\", of at most 64 bytes";
  }
  if (IsHopsOwn(protocol)) return "cannot be followed: requests within it would pass unseen";
  if (versioned && absl::EqualsIgnoreCase(protocol, "websocket")) {
    return "has no version; \"websocket\" is followed in any case";
  }
  return "";
}

}  // namespace pointsman::common
