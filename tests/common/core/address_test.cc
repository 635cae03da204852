#include "common/core/address.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace pointsman::common {
namespace {

TEST(AddressTest, ReadsEachForm) {
  struct Case {
    std::string text;
    Address::Kind kind;
    std::string host;
    uint16_t port;
  };
  const Case kCases[] = {
      {"10.0.0.7:8080", Address::Kind::kIpv4, "10.0.0.7", 8080},
      {"[2001:DB8::7]:8080", Address::Kind::kIpv6, "2001:db8::7", 8080},
      {"[::]:1", Address::Kind::kIpv6, "::", 1},
      {"[::ffff:1.2.3.4]:0", Address::Kind::kIpv6, "::ffff:102:304", 0},
      {"[1:0:0:2:0:0:0:3]:1", Address::Kind::kIpv6, "1:0:0:2::3", 1},
      {"[1:2:3:4:5:6:7:8]:65535", Address::Kind::kIpv6, "1:2:3:4:5:6:7:8", 65535},
      {"unix:/run/web.sock", Address::Kind::kUnix, "/run/web.sock", 0},
      {"Web-1.example.com:80", Address::Kind::kName, "web-1.example.com", 80},
      {"localhost:80", Address::Kind::kName, "localhost", 80},
  };
  for (const Case& c : kCases) {
    const auto address = ParseAddress(c.text);
    ASSERT_TRUE(address.ok()) << c.text << ": " << address.status();
    EXPECT_EQ(address->kind, c.kind) << c.text;
    EXPECT_EQ(HostOf(*address), c.host);
    EXPECT_EQ(address->port, c.port) << c.text;
  }
}

TEST(AddressTest, CanonicalTextReadsBackToTheSameAddress) {
  for (const char* text : {"10.0.0.7:8080", "[2001:db8::7]:8080", "unix:/run/web.sock", "a.b:1",
                           "[::1]:0", "[0:0:1::]:5", "[1::1:0:0:0:2]:5"}) {
    const auto address = ParseAddress(text);
    ASSERT_TRUE(address.ok()) << text;
    const auto again = ParseAddress(ToString(*address));
    ASSERT_TRUE(again.ok()) << ToString(*address);
    EXPECT_EQ(*again, *address) << text;
  }
}

TEST(AddressTest, RefusesWhatIsNoAddress) {
  const std::string kTexts[] = {"",
                                "10.0.0.7",
                                "10.0.0.7:",
                                "10.0.0.7:65536",
                                "10.0.0.7:-1",
                                "10.0.0.7:+1",
                                "10.0.0.7:8x",
                                "10.0.0:80",
                                "10.0.0.256:80",
                                "010.0.0.1:80",
                                "1.2.3.4.5:80",
                                "::1:80",
                                "[::1]",
                                "[::1:80",
                                "[::1]80",
                                "[1::2::3]:80",
                                "[12345::]:80",
                                "[fe80::1%eth0]:80",
                                "[1:2:3:4:5:6:7:8:9]:1",
                                "[:1:2]:1",
                                "[1.2.3.4::]:1",
                                "unix:",
                                "unix:web.sock",
                                "unix:/" + std::string(107, 'a'),
                                std::string("unix:/a\0b", 9),
                                "-a:80",
                                "a..b:80",
                                "a b:80",
                                ":80",
                                std::string(64, 'a') + ":80",
                                std::string(300, 'a') + ":80",
                                "\xff\xfe:80"};
  for (const std::string& text : kTexts) {
    const auto address = ParseAddress(text);
    EXPECT_FALSE(address.ok()) << text;
    EXPECT_EQ(address.status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(AddressTest, ErrorSaysWhatIsWrongAndShowsTheForms) {
  const absl::Status status = ParseAddress("10.0.0.7").status();
  EXPECT_NE(status.message().find("\"10.0.0.7\": the port is missing"), absl::string_view::npos);
  EXPECT_NE(status.message().find("unix:/run/web.sock"), absl::string_view::npos);
}

TEST(AddressTest, KnowsLoopback) {
  const std::pair<const char*, bool> kCases[] = {
      {"127.0.0.1:1", true},
      {"127.9.9.9:1", true},
      {"10.0.0.1:1", false},
      {"0.0.0.0:1", false},
      {"[::1]:1", true},
      {"[::]:1", false},
      {"[::ffff:127.0.0.1]:1", true},
      {"[::ffff:10.0.0.1]:1", false},
      {"[::2]:1", false},
      {"unix:/a", true},
      {"localhost:1", true},
      {"localhost.evil.com:1", false},
  };
  for (const auto& [text, expected] : kCases) {
    EXPECT_EQ(IsLoopback(*ParseAddress(text)), expected) << text;
  }
}

TEST(AddressTest, KnowsWhatAHostFieldMayHold) {
  for (const char* text : {"a.example", "a.example:8443", "10.0.0.7", "[::1]", "[::1]:80"}) {
    EXPECT_TRUE(IsHostText(text)) << text;
  }
  for (const char* text : {"", ":80", "a b", "a\r\nb", "a:b", "a:80:80", "unix:/run/a.sock", "::1",
                           "http://a", "a/b", "a@b"}) {
    EXPECT_FALSE(IsHostText(text)) << text;
  }
}

}  // namespace
}  // namespace pointsman::common
