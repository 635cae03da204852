#include "gateway/http/forwarded_chain.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "gateway/http/scan.h"

namespace pointsman::gateway {

namespace {

bool IsPort(absl::string_view text) {
  return !text.empty() && text.size() <= 5 &&
         std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

// A token or a quoted string at the beginning of `*text`, which is moved behind it.
bool TakeValue(absl::string_view* text, absl::string_view* value) {
  size_t end = 0;
  if (!text->empty() && text->front() == '"') {
    end = text->find_first_of("\"\\", 1);
    if (end == absl::string_view::npos || (*text)[end] != '"') return false;
    *value = text->substr(1, end - 1);
    ++end;
  } else {
    while (end < text->size() && IsTokenByte((*text)[end])) ++end;
    *value = text->substr(0, end);
    if (end == 0) return false;
  }
  text->remove_prefix(end);
  return true;
}

// "for=192.0.2.1" at the beginning of `*text`; false: no parameter, or one a second time.
bool TakeParameter(absl::string_view* text, ForwardedElement* element) {
  size_t equals = 0;
  while (equals < text->size() && IsTokenByte((*text)[equals])) ++equals;
  if (equals == 0 || equals == text->size() || (*text)[equals] != '=') return false;
  const absl::string_view name = text->substr(0, equals);
  text->remove_prefix(equals + 1);
  absl::string_view value;
  if (!TakeValue(text, &value)) return false;
  absl::string_view* place = nullptr;
  if (absl::EqualsIgnoreCase(name, "for")) place = &element->from;
  if (absl::EqualsIgnoreCase(name, "host")) place = &element->host;
  if (absl::EqualsIgnoreCase(name, "proto")) place = &element->proto;
  if (place == nullptr) return true;
  if (!place->empty()) return false;
  *place = value;
  return true;
}

}  // namespace

std::optional<ChainNode> ParseChainNode(absl::string_view text) {
  if (!text.empty() && text.front() == '[') {
    const size_t end = text.find(']');
    if (end == absl::string_view::npos) return std::nullopt;
    const absl::string_view behind = text.substr(end + 1);
    if (!behind.empty() && (behind.front() != ':' || !IsPort(behind.substr(1)))) {
      return std::nullopt;
    }
    text = text.substr(1, end - 1);
    const auto bytes = common::ParseIpv6(text);
    if (!bytes) return std::nullopt;
    return ChainNode{text, common::IpFromIpv6(*bytes)};
  }
  const size_t colon = text.find(':');
  if (colon != absl::string_view::npos && colon == text.rfind(':')) {
    if (!IsPort(text.substr(colon + 1))) return std::nullopt;
    text = text.substr(0, colon);
  }
  const std::optional<common::IpAddress> ip = common::ParseIpAddress(text);
  if (!ip) return std::nullopt;
  return ChainNode{text, *ip};
}

std::optional<ChainNode> NearestClient(absl::string_view chain, const common::CidrSet& proxies) {
  std::optional<ChainNode> nearest;
  while (true) {
    const size_t comma = chain.rfind(',');
    const absl::string_view entry =
        TrimBlanks(comma == absl::string_view::npos ? chain : chain.substr(comma + 1));
    if (!entry.empty()) {
      const std::optional<ChainNode> node = ParseChainNode(entry);
      if (!node) return nearest;
      nearest = node;
      if (!proxies.Contains(node->ip)) return nearest;
    }
    if (comma == absl::string_view::npos) return nearest;
    chain = chain.substr(0, comma);
  }
}

bool ParseForwarded(absl::string_view text, ForwardedElements* elements) {
  elements->clear();
  while (true) {
    text = TrimBlanks(text);
    if (elements->size() == kForwardedElementsMax) return false;
    elements->emplace_back();
    while (true) {
      if (!TakeParameter(&text, &elements->back())) return false;
      if (text.empty() || text.front() != ';') break;
      text.remove_prefix(1);
    }
    text = TrimBlanks(text);
    if (text.empty()) return true;
    if (text.front() != ',') return false;
    text.remove_prefix(1);
  }
}

std::optional<ChainNode> NearestClient(const ForwardedElements& elements,
                                       const common::CidrSet& proxies, size_t* index) {
  std::optional<ChainNode> nearest;
  for (size_t i = elements.size(); i > 0; --i) {
    const std::optional<ChainNode> node = ParseChainNode(elements[i - 1].from);
    if (!node) return nearest;
    nearest = node;
    *index = i - 1;
    if (!proxies.Contains(node->ip)) return nearest;
  }
  return nearest;
}

}  // namespace pointsman::gateway
