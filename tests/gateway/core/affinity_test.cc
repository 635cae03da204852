#include "gateway/core/affinity.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

TEST(AffinityTest, TextReadsBack) {
  for (const uint64_t value : {uint64_t{1}, uint64_t{0xabcdef}, UINT64_MAX}) {
    EXPECT_EQ(AffinityText(value).size(), 16u);
    EXPECT_EQ(ParseAffinity(AffinityText(value)), value);
  }
}

TEST(AffinityTest, OtherTextIsNone) {
  for (const char* text : {"", "1", "000000000000001", "00000000000000011", "00000000000000g1",
                           "0x00000000000001", "-000000000000001"}) {
    EXPECT_EQ(ParseAffinity(text), 0u) << text;
  }
}

TEST(AffinityTest, EachEndpointOfEachServiceHasItsOwn) {
  std::set<uint64_t> seen;
  for (int i = 0; i < 1'000; ++i) {
    seen.insert(AffinityOf("web", absl::StrCat("web-", i)));
    seen.insert(AffinityOf("api", absl::StrCat("web-", i)));
  }
  EXPECT_EQ(seen.size(), 2'000u);
}

TEST(AffinityTest, SetCookieSaysWhatTheConfigurationSays) {
  EXPECT_EQ(AffinitySetCookie({.name = "pm"}, 0x1f, false),
            "pm=000000000000001f; Path=/; HttpOnly; SameSite=Lax");
  EXPECT_EQ(AffinitySetCookie({.name = "pm", .ttl = absl::Hours(1), .path = "/app"}, 0x1f, true),
            "pm=000000000000001f; Path=/app; Max-Age=3600; HttpOnly; SameSite=Lax; Secure");
}

}  // namespace
}  // namespace pointsman::gateway
