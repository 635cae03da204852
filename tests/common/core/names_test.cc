#include "common/core/names.h"

#include <gtest/gtest.h>

#include <vector>

namespace pointsman::common {
namespace {

TEST(NamesTest, KnowsValidIds) {
  EXPECT_TRUE(IsServiceId("web-1"));
  EXPECT_TRUE(IsServiceId(std::string(63, 'a')));
  for (const std::string& id : {std::string(), std::string(64, 'a'), std::string("Web"),
                                std::string("a_b"), std::string("a.b"), std::string("a/b")}) {
    EXPECT_FALSE(IsServiceId(id)) << id;
  }
  EXPECT_TRUE(IsEndpointId("Web_1.eu-1"));
  EXPECT_FALSE(IsEndpointId("a/b"));
  EXPECT_FALSE(IsEndpointId("\xc3\xa4"));
  EXPECT_TRUE(IsOverrideId(std::string(127, 'x')));
  EXPECT_FALSE(IsOverrideId(std::string(128, 'x')));
}

TEST(NamesTest, TakesBareIdsFromNames) {
  EXPECT_EQ(BareId("services/web", "services"), "web");
  EXPECT_EQ(BareId("web", "services"), "web");
  EXPECT_EQ(BareId("services", "services"), "services");
  EXPECT_EQ(BareId("routes/web", "services"), "routes/web");
  EXPECT_EQ(ServiceName(BareId("services/web", "services")), "services/web");
}

TEST(NamesTest, ReadsEndpointNamesInBothForms) {
  const EndpointRef expected{"web", "web-1"};
  EXPECT_EQ(*ParseEndpointName("web/web-1"), expected);
  EXPECT_EQ(*ParseEndpointName(EndpointName("web", "web-1")), expected);
  for (const char* name : {"", "web", "web/", "/web-1", "web/a/b", "services/web/endpoint/web-1",
                           "services/web/endpoints/", "services/web/endpoints/a/b", "Web/web-1"}) {
    EXPECT_FALSE(ParseEndpointName(name).ok()) << name;
  }
}

TEST(NamesTest, CountsEdits) {
  EXPECT_EQ(EditDistance("", ""), 0);
  EXPECT_EQ(EditDistance("abc", "abc"), 0);
  EXPECT_EQ(EditDistance("abc", ""), 3);
  EXPECT_EQ(EditDistance("checks", "chekcs"), 1);
  EXPECT_EQ(EditDistance("timeout", "timeouts"), 1);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3);
  EXPECT_EQ(EditDistance(std::string(1 << 20, 'a'), "a"), 1 << 20);
}

TEST(NamesTest, FindsTheNearestWord) {
  const std::vector<std::string> known = {"checks", "health", "timeouts", "retries"};
  EXPECT_EQ(NearestName("chekcs", known), "checks");
  EXPECT_EQ(NearestName("Retrys", known), "retries");
  EXPECT_EQ(NearestName("timeout", known), "timeouts");
  EXPECT_EQ(NearestName("zzz", known), std::nullopt);
  EXPECT_EQ(NearestName("", known), std::nullopt);
  EXPECT_EQ(NearestName("a", std::vector<std::string>{"b"}), std::nullopt);
}

TEST(NamesTest, TokensAreThoseOfHttp) {
  for (const char* text : {"a", "X-Own", "0", "!#$%&'*+-.^_`|~"})
    EXPECT_TRUE(IsToken(text)) << text;
  for (const char* text : {"", "a b", "a:", "a/b", "\xc3\xa4", "a\n", "(a)"}) {
    EXPECT_FALSE(IsToken(text)) << text;
  }
}

}  // namespace
}  // namespace pointsman::common
