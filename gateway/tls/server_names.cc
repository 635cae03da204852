#include "gateway/tls/server_names.h"

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"

namespace pointsman::gateway {

namespace {
constexpr size_t kNameBytesMax = 255;
}  // namespace

void ServerNames::Add(absl::string_view name, size_t certificate) {
  const std::string lower = absl::AsciiStrToLower(name);
  if (absl::StartsWith(lower, "*.")) {
    wildcard_.try_emplace(lower.substr(1), certificate);
  } else if (!lower.empty()) {
    exact_.try_emplace(lower, certificate);
  }
}

size_t ServerNames::Find(absl::string_view name) const {
  if (name.empty() || name.size() > kNameBytesMax) return 0;
  char lower[kNameBytesMax];
  for (size_t i = 0; i < name.size(); ++i) lower[i] = absl::ascii_tolower(name[i]);
  const absl::string_view key(lower, name.size());
  if (const auto found = exact_.find(key); found != exact_.end()) return found->second;
  const size_t dot = key.find('.');
  if (dot == absl::string_view::npos || dot == 0) return 0;
  const auto found = wildcard_.find(key.substr(dot));
  return found == wildcard_.end() ? 0 : found->second;
}

absl::string_view HostOfAuthority(absl::string_view authority) {
  absl::string_view host = authority;
  if (absl::StartsWith(host, "[")) {
    host = host.substr(1, host.find(']') - 1);
  } else {
    host = host.substr(0, host.find(':'));
  }
  absl::ConsumeSuffix(&host, ".");
  return host;
}

}  // namespace pointsman::gateway
