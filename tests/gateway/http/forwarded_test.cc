#include "gateway/http/forwarded.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "gateway/http/forwarding.h"

namespace pointsman::gateway {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

class ForwardedTest : public ::testing::Test {
 protected:
  // What an endpoint gets, "name=value" in any order, lower case, one a line.
  std::string Take(const Fields& fields, bool trusted, absl::string_view peer = "10.0.0.9") {
    head_.Clear();
    head_.authority = head_.block.Keep("a:8");
    for (const auto& [name, value] : fields) {
      Field field;
      bool alias = false;
      field.token = TokenOf(name, &alias);
      field.name = head_.block.Keep(name);
      field.value = head_.block.Keep(value);
      head_.block.AddField(field);
    }
    if (!trailer_.empty()) {
      head_.block.BeginTrailers();
      head_.block.AddField(
          {.name = head_.block.Keep(trailer_), .value = head_.block.Keep("in time")});
    }
    const TextRef client = TakeClaims({peer, "http", trusted, &proxies_}, &head_);
    client_ = client.size > 0 ? std::string(head_.block.At(client)) : std::string(peer);
    ForwardedFacts facts;
    facts.client_host = peer;
    facts.proto = "http";
    facts.request_id = "ours";
    got_.clear();
    PutRequestFields(head_, facts, [this](absl::string_view name, absl::string_view value) {
      got_.emplace_back(absl::AsciiStrToLower(name), std::string(value));
    });
    return client_;
  }
  std::string Got(absl::string_view name) const {
    std::string all;
    for (const auto& [key, value] : got_) {
      if (key == name) absl::StrAppend(&all, all.empty() ? "" : " | ", value);
    }
    return all;
  }

  const common::CidrSet proxies_ = *common::CidrSet::Parse("10.0.0.0/8,2001:db8::/32");
  std::string trailer_;  // Its name; empty: there is none.
  RequestHead head_;
  std::string client_;
  Fields got_;
};

const Fields& Lies() {
  static const Fields lies = {{"X-Forwarded-For", "1.1.1.1"},  {"X-Forwarded-Proto", "https"},
                              {"X-Forwarded-Host", "evil"},    {"X-Forwarded-Prefix", "/admin"},
                              {"X-Forwarded-Port", "1"},       {"X-Forwarded-Server", "s"},
                              {"X-Forwarded-Scheme", "https"}, {"x-forwarded-anything", "y"},
                              {"X-Real-IP", "1.1.1.1"},        {"X-Request-Id", "mine"},
                              {"Forwarded", "for=1.1.1.1"},    {"X-Pointsman-Reason", "x"},
                              {"X-Original-URL", "/admin"},    {"X-Rewrite-URL", "/admin"}};
  return lies;
}

// A message that came in one read has its trailers before anything is decided.
TEST_F(ForwardedTest, WhatIsExtendedStaysInTheHead) {
  trailer_ = "x-late";
  Take({{"X-Forwarded-For", "192.0.2.1"}}, true);
  EXPECT_EQ(Got("x-forwarded-for"), "192.0.2.1, 10.0.0.9");
  EXPECT_EQ(Got("x-late"), "");
  ASSERT_EQ(head_.block.fields().size() - head_.block.head_fields(), 1u);
  EXPECT_EQ(head_.block.At(head_.block.fields().back().name), "x-late");
}

TEST_F(ForwardedTest, NothingOfAnUntrustedSenderIsLeft) {
  EXPECT_EQ(Take(Lies(), false, "192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(got_, (Fields{{"x-forwarded-for", "192.0.2.1"},
                          {"x-forwarded-proto", "http"},
                          {"x-forwarded-host", "a:8"},
                          {"x-request-id", "ours"}}));
  for (const auto& [name, value] : Lies()) {
    EXPECT_EQ(head_.block.Value(name).data(), nullptr) << name << " is matched by conditions";
  }
}

TEST_F(ForwardedTest, WhatATrustedProxySaysIsExtended) {
  EXPECT_EQ(Take({{"X-Forwarded-For", "1.1.1.1, 192.0.2.1"},
                  {"X-Forwarded-Proto", "https"},
                  {"X-Forwarded-Host", "example.com"},
                  {"X-Forwarded-Prefix", "/p"},
                  {"X-Real-IP", "192.0.2.1"},
                  {"X-Request-Id", "theirs"},
                  {"X-Pointsman-Reason", "x"},
                  {"X-Original-URL", "/admin"}},
                 true),
            "192.0.2.1");
  EXPECT_EQ(Got("x-forwarded-for"), "1.1.1.1, 192.0.2.1, 10.0.0.9");
  EXPECT_EQ(Got("x-forwarded-proto"), "https");
  EXPECT_EQ(Got("x-forwarded-host"), "example.com");
  EXPECT_EQ(Got("x-forwarded-prefix"), "/p");
  EXPECT_EQ(Got("x-real-ip"), "192.0.2.1");
  EXPECT_EQ(Got("x-request-id"), "theirs");
  EXPECT_EQ(Got("x-pointsman-reason"), "");
  EXPECT_EQ(Got("x-original-url"), "");
}

TEST_F(ForwardedTest, SeveralFieldsAreOneChain) {
  EXPECT_EQ(Take({{"X-Forwarded-For", "1.1.1.1"},
                  {"A", "b"},
                  {"x-forwarded-for", "192.0.2.1"},
                  {"x-forwarded-for", ""},
                  {"x-forwarded-for", "10.0.0.1"}},
                 true),
            "192.0.2.1");
  EXPECT_EQ(Got("x-forwarded-for"), "1.1.1.1, 192.0.2.1, 10.0.0.1, 10.0.0.9");
  EXPECT_EQ(Got("a"), "b");
}

TEST_F(ForwardedTest, IllSaidClaimsAreReplaced) {
  EXPECT_EQ(Take({{"X-Forwarded-For", ""},
                  {"X-Forwarded-Proto", "https, http"},
                  {"X-Forwarded-Host", "a/b"},
                  {"X-Request-Id", "a b"}},
                 true),
            "10.0.0.9");
  EXPECT_EQ(Got("x-forwarded-for"), "10.0.0.9");
  EXPECT_EQ(Got("x-forwarded-proto"), "http");
  EXPECT_EQ(Got("x-forwarded-host"), "a:8");
  EXPECT_EQ(Got("x-request-id"), "ours");
  Take({{"X-Forwarded-Proto", "https"},
        {"X-Forwarded-Proto", "https"},
        {"X-Request-Id", std::string(129, 'x')}},
       true);
  EXPECT_EQ(Got("x-forwarded-proto"), "http");
  EXPECT_EQ(Got("x-request-id"), "ours");
}

TEST_F(ForwardedTest, ForwardedIsExtendedWhenTheChainsAgree) {
  EXPECT_EQ(Take({{"X-Forwarded-For", "192.0.2.1"},
                  {"Forwarded", "for=\"192.0.2.1:99\";proto=https"},
                  {"Forwarded", "for=10.0.0.1"}},
                 true, "2001:db8::9"),
            "192.0.2.1");
  EXPECT_EQ(Got("forwarded"),
            "for=\"192.0.2.1:99\";proto=https, for=10.0.0.1, "
            "for=\"[2001:db8::9]\";host=\"a:8\";proto=http");
  EXPECT_EQ(Got("x-forwarded-for"), "192.0.2.1, 2001:db8::9");
}

TEST_F(ForwardedTest, ForwardedIsRemovedWhenTheChainsDisagree) {
  for (const char* text :
       {"for=1.1.1.1", "for=192.0.2.1, for=1.1.1.1", "for=unknown", "junk", "for=192.0.2.1;"}) {
    EXPECT_EQ(Take({{"X-Forwarded-For", "192.0.2.1"}, {"Forwarded", text}}, true), "192.0.2.1");
    EXPECT_EQ(Got("forwarded"), "") << text;
    EXPECT_EQ(Got("x-forwarded-for"), "192.0.2.1, 10.0.0.9");
  }
  // A chain that names nobody agrees with none.
  EXPECT_EQ(Take({{"X-Forwarded-For", "unknown"}, {"Forwarded", "for=1.1.1.1"}}, true), "10.0.0.9");
  EXPECT_EQ(Got("forwarded"), "");
}

TEST_F(ForwardedTest, ForwardedAloneFillsTheOthers) {
  EXPECT_EQ(Take({{"Forwarded",
                   "for=1.1.1.1;proto=http;host=x, "
                   "For=\"[2a00::1]:80\";Proto=https;Host=example.com,for=10.0.0.1"}},
                 true),
            "2a00::1");
  EXPECT_EQ(Got("x-forwarded-for"), "2a00::1, 10.0.0.9");
  EXPECT_EQ(Got("x-forwarded-proto"), "https");
  EXPECT_EQ(Got("x-forwarded-host"), "example.com");
}

TEST_F(ForwardedTest, LongChainsMoveTheText) {
  std::string chain = "192.0.2.1";
  while (chain.size() < 2 * HeaderBlock::kInlineBytes) absl::StrAppend(&chain, ", 10.1.2.3");
  EXPECT_EQ(Take({{"X-Forwarded-For", chain}, {"X-Forwarded-For", "10.0.0.1"}}, true), "192.0.2.1");
  EXPECT_EQ(Got("x-forwarded-for"), chain + ", 10.0.0.1, 10.0.0.9");
}

}  // namespace
}  // namespace pointsman::gateway
