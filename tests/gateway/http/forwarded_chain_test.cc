#include "gateway/http/forwarded_chain.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace pointsman::gateway {
namespace {

const common::CidrSet& Proxies() {
  static const common::CidrSet proxies = *common::CidrSet::Parse("10.0.0.0/8,2001:db8::/32");
  return proxies;
}

std::string Nearest(absl::string_view chain) {
  const auto node = NearestClient(chain, Proxies());
  return node ? std::string(node->host) : "none";
}

TEST(ForwardedChainTest, ReadsAddressesAsProxiesWriteThem) {
  for (const char* text : {"192.0.2.1", "192.0.2.1:80", "::ffff:192.0.2.1", "[::ffff:192.0.2.1]",
                           "[::ffff:c000:201]:65535"}) {
    const auto node = ParseChainNode(text);
    ASSERT_TRUE(node.has_value()) << text;
    EXPECT_EQ(node->ip, common::ParseIpAddress("192.0.2.1")) << text;
  }
  EXPECT_EQ(ParseChainNode("[2001:db8::1]:80")->host, "2001:db8::1");
  for (const char* text :
       {"", "unknown", "_hidden", "192.0.2.1:", "192.0.2.1:x", "192.0.2.1:123456", "[192.0.2.1]",
        "[::1", "::1]", "[::1]x", "[::1]:", "1.2.3", "a,b", "192.0.2.1 "}) {
    EXPECT_FALSE(ParseChainNode(text).has_value()) << text;
  }
}

TEST(ForwardedChainTest, TheClientIsTheNearestWhoIsNoProxy) {
  EXPECT_EQ(Nearest("192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(Nearest("1.1.1.1, 192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(Nearest("1.1.1.1, 192.0.2.1, 10.0.0.1,10.0.0.2"), "192.0.2.1");
  EXPECT_EQ(Nearest("192.0.2.1, [2001:db8::7]:443"), "192.0.2.1");
  EXPECT_EQ(Nearest("10.0.0.3, 10.0.0.1"), "10.0.0.3") << "all are proxies";
  EXPECT_EQ(Nearest("192.0.2.1, ,, 10.0.0.1,"), "192.0.2.1");
}

TEST(ForwardedChainTest, NothingBeforeAForgedEntryCounts) {
  EXPECT_EQ(Nearest("1.1.1.1, unknown"), "none");
  EXPECT_EQ(Nearest("1.1.1.1, unknown, 10.0.0.1"), "10.0.0.1");
  EXPECT_EQ(Nearest("1.1.1.1, \"2.2.2.2\""), "none");
  EXPECT_EQ(Nearest(""), "none");
  EXPECT_EQ(Nearest(","), "none");
}

TEST(ForwardedChainTest, ReadsForwarded) {
  ForwardedElements elements;
  ASSERT_TRUE(ParseForwarded(
      "for=192.0.2.1;proto=https;by=_x ,FOR=\"[2001:db8::1]:80\";Host=\"a:8\",secret=x",
      &elements));
  ASSERT_EQ(elements.size(), 3u);
  EXPECT_EQ(elements[0].from, "192.0.2.1");
  EXPECT_EQ(elements[0].proto, "https");
  EXPECT_EQ(elements[1].from, "[2001:db8::1]:80");
  EXPECT_EQ(elements[1].host, "a:8");
  EXPECT_EQ(elements[2].from, "");
  for (const char* text :
       {"", "for", "for=", "for=a;", "for=a,", ",for=a", "for=a b", "for=\"a", "for=\"a\\\"b\"",
        "for=1;for=2", "for =a", "for= a", "for=[::1]", "for=a;;proto=b", "for=\"a\"b"}) {
    EXPECT_FALSE(ParseForwarded(text, &elements)) << text;
  }
  std::string many = "for=a";
  for (size_t i = 1; i < kForwardedElementsMax; ++i) many += ",for=a";
  EXPECT_TRUE(ParseForwarded(many, &elements));
  EXPECT_FALSE(ParseForwarded(many + ",for=a", &elements));
}

}  // namespace
}  // namespace pointsman::gateway
