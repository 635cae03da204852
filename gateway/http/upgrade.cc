#include "gateway/http/upgrade.h"

#include <openssl/evp.h>

#include <cstring>

#include "absl/random/distributions.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "common/core/check.h"
#include "gateway/http/scan.h"

namespace pointsman::gateway {

namespace {

constexpr absl::string_view kWebSocketName = "websocket";
// RFC 6455 1.3.
constexpr absl::string_view kWebSocketSalt = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

bool IsKey(absl::string_view text) {
  if (text.size() != std::tuple_size_v<WebSocketKey> || !absl::EndsWith(text, "==")) return false;
  for (char c : text.substr(0, text.size() - 2)) {
    if (!absl::ascii_isalnum(c) && c != '+' && c != '/') return false;
  }
  return true;
}

// OpenSSL writes a zero byte behind what it encodes.
template <size_t kSize>
std::array<char, kSize> Encode(const uint8_t* bytes, size_t n) {
  uint8_t encoded[kSize + 1];
  PM_CHECK(EVP_EncodeBlock(encoded, bytes, static_cast<int>(n)) == static_cast<int>(kSize));
  std::array<char, kSize> text;
  std::memcpy(text.data(), encoded, kSize);
  return text;
}

// The value of the only field with this token that belongs to the whole way; "" otherwise.
absl::string_view OnlyValue(const HeaderBlock& block, FieldToken token) {
  const Field* found = nullptr;
  for (size_t i = 0; i < block.head_fields(); ++i) {
    const Field& field = block.fields()[i];
    if (field.token != token) continue;
    if (field.dropped || found != nullptr) return "";
    found = &field;
  }
  return found != nullptr ? block.At(found->value) : absl::string_view();
}

// A request of HTTP/1 must be the GET of RFC 6455 4.1 with its key; a length, of zero too, says
// that it has a body.
bool IsWebSocketHandshake(const RequestHead& head) {
  if (head.extended_connect) return true;
  return head.method == Method::kGet && head.body == BodyKind::kNone &&
         !WebSocketKeyOf(head.block).empty();
}

Upgrade UpgradeNamed(absl::string_view name, std::span<const std::string> allowed,
                     const RequestHead& head) {
  // Whatever a route lists, nobody comes around the handshake.
  if (absl::EqualsIgnoreCase(name, kWebSocketName)) {
    return IsWebSocketHandshake(head) ? Upgrade::kWebSocket : Upgrade::kNone;
  }
  for (const std::string& one : allowed) {
    if (absl::EqualsIgnoreCase(name, one)) return Upgrade::kOther;
  }
  return Upgrade::kNone;
}

bool SwitchesTo(absl::string_view asked, const HeaderBlock& response) {
  const Field* found = nullptr;
  for (size_t i = 0; i < response.head_fields(); ++i) {
    const Field& field = response.fields()[i];
    if (field.token != FieldToken::kUpgrade) continue;
    if (found != nullptr) return false;
    found = &field;
  }
  return found != nullptr && absl::EqualsIgnoreCase(response.At(found->value), asked);
}

}  // namespace

TextRef ProtocolsAskedFor(const RequestHead& head) {
  const bool empty =
      head.body == BodyKind::kNone || (head.body == BodyKind::kLength && head.content_length == 0);
  if (!empty || head.legacy || head.method == Method::kHead) return {};
  if (head.block.At(head.target) == "*") return {};
  const Field* field = head.block.Find(FieldToken::kUpgrade);
  return field != nullptr ? field->value : TextRef{};
}

void ChooseUpgrade(std::span<const std::string> allowed, RequestHead* head) {
  absl::string_view list = head->block.At(head->protocols);
  while (!list.empty()) {
    // ":protocol" is one name and no list.
    const size_t comma = head->extended_connect ? absl::string_view::npos : list.find(',');
    const absl::string_view name = TrimBlanks(list.substr(0, comma));
    head->upgrade = UpgradeNamed(name, allowed, *head);
    if (head->upgrade != Upgrade::kNone) {
      head->protocols = head->block.RefTo(name);
      return;
    }
    if (comma == absl::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

absl::string_view UpgradeName(const RequestHead& head) {
  if (head.upgrade == Upgrade::kWebSocket) return kWebSocketName;
  return head.block.At(head.protocols);
}

WebSocketKey MakeWebSocketKey(absl::BitGenRef random) {
  uint8_t bytes[16];
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(absl::Uniform<uint32_t>(random, 0, 256));
  return Encode<std::tuple_size_v<WebSocketKey>>(bytes, sizeof(bytes));
}

absl::string_view WebSocketKeyOf(const HeaderBlock& request) {
  const absl::string_view key = OnlyValue(request, FieldToken::kSecWebSocketKey);
  return IsKey(key) ? key : absl::string_view();
}

WebSocketAccept AcceptFor(absl::string_view key) {
  PM_CHECK(key.size() == std::tuple_size_v<WebSocketKey>);
  char text[std::tuple_size_v<WebSocketKey> + kWebSocketSalt.size()];
  std::memcpy(text, key.data(), key.size());
  std::memcpy(text + key.size(), kWebSocketSalt.data(), kWebSocketSalt.size());
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  PM_CHECK(EVP_Digest(text, sizeof(text), digest, &size, EVP_sha1(), nullptr) == 1);
  return Encode<std::tuple_size_v<WebSocketAccept>>(digest, size);
}

bool TakeHandshake(const RequestHead& request, HeaderBlock* response) {
  if (!SwitchesTo(UpgradeName(request), *response)) return false;
  if (request.upgrade != Upgrade::kWebSocket) return true;
  const absl::string_view said = OnlyValue(*response, FieldToken::kSecWebSocketAccept);
  const WebSocketAccept wanted = AcceptFor(WebSocketKeyOf(request.block));
  if (said != absl::string_view(wanted.data(), wanted.size())) return false;
  for (Field& field : response->fields()) {
    if (field.token == FieldToken::kSecWebSocketAccept) field.dropped = true;
  }
  return true;
}

}  // namespace pointsman::gateway
