#include "common/core/names.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace pointsman::common {
namespace {

constexpr size_t kIdBytesMax = 63;
constexpr size_t kOverrideIdBytesMax = 127;
constexpr size_t kComparedBytesMax = 64;

bool IsWideId(absl::string_view id, size_t bytes_max) {
  if (id.empty() || id.size() > bytes_max) return false;
  return std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
  });
}

}  // namespace

bool IsServiceId(absl::string_view id) {
  if (id.empty() || id.size() > kIdBytesMax) return false;
  return std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_islower(static_cast<unsigned char>(c)) ||
           absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '-';
  });
}

bool IsEndpointId(absl::string_view id) { return IsWideId(id, kIdBytesMax); }
bool IsOverrideId(absl::string_view id) { return IsWideId(id, kOverrideIdBytesMax); }

bool IsToken(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           kTokenPunctuation.find(c) != absl::string_view::npos;
  });
}

std::string ServiceName(absl::string_view id) { return absl::StrCat("services/", id); }
std::string RouteName(absl::string_view id) { return absl::StrCat("routes/", id); }
std::string OverrideName(absl::string_view id) { return absl::StrCat("overrides/", id); }
std::string AgentName(absl::string_view id) { return absl::StrCat("agents/", id); }
std::string GatewayName(absl::string_view id) { return absl::StrCat("gateways/", id); }
std::string EndpointName(absl::string_view service, absl::string_view endpoint) {
  return absl::StrCat("services/", service, "/endpoints/", endpoint);
}

absl::string_view BareId(absl::string_view name, absl::string_view collection) {
  absl::string_view id = name;
  if (absl::ConsumePrefix(&id, collection) && absl::ConsumePrefix(&id, "/")) return id;
  return name;
}

absl::StatusOr<EndpointRef> ParseEndpointName(absl::string_view name) {
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '/');
  EndpointRef ref;
  if (parts.size() == 2) {
    ref = {std::string(parts[0]), std::string(parts[1])};
  } else if (parts.size() == 4 && parts[0] == "services" && parts[2] == "endpoints") {
    ref = {std::string(parts[1]), std::string(parts[3])};
  }
  if (!IsServiceId(ref.service) || !IsEndpointId(ref.endpoint)) {
    return absl::InvalidArgumentError(
        absl::StrCat("endpoint name \"", absl::CHexEscape(name.substr(0, 255)),
                     "\": write SERVICE/ENDPOINT or services/SERVICE/endpoints/ENDPOINT"));
  }
  return ref;
}

int EditDistance(absl::string_view a, absl::string_view b) {
  if (a.size() > kComparedBytesMax || b.size() > kComparedBytesMax) {
    return static_cast<int>(std::max(a.size(), b.size()));
  }
  // Three rows of the usual table; the oldest is for swapped neighbours.
  std::vector<int> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) above[j] = static_cast<int>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = static_cast<int>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const int replaced = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before.swap(above);
    above.swap(row);
  }
  return above[b.size()];
}

std::optional<std::string> NearestName(absl::string_view word, std::span<const std::string> known) {
  const std::string lower = absl::AsciiStrToLower(word);
  std::optional<std::string> best;
  int best_distance = 0;
  for (const std::string& candidate : known) {
    const int distance = EditDistance(lower, absl::AsciiStrToLower(candidate));
    const int longer = static_cast<int>(std::max(word.size(), candidate.size()));
    if (distance * 3 > longer && distance > 1) continue;
    if (distance >= longer) continue;  // Nothing in common.
    if (!best || distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace pointsman::common
