#include "gateway/http/field_rules.h"

#include "absl/strings/ascii.h"
#include "gateway/http/scan.h"

namespace pointsman::gateway {

namespace {

bool IsIpv6Literal(absl::string_view text) {
  if (text.size() < 4 || text.front() != '[' || text.back() != ']') return false;
  for (char c : text.substr(1, text.size() - 2)) {
    if (!absl::ascii_isxdigit(c) && c != ':' && c != '.') return false;
  }
  return true;
}

}  // namespace

void DropGatewaysOwnFields(HeaderBlock* block) {
  for (Field& field : block->fields()) {
    if (field.token == FieldToken::kPointsman) field.dropped = true;
  }
}

void ApplyTrailerRules(HeaderBlock* block) {
  for (size_t i = block->trailers_begin(); i < block->fields().size(); ++i) {
    Field& field = block->fields()[i];
    // Everything the gateway gives a meaning to belongs in a head.
    if (field.token != FieldToken::kOther) field.dropped = true;
  }
}

int64_t ParseContentLength(absl::string_view text) {
  if (text.empty() || text.size() > 18) return -1;
  if (text.size() > 1 && text.front() == '0') return -1;
  int64_t value = 0;
  for (char c : text) {
    if (!absl::ascii_isdigit(c)) return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

bool IsAuthority(absl::string_view text) {
  if (text.empty()) return false;
  absl::string_view host = text;
  const size_t colon = text.rfind(':');
  if (colon != absl::string_view::npos && text.back() != ']') {
    const absl::string_view port = text.substr(colon + 1);
    if (port.empty() || port.size() > 5) return false;
    for (char c : port) {
      if (!absl::ascii_isdigit(c)) return false;
    }
    host = text.substr(0, colon);
  }
  if (host.empty()) return false;
  if (host.front() == '[') return IsIpv6Literal(host);
  for (char c : host) {
    if (!IsHostByte(c)) return false;
  }
  return true;
}

}  // namespace pointsman::gateway
