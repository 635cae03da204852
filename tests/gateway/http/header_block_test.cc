#include "gateway/http/header_block.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

const std::vector<std::pair<std::string, FieldToken>>& Known() {
  static const auto* known = new std::vector<std::pair<std::string, FieldToken>>{
      {"te", FieldToken::kTe},
      {"via", FieldToken::kVia},
      {"host", FieldToken::kHost},
      {"cookie", FieldToken::kCookie},
      {"upgrade", FieldToken::kUpgrade},
      {"x-real-ip", FieldToken::kXRealIp},
      {"connection", FieldToken::kConnection},
      {"x-request-id", FieldToken::kXRequestId},
      {"x-http-method", FieldToken::kMethodOverride},
      {"content-length", FieldToken::kContentLength},
      {"x-original-url", FieldToken::kPathOverride},
      {"x-forwarded-for", FieldToken::kXForwardedFor},
      {"proxy-connection", FieldToken::kProxyConnection},
      {"transfer-encoding", FieldToken::kTransferEncoding},
      {"sec-websocket-key", FieldToken::kSecWebSocketKey},
      {"proxy-authorization", FieldToken::kProxyAuthorization},
      {"sec-websocket-accept", FieldToken::kSecWebSocketAccept},
      {"x-http-method-override", FieldToken::kMethodOverride},
      {"x-forwarded-port", FieldToken::kXForwardedOther},
      {"x-pointsman-reason", FieldToken::kPointsman},
  };
  return *known;
}

FieldToken Plain(const std::string& name) {
  bool alias = true;
  const FieldToken token = TokenOf(name, &alias);
  EXPECT_FALSE(alias) << name;
  return token;
}

TEST(TokenOfTest, KnowsNamesInAnyCase) {
  for (const auto& [name, token] : Known()) {
    EXPECT_EQ(Plain(name), token) << name;
    EXPECT_EQ(Plain(absl::AsciiStrToUpper(name)), token) << name;
    std::string mixed = name;
    for (size_t i = 0; i < mixed.size(); i += 2) mixed[i] = absl::ascii_toupper(mixed[i]);
    EXPECT_EQ(Plain(mixed), token) << mixed;
  }
}

TEST(TokenOfTest, UnderscoresMakeAnAlias) {
  for (const auto& [name, token] : Known()) {
    if (!absl::StrContains(name, "-")) continue;
    for (const std::string& text : {name, absl::AsciiStrToUpper(name)}) {
      bool alias = false;
      EXPECT_EQ(TokenOf(absl::StrReplaceAll(text, {{"-", "_"}}), &alias), token) << text;
      EXPECT_TRUE(alias) << text;
    }
  }
}

TEST(TokenOfTest, OneByteMakesAnotherName) {
  for (const auto& [name, token] : Known()) {
    if (token == FieldToken::kXForwardedOther || token == FieldToken::kPointsman) continue;
    for (size_t i = 0; i < name.size(); ++i) {
      for (const char other : {'~', '0', 'q'}) {
        if (name[i] == other) continue;
        std::string changed = name;
        changed[i] = other;
        EXPECT_NE(Plain(changed), token) << changed;
      }
    }
    EXPECT_EQ(Plain(name.substr(1)), FieldToken::kOther) << name.substr(1);
  }
}

TEST(TokenOfTest, DoesNotReadBehindAName) {
  const std::string text = "content-lengthened";
  bool alias = false;
  EXPECT_EQ(TokenOf(absl::string_view(text).substr(0, 14), &alias), FieldToken::kContentLength);
  EXPECT_EQ(TokenOf(text, &alias), FieldToken::kOther);
  EXPECT_EQ(TokenOf("", &alias), FieldToken::kOther);
}

}  // namespace
}  // namespace pointsman::gateway
