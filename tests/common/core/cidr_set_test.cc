#include "common/core/cidr_set.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace pointsman::common {
namespace {

CidrSet Set(absl::string_view text) {
  auto set = CidrSet::Parse(text);
  EXPECT_TRUE(set.ok()) << set.status();
  return *std::move(set);
}

bool Has(const CidrSet& set, absl::string_view address) {
  const auto parsed = ParseIpAddress(address);
  EXPECT_TRUE(parsed.has_value()) << address;
  return parsed && set.Contains(*parsed);
}

TEST(CidrSetTest, ContainsWhatIsBehindItsPrefixes) {
  const CidrSet set = Set("10.0.0.0/8, 192.0.2.7,2001:db8::/33,::1/128, 172.16.0.0/12");
  for (const char* address :
       {"10.0.0.0", "10.255.255.255", "192.0.2.7", "2001:db8::", "2001:db8:7fff:ffff::1", "::1",
        "172.16.0.0", "172.31.255.255", "::ffff:10.1.2.3", "::ffff:c000:207"}) {
    EXPECT_TRUE(Has(set, address)) << address;
  }
  for (const char* address : {"9.255.255.255", "11.0.0.0", "192.0.2.6", "192.0.2.8",
                              "2001:db8:8000::", "2001:db7::", "::2", "172.15.255.255",
                              "172.32.0.0", "::10.1.2.3", "a00::"}) {
    EXPECT_FALSE(Has(set, address)) << address;
  }
}

TEST(CidrSetTest, NestedNetworksAreOne) {
  const CidrSet set = Set("10.1.0.0/16,10.0.0.0/8,10.1.2.3,10.0.0.0/16,10.0.0.0/8");
  EXPECT_TRUE(Has(set, "10.200.0.1"));
  EXPECT_TRUE(Has(set, "10.1.2.3"));
  EXPECT_TRUE(Has(set, "10.255.255.255"));
  EXPECT_FALSE(Has(set, "11.0.0.0"));
}

TEST(CidrSetTest, FamiliesStayApart) {
  const CidrSet v4 = Set("0.0.0.0/0");
  EXPECT_TRUE(Has(v4, "1.2.3.4"));
  EXPECT_TRUE(Has(v4, "::ffff:1.2.3.4"));
  EXPECT_FALSE(Has(v4, "::1"));
  const CidrSet v6 = Set("::/0");
  EXPECT_TRUE(Has(v6, "::1"));
  EXPECT_FALSE(Has(v6, "1.2.3.4"));
  EXPECT_FALSE(Has(v6, "::ffff:1.2.3.4"));
}

TEST(CidrSetTest, TheEmptySetContainsNothing) {
  EXPECT_TRUE(Set("").empty());
  EXPECT_TRUE(Set(" ").empty());
  EXPECT_FALSE(Has(CidrSet(), "127.0.0.1"));
}

TEST(CidrSetTest, RefusesWhatIsNoNetwork) {
  for (const char* text : {"10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/+8",
                           "10.0.0.0/8 8", "10.0.0/8", "10.0.0.0.0/8", "010.0.0.0/8", "10.0.0.256",
                           "name", "10.0.0.0/8,", ",10.0.0.0/8", "2001:db8::/129", "2001:db8::1/32",
                           "[::1]", "::1%eth0", "fe80::/10/8", "10.0.0.0/0000"}) {
    EXPECT_EQ(CidrSet::Parse(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  std::string many = "10.0.0.0";
  for (size_t i = 0; i < CidrSet::kNetworksMax; ++i) absl::StrAppend(&many, ",10.0.0.0");
  EXPECT_EQ(CidrSet::Parse(many).status().code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace pointsman::common
