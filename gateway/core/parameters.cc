#include "gateway/core/parameters.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "common/core/hex.h"

namespace pointsman::gateway {
namespace {

bool IsPlain(absl::string_view text) { return text.find_first_of("%+") == absl::string_view::npos; }

// The character at `*at` of encoded text, which moves behind it.
char NextDecoded(absl::string_view text, size_t* at) {
  const char c = text[(*at)++];
  if (c == '+') return ' ';
  if (c != '%' || *at + 2 > text.size()) return c;
  const int high = common::HexValue(text[*at]);
  const int low = common::HexValue(text[*at + 1]);
  if (high < 0 || low < 0) return c;
  *at += 2;
  return static_cast<char>(high * 16 + low);
}

bool DecodesTo(absl::string_view text, absl::string_view wanted) {
  if (IsPlain(text)) return text == wanted;
  size_t at = 0;
  size_t compared = 0;
  while (at < text.size()) {
    const char c = NextDecoded(text, &at);
    if (compared == wanted.size() || wanted[compared++] != c) return false;
  }
  return compared == wanted.size();
}

}  // namespace

std::optional<absl::string_view> FindParameter(absl::string_view query, absl::string_view name,
                                               std::string* scratch) {
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const absl::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const size_t equals = std::min(pair.find('='), pair.size());
    if (pair.empty() || !DecodesTo(pair.substr(0, equals), name)) continue;
    const absl::string_view value = pair.substr(std::min(equals + 1, pair.size()));
    if (IsPlain(value)) return value;
    scratch->clear();
    for (size_t at = 0; at < value.size();) scratch->push_back(NextDecoded(value, &at));
    return absl::string_view(*scratch);
  }
  return std::nullopt;
}

std::optional<absl::string_view> FindCookie(absl::string_view field, absl::string_view name) {
  while (!field.empty()) {
    const size_t end = std::min(field.find(';'), field.size());
    const absl::string_view pair = absl::StripAsciiWhitespace(field.substr(0, end));
    field.remove_prefix(std::min(end + 1, field.size()));
    const size_t equals = pair.find('=');
    if (equals == absl::string_view::npos || pair.substr(0, equals) != name) continue;
    return pair.substr(equals + 1);
  }
  return std::nullopt;
}

}  // namespace pointsman::gateway
