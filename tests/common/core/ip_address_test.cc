#include "common/core/ip_address.h"

#include <gtest/gtest.h>

namespace pointsman::common {
namespace {

TEST(IpAddressTest, ReadsIpv4Strictly) {
  EXPECT_EQ(ParseIpv4("0.10.255.1"), (std::array<uint8_t, 4>{0, 10, 255, 1}));
  for (const char* text : {"", "1.2.3", "1.2.3.4.", "1.2.3.4.5", "01.2.3.4", "1.2.3.256", "1..2.3",
                           " 1.2.3.4", "1.2.3.4 ", "1.2.3.0004", "0x1.2.3.4", "1,2,3,4"}) {
    EXPECT_FALSE(ParseIpv4(text).has_value()) << text;
  }
}

TEST(IpAddressTest, AMappedAddressIsTheIpv4One) {
  EXPECT_EQ(ParseIpAddress("::ffff:192.0.2.1"), ParseIpAddress("192.0.2.1"));
  EXPECT_EQ(ParseIpAddress("::ffff:c000:201"), ParseIpAddress("192.0.2.1"));
  EXPECT_NE(ParseIpAddress("::192.0.2.1"), ParseIpAddress("192.0.2.1"));
  EXPECT_TRUE(ParseIpAddress("2001:db8::1")->v6);
  for (const char* text : {"", "name", "[::1]", "::1%eth0", "1.2.3.4:80", "::ffff:1.2.3"}) {
    EXPECT_FALSE(ParseIpAddress(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace pointsman::common
