#include "gateway/net/proxy_header.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"

namespace pointsman::gateway {

namespace {

constexpr absl::string_view kV1Begin = "PROXY ";
constexpr size_t kV1BytesMax = 107;
constexpr absl::string_view kV2Begin("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr size_t kV2FixedBytes = 16;
// Address family and transport of version 2, and the bytes of its addresses.
constexpr uint8_t kV2Unspecified = 0x00;
constexpr uint8_t kV2Tcp4 = 0x11;
constexpr uint8_t kV2Tcp6 = 0x21;
constexpr uint8_t kV2UnixStream = 0x31;
constexpr size_t kV2Ipv4Bytes = 12;
constexpr size_t kV2Ipv6Bytes = 36;
constexpr size_t kV2UnixBytes = 216;
constexpr size_t kTlvHeadBytes = 3;

ProxyHeader Failed(ProxyHeaderError error) {
  ProxyHeader header;
  header.state = ProxyHeaderState::kError;
  header.error = error;
  return header;
}

uint8_t ByteAt(absl::string_view bytes, size_t at) { return static_cast<uint8_t>(bytes[at]); }
uint16_t Big16(absl::string_view bytes, size_t at) {
  return static_cast<uint16_t>(ByteAt(bytes, at) << 8 | ByteAt(bytes, at + 1));
}

// 1 to 5 digits, no leading zero.
std::optional<uint16_t> ParsePort(absl::string_view text) {
  uint32_t port = 0;
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text.front() == '0') ||
      !std::all_of(text.begin(), text.end(), absl::ascii_isdigit) ||
      !absl::SimpleAtoi(text, &port) || port > 65535) {
    return std::nullopt;
  }
  return static_cast<uint16_t>(port);
}

std::optional<common::IpAddress> ParseOfFamily(absl::string_view text, bool v6) {
  if (v6) {
    const auto bytes = common::ParseIpv6(text);
    if (!bytes) return std::nullopt;
    return common::IpFromIpv6(*bytes);
  }
  const auto bytes = common::ParseIpv4(text);
  if (!bytes) return std::nullopt;
  return common::IpFromIpv4(*bytes);
}

// The word before the next space, which is taken with it; the rest when there is none.
absl::string_view TakeWord(absl::string_view* text) {
  const size_t space = text->find(' ');
  const absl::string_view word = text->substr(0, space);
  text->remove_prefix(space == absl::string_view::npos ? text->size() : space + 1);
  return word;
}

// "TCP4 192.0.2.1 198.51.100.1 5000 443".
ProxyHeader ParseV1Line(absl::string_view line) {
  ProxyHeader header;
  header.state = ProxyHeaderState::kDone;
  const size_t spaces = static_cast<size_t>(std::count(line.begin(), line.end(), ' '));
  const absl::string_view family = TakeWord(&line);
  // Whatever stands behind it, if anything, says nothing.
  if (family == "UNKNOWN") return header;
  if (family != "TCP4" && family != "TCP6") return Failed(ProxyHeaderError::kFamily);
  if (spaces != 4) return Failed(ProxyHeaderError::kAddress);
  const bool v6 = family == "TCP6";
  header.source = ParseOfFamily(TakeWord(&line), v6);
  const auto destination = ParseOfFamily(TakeWord(&line), v6);
  const auto source_port = ParsePort(TakeWord(&line));
  const auto destination_port = ParsePort(line);
  if (!header.source || !destination || !source_port || !destination_port) {
    return Failed(ProxyHeaderError::kAddress);
  }
  header.source_port = *source_port;
  return header;
}

ProxyHeader ParseV1(absl::string_view bytes) {
  bytes = bytes.substr(0, kV1BytesMax);
  const size_t end = bytes.find('\n');
  if (end == absl::string_view::npos) {
    if (bytes.size() == kV1BytesMax) return Failed(ProxyHeaderError::kTooLong);
    return {};
  }
  if (bytes[end - 1] != '\r') return Failed(ProxyHeaderError::kAddress);
  ProxyHeader header = ParseV1Line(bytes.substr(kV1Begin.size(), end - 1 - kV1Begin.size()));
  header.size = end + 1;
  return header;
}

// Type, length of two bytes, value; one after another to the end.
bool TlvsFit(absl::string_view bytes) {
  while (!bytes.empty()) {
    if (bytes.size() < kTlvHeadBytes) return false;
    const size_t size = kTlvHeadBytes + Big16(bytes, 1);
    if (size > bytes.size()) return false;
    bytes.remove_prefix(size);
  }
  return true;
}

ProxyHeader ReadV2Addresses(absl::string_view body, uint8_t family) {
  ProxyHeader header;
  header.state = ProxyHeaderState::kDone;
  const size_t size = family == kV2Tcp6   ? kV2Ipv6Bytes
                      : family == kV2Tcp4 ? kV2Ipv4Bytes
                                          : kV2UnixBytes;
  if (body.size() < size) return Failed(ProxyHeaderError::kAddress);
  if (!TlvsFit(body.substr(size))) return Failed(ProxyHeaderError::kTlv);
  if (family == kV2UnixStream) return header;
  if (family == kV2Tcp6) {
    std::array<uint8_t, 16> bytes;
    std::copy_n(body.begin(), bytes.size(), bytes.begin());
    header.source = common::IpFromIpv6(bytes);
  } else {
    std::array<uint8_t, 4> bytes;
    std::copy_n(body.begin(), bytes.size(), bytes.begin());
    header.source = common::IpFromIpv4(bytes);
  }
  header.source_port = Big16(body, size - 4);
  return header;
}

ProxyHeader ParseV2(absl::string_view bytes) {
  if (bytes.size() < kV2FixedBytes) return {};
  const uint8_t command = ByteAt(bytes, 12);
  if (command != 0x20 && command != 0x21) return Failed(ProxyHeaderError::kVersion);
  const size_t size = kV2FixedBytes + Big16(bytes, 14);
  if (size > kProxyHeaderBytesMax) return Failed(ProxyHeaderError::kTooLong);
  const uint8_t family = ByteAt(bytes, 13);
  // A health check of the proxy's own, or a client it cannot name: what follows is to be skipped,
  // whatever it is.
  const bool skipped = command == 0x20 || family == kV2Unspecified;
  if (!skipped && family != kV2Tcp4 && family != kV2Tcp6 && family != kV2UnixStream) {
    return Failed(ProxyHeaderError::kFamily);
  }
  if (bytes.size() < size) return {};
  ProxyHeader header;
  header.state = ProxyHeaderState::kDone;
  if (!skipped) {
    header = ReadV2Addresses(bytes.substr(kV2FixedBytes, size - kV2FixedBytes), family);
  }
  header.size = size;
  return header;
}

bool Begins(absl::string_view bytes, absl::string_view what) {
  const size_t size = std::min(bytes.size(), what.size());
  return bytes.substr(0, size) == what.substr(0, size);
}

}  // namespace

ProxyHeader ParseProxyHeader(absl::string_view bytes) {
  if (!Begins(bytes, kV1Begin) && !Begins(bytes, kV2Begin)) {
    return Failed(ProxyHeaderError::kNotOne);
  }
  if (bytes.size() >= kV2Begin.size() && bytes[0] == kV2Begin[0]) return ParseV2(bytes);
  if (bytes.size() >= kV1Begin.size() && bytes[0] == kV1Begin[0]) return ParseV1(bytes);
  return {};
}

}  // namespace pointsman::gateway
