#include "gateway/tls/server_names.h"

#include <string>

#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

TEST(ServerNamesTest, ExactBeforeWildcardBeforeTheFirst) {
  ServerNames names;
  names.Add("a.example.com", 1);
  names.Add("*.example.com", 2);
  names.Add("*.EXAMPLE.org", 3);
  EXPECT_EQ(names.Find("a.example.com"), 1u);
  EXPECT_EQ(names.Find("A.Example.COM"), 1u);
  EXPECT_EQ(names.Find("b.example.com"), 2u);
  EXPECT_EQ(names.Find("b.example.org"), 3u);
  EXPECT_EQ(names.Find("c.b.example.com"), 0u) << "a wildcard stands for one label";
  EXPECT_EQ(names.Find("example.com"), 0u);
  EXPECT_EQ(names.Find(".example.com"), 0u);
  EXPECT_EQ(names.Find(""), 0u);
}

TEST(ServerNamesTest, TheFirstToClaimANameKeepsIt) {
  ServerNames names;
  names.Add("a.example", 1);
  names.Add("a.example", 2);
  EXPECT_EQ(names.Find("a.example"), 1u);
}

TEST(ServerNamesTest, NamesThatCannotBeMatchNothing) {
  ServerNames names;
  names.Add("a.example", 1);
  EXPECT_EQ(names.Find(std::string(256, 'a')), 0u);
  EXPECT_EQ(names.Find(std::string("a.example\0", 10)), 0u);
}

TEST(ServerNamesTest, HostsOfAuthorities) {
  EXPECT_EQ(HostOfAuthority("a.example"), "a.example");
  EXPECT_EQ(HostOfAuthority("a.example.:443"), "a.example");
  EXPECT_EQ(HostOfAuthority("[::1]:443"), "::1");
  EXPECT_EQ(HostOfAuthority("10.0.0.1:80"), "10.0.0.1");
  EXPECT_EQ(HostOfAuthority(""), "");
}

}  // namespace
}  // namespace pointsman::gateway
