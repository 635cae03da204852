#include "gateway/core/affinity.h"

#include "absl/strings/str_cat.h"
#include "common/core/hashing.h"
#include "common/core/hex.h"

namespace pointsman::gateway {
namespace {

constexpr size_t kDigits = 16;
constexpr uint64_t kSeed = 5;

}  // namespace

uint64_t AffinityOf(absl::string_view service, absl::string_view endpoint_id) {
  const uint64_t hash = common::Hash64(endpoint_id, common::Hash64(service, kSeed));
  return hash == 0 ? 1 : hash;
}

std::string AffinityText(uint64_t affinity) {
  return absl::StrCat(absl::Hex(affinity, absl::kZeroPad16));
}

uint64_t ParseAffinity(absl::string_view text) {
  if (text.size() != kDigits) return 0;
  uint64_t value = 0;
  for (const char c : text) {
    const int digit = common::HexValue(c);
    if (digit < 0) return 0;
    value = value << 4 | static_cast<uint64_t>(digit);
  }
  return value;
}

std::string AffinitySetCookie(const AffinityCookie& cookie, uint64_t affinity, bool secure) {
  std::string text = absl::StrCat(cookie.name, "=", AffinityText(affinity), "; Path=", cookie.path);
  if (cookie.ttl > absl::ZeroDuration()) {
    absl::StrAppend(&text, "; Max-Age=", absl::ToInt64Seconds(cookie.ttl));
  }
  absl::StrAppend(&text, "; HttpOnly; SameSite=Lax", secure ? "; Secure" : "");
  return text;
}

}  // namespace pointsman::gateway
