#include "gateway/net/proxy_header.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace pointsman::gateway {
namespace {

const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
const std::string kIpv4("\xc0\x00\x02\x01\xc6\x33\x64\x01\x13\x88\x01\xbb", 12);
const std::string kIpv6 = "\x20\x01\x0d\xb8" + std::string(11, '\0') + "\x07" + "\x20\x01\x0d\xb8" +
                          std::string(11, '\0') + "\x08" + "\x13\x88\x01\xbb";

std::string V2(uint8_t command, uint8_t family, const std::string& body) {
  return absl::StrCat(kSignature, std::string(1, static_cast<char>(command)),
                      std::string(1, static_cast<char>(family)),
                      std::string(1, static_cast<char>(body.size() >> 8)),
                      std::string(1, static_cast<char>(body.size() & 255)), body);
}
std::string Tlv(uint8_t type, size_t size, const std::string& value) {
  return absl::StrCat(std::string(1, static_cast<char>(type)),
                      std::string(1, static_cast<char>(size >> 8)),
                      std::string(1, static_cast<char>(size & 255)), value);
}

struct Good {
  std::string bytes;
  std::string source;  // "" : the socket's own.
  uint16_t port;
};
std::vector<Good> GoodHeaders() {
  return {
      {"PROXY TCP4 192.0.2.1 198.51.100.1 5000 443\r\n", "192.0.2.1", 5000},
      {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255", 65535},
      {"PROXY TCP6 2001:db8::7 2001:db8::8 5000 443\r\n", "2001:db8::7", 5000},
      {"PROXY TCP6 ::ffff:192.0.2.1 ::1 0 443\r\n", "192.0.2.1", 0},
      {"PROXY UNKNOWN\r\n", "", 0},
      {"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", "", 0},
      {V2(0x21, 0x11, kIpv4), "192.0.2.1", 5000},
      {V2(0x21, 0x21, kIpv6), "2001:db8::7", 5000},
      {V2(0x21, 0x11, kIpv4 + Tlv(4, 3, "abc") + Tlv(2, 0, "")), "192.0.2.1", 5000},
      {V2(0x21, 0x11, kIpv4 + Tlv(4, 505, std::string(505, 'x'))), "192.0.2.1", 5000},
      {V2(0x21, 0x11, kIpv4 + Tlv(4, 4065, std::string(4065, 'x'))), "192.0.2.1", 5000},
      {V2(0x21, 0x00, ""), "", 0},
      {V2(0x21, 0x00, kIpv4), "", 0},
      {V2(0x21, 0x00, Tlv(4, 3, "abc")), "", 0},
      {V2(0x21, 0x31, std::string(216, 'u')), "", 0},
      {V2(0x21, 0x31, std::string(216, 'u') + Tlv(4, 3, "abc")), "", 0},
      {V2(0x20, 0x00, ""), "", 0},
      {V2(0x20, 0x11, kIpv4), "", 0},
      {V2(0x20, 0x00, "anything"), "", 0},
  };
}

TEST(ProxyHeaderTest, NamesTheSourceHoweverTheBytesCome) {
  for (const Good& good : GoodHeaders()) {
    const std::string bytes = good.bytes + "GET / HTTP/1.1\r\n";
    for (size_t cut = 0; cut <= bytes.size(); ++cut) {
      const ProxyHeader header = ParseProxyHeader(absl::string_view(bytes).substr(0, cut));
      if (cut < good.bytes.size()) {
        ASSERT_EQ(header.state, ProxyHeaderState::kMore) << good.bytes << " cut at " << cut;
        continue;
      }
      ASSERT_EQ(header.state, ProxyHeaderState::kDone) << good.bytes << " cut at " << cut;
      EXPECT_EQ(header.size, good.bytes.size());
      EXPECT_EQ(header.source, common::ParseIpAddress(good.source)) << good.bytes;
      EXPECT_EQ(header.source_port, good.port);
    }
  }
}

struct Bad {
  std::string bytes;
  ProxyHeaderError error;
};
std::vector<Bad> BadHeaders() {
  using Error = ProxyHeaderError;
  return {
      {"GET / HTTP/1.1\r\n", Error::kNotOne},
      {"proxy TCP4 ", Error::kNotOne},
      {"PROXYX", Error::kNotOne},
      {"\r\n\r\n\r", Error::kNotOne},
      {"\x16\x03\x01", Error::kNotOne},
      {" PROXY TCP4", Error::kNotOne},
      {"PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n", Error::kFamily},
      {"PROXY \r\n", Error::kFamily},
      {"PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n", Error::kFamily},
      {"PROXY TCP4\r\n", Error::kAddress},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", Error::kAddress},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", Error::kAddress},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", Error::kAddress},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", Error::kAddress},
      {"PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n", Error::kAddress},
      {"PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n", Error::kAddress},
      {"PROXY TCP4 1.2.3.4 host 1 2\r\n", Error::kAddress},
      {"PROXY TCP4 ::1 ::1 1 2\r\n", Error::kAddress},
      {"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", Error::kAddress},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", Error::kAddress},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", Error::kAddress},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n", Error::kAddress},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n", Error::kAddress},
      {"PROXY UNKNOWN " + std::string(94, 'x') + "\r\n", Error::kTooLong},
      {"PROXY " + std::string(101, 'x'), Error::kTooLong},
      {V2(0x11, 0x11, kIpv4), Error::kVersion},
      {V2(0x22, 0x11, kIpv4), Error::kVersion},
      {V2(0x2f, 0x11, kIpv4), Error::kVersion},
      {V2(0x21, 0x01, kIpv4), Error::kFamily},
      {V2(0x21, 0x10, kIpv4), Error::kFamily},
      {V2(0x21, 0x12, kIpv4), Error::kFamily},
      {V2(0x21, 0x32, std::string(216, 'u')), Error::kFamily},
      {V2(0x21, 0x41, std::string(216, 'u')), Error::kFamily},
      {V2(0x21, 0x31, std::string(215, 'u')), Error::kAddress},
      {V2(0x21, 0x31, std::string(216, 'u') + Tlv(4, 4, "abc")), Error::kTlv},
      {V2(0x21, 0x11, kIpv4.substr(0, 11)), Error::kAddress},
      {V2(0x21, 0x21, kIpv4), Error::kAddress},
      {V2(0x21, 0x11, kIpv4 + "\x04"), Error::kTlv},
      {V2(0x21, 0x11, kIpv4 + Tlv(4, 4, "abc")), Error::kTlv},
      {V2(0x21, 0x11, kIpv4 + Tlv(4, 65535, "abc")), Error::kTlv},
      {V2(0x21, 0x11, kIpv4 + Tlv(4, 4066, std::string(4066, 'x'))), Error::kTooLong},
      {V2(0x20, 0x00, std::string(4081, 'x')), Error::kTooLong},
      {V2(0x21, 0x00, std::string(4081, 'x')), Error::kTooLong},
      {kSignature + "\x21\x11\xff\xff", Error::kTooLong},
  };
}

TEST(ProxyHeaderTest, RefusesEverythingElseHoweverItComes) {
  for (const Bad& bad : BadHeaders()) {
    EXPECT_EQ(ParseProxyHeader(bad.bytes).error, bad.error) << bad.bytes;
    // A beginning is undecided, or refused for the same reason; never taken.
    for (size_t cut = 0; cut < bad.bytes.size(); ++cut) {
      const ProxyHeader header = ParseProxyHeader(absl::string_view(bad.bytes).substr(0, cut));
      ASSERT_NE(header.state, ProxyHeaderState::kDone) << bad.bytes << " cut at " << cut;
      if (header.state == ProxyHeaderState::kError) {
        ASSERT_EQ(header.error, bad.error);
      }
    }
  }
}

}  // namespace
}  // namespace pointsman::gateway
