#include "gateway/http/request_rules.h"

#include <gtest/gtest.h>

#include <string>

namespace pointsman::gateway {
namespace {

class RequestRulesTest : public ::testing::Test {
 protected:
  TextRef Keep(absl::string_view text) {
    const TextRef ref{static_cast<uint32_t>(head_.block.text_size()),
                      static_cast<uint32_t>(text.size())};
    head_.block.AppendText(text);
    return ref;
  }
  Reason Prepare(absl::string_view target, absl::string_view method = "GET") {
    head_.Clear();
    head_.method = MethodOf(method);
    head_.method_text = Keep(method);
    head_.target = Keep(target);
    return PrepareRequest(&head_);
  }
  absl::string_view Text(TextRef ref) const { return head_.block.At(ref); }
  void AddField(absl::string_view name, absl::string_view value) {
    bool alias = false;
    head_.block.AddField(
        Field{.name = Keep(name), .value = Keep(value), .token = TokenOf(name, &alias)});
  }

  RequestHead head_;
};

TEST_F(RequestRulesTest, ACanonicalTargetIsNotCopied) {
  EXPECT_EQ(Prepare("/a/b?c=//..%00"), Reason::kNone);
  EXPECT_EQ(head_.block.text_size(), 3 + 14u);
  EXPECT_EQ(Text(head_.path), "/a/b");
  EXPECT_EQ(Text(head_.target), "/a/b?c=//..%00");
  // Also one that has to be looked at twice.
  EXPECT_EQ(Prepare("/a%20b/.c?d"), Reason::kNone);
  EXPECT_EQ(head_.block.text_size(), 3 + 11u);
  EXPECT_EQ(Text(head_.path), "/a%20b/.c");
}

TEST_F(RequestRulesTest, TheQueryStaysBehindAnotherPath) {
  EXPECT_EQ(Prepare("/a/../%7eb//c?x=%7e//../"), Reason::kNone);
  EXPECT_EQ(Text(head_.target), "/~b/c?x=%7e//../");
  EXPECT_EQ(Text(head_.path), "/~b/c");
  EXPECT_EQ(head_.path_traits, common::kPathEmptySegment);
  EXPECT_EQ(KeepEmptySegments(&head_), Reason::kNone);
  EXPECT_EQ(Text(head_.target), "/~b//c?x=%7e//../");
  EXPECT_EQ(Text(head_.path), "/~b//c");
}

TEST_F(RequestRulesTest, LargeTargetsMoveTheText) {
  std::string target = "/..x";
  while (target.size() < HeaderBlock::kInlineBytes - 100) target += "/%41bc/../d";
  EXPECT_EQ(Prepare(target + "?q"), Reason::kNone);
  EXPECT_EQ(Text(head_.path).substr(0, 8), "/..x/d/d");
  EXPECT_EQ(Text(head_.target), std::string(Text(head_.path)) + "?q");
  EXPECT_EQ(Text(head_.sent_target), target + "?q");
}

TEST_F(RequestRulesTest, RefusesPathsWithoutACanonicalForm) {
  for (const char* target : {"/../a", "/%00", "/a\\b", "/%5c", "/%c0%af", "/%", "/..%2f"}) {
    EXPECT_EQ(Prepare(target), Reason::kBadPath) << target;
  }
}

TEST_F(RequestRulesTest, TheAsteriskStays) {
  EXPECT_EQ(Prepare("*", "OPTIONS"), Reason::kNone);
  EXPECT_EQ(Text(head_.path), "*");
  EXPECT_EQ(Text(head_.target), "*");
}

TEST_F(RequestRulesTest, RefusesMethodsThatShowOrTunnel) {
  for (const char* method : {"TRACE", "trace", "TrAcE", "TRACK", "track"}) {
    EXPECT_EQ(Prepare("/", method), Reason::kTraceRefused) << method;
  }
  EXPECT_EQ(Prepare("/", "connect"), Reason::kConnectRefused);
  for (const char* method : {"PROPFIND", "PURGE", "get", "DELETE"}) {
    EXPECT_EQ(Prepare("/", method), Reason::kNone) << method;
  }
}

TEST_F(RequestRulesTest, TakesMethodOverridesOut) {
  head_.Clear();
  head_.target = Keep("/");
  AddField("X-HTTP-Method-Override", "DELETE");
  AddField("x-http-method", "DELETE");
  AddField("X-Method-Override", "DELETE");
  AddField("x-http-methods", "kept");
  EXPECT_EQ(PrepareRequest(&head_), Reason::kNone);
  EXPECT_EQ(head_.block.Value("x-http-method-override").data(), nullptr);
  EXPECT_EQ(head_.block.Value("x-http-method").data(), nullptr);
  EXPECT_EQ(head_.block.Value("x-method-override").data(), nullptr);
  EXPECT_EQ(head_.block.Value("x-http-methods"), "kept");
  int forwarded = 0;
  for (const Field& field : head_.block.fields()) forwarded += field.dropped ? 0 : 1;
  EXPECT_EQ(forwarded, 1);
}

}  // namespace
}  // namespace pointsman::gateway
