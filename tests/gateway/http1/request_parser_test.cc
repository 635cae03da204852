// The rows of the framing table (S1 to S14, framing_rows.h) are refused with a stable reason, the
// requests next to them are not; and: cutting the bytes anywhere changes nothing.

#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/gateway/http1/framing_rows.h"
#include "tests/gateway/http1/parse_support.h"

namespace pointsman::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(RequestParserTest, RefusesEveryRowOfTheFramingTable) {
  for (const Refused& row : RefusedRequests()) {
    const ParsedMessage parsed = ParseRequest(row.input);
    EXPECT_EQ(parsed.state, ParseState::kError) << row.what;
    EXPECT_EQ(ReasonName(parsed.reason), ReasonName(row.reason)) << row.what;
  }
}

TEST(RequestParserTest, RefusesTheSameHoweverTheBytesAreCut) {
  for (const Refused& row : RefusedRequests()) {
    if (row.input.size() > 20'000) continue;
    Cuts every_byte;
    for (size_t i = 1; i < row.input.size(); ++i) every_byte.push_back(i);
    EXPECT_EQ(ParseRequest(row.input, every_byte), ParseRequest(row.input)) << row.what;
  }
}

TEST(RequestParserTest, ReadsTheSameInAllTwoCuts) {
  for (const std::string& input : GoodRequests()) {
    const ParsedMessage whole = ParseRequest(input);
    ASSERT_EQ(whole.state, ParseState::kDone) << input;
    EXPECT_EQ(whole.consumed, input.size()) << input;
    for (size_t i = 0; i <= input.size(); ++i) {
      for (size_t j = i; j <= input.size(); ++j) {
        ASSERT_EQ(ParseRequest(input, {i, j}), whole) << input << " cut at " << i << " and " << j;
      }
    }
  }
}

TEST(RequestParserTest, NeverReadsBeyondTheMessage) {
  for (const std::string& input : GoodRequests()) {
    const ParsedMessage whole = ParseRequest(input);
    const ParsedMessage followed = ParseRequest(absl::StrCat(input, "GET /next"));
    EXPECT_EQ(followed, whole) << input;
  }
}

TEST(RequestParserTest, EveryPrefixAsksForMore) {
  for (const std::string& input : GoodRequests()) {
    for (size_t i = 0; i < input.size(); ++i) {
      EXPECT_EQ(ParseRequest(input.substr(0, i)).state, ParseState::kMore) << input << " at " << i;
    }
  }
}

// Random changes to good requests: whatever comes out, it does not depend on the cuts.
TEST(RequestParserTest, MutatedRequestsReadTheSameHoweverCut) {
  std::mt19937_64 random(20261123);
  const std::vector<std::string> good = GoodRequests();
  constexpr char kAlphabet[] = "\r\n :;,0129aAfFxX\t\0\x7f\x80";
  const std::string alphabet(kAlphabet, sizeof(kAlphabet) - 1);
  for (int round = 0; round < 20'000; ++round) {
    std::string input = good[random() % good.size()];
    for (size_t changes = random() % 3 + 1; changes > 0; --changes) {
      const size_t at = random() % input.size();
      const char c = alphabet[random() % alphabet.size()];
      if (random() % 2 == 0) {
        input[at] = c;
      } else {
        input.insert(at, 1, c);
      }
    }
    Cuts cuts;
    for (size_t i = 1; i < input.size(); ++i) {
      if (random() % 4 == 0) cuts.push_back(i);
    }
    ASSERT_EQ(ParseRequest(input, cuts), ParseRequest(input)) << input;
  }
}

TEST(RequestParserTest, DropsWhatBelongsToTheConnection) {
  const ParsedMessage parsed = ParseRequest(
      With("Connection: close, X-Mine, content-length\r\nX-Mine: 1\r\nKeep-Alive: 5\r\n"
           "Proxy-Connection: x\r\nTE: trailers\r\nUpgrade: h2c\r\nX-Other: 2\r\n"
           "Content-Length: 0\r\nTransfer_Encoding: chunked\r\nContent_Length: 5\r\n"));
  EXPECT_EQ(parsed.state, ParseState::kDone);
  EXPECT_THAT(parsed.fields, ElementsAre("X-Other: 2"));
  EXPECT_FALSE(parsed.keep_alive);
}

// S3: naming the framing in Connection changes only what is forwarded, and framing is written anew.
TEST(RequestParserTest, FramingCannotBeNamedAway) {
  const ParsedMessage length =
      ParseRequest(With("Connection: content-length\r\nContent-Length: 3\r\n", "abc"));
  EXPECT_EQ(length.state, ParseState::kDone);
  EXPECT_EQ(length.body, "abc");
  const ParsedMessage coding = ParseRequest(With(
      "Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n", "1\r\na\r\n0\r\n\r\n"));
  EXPECT_EQ(coding.state, ParseState::kDone);
  EXPECT_EQ(coding.body, "a");
}

// S10: only SP and HTAB are blanks; what other servers may take for some stays where it is.
TEST(RequestParserTest, KeepsHighBytesAroundValues) {
  const ParsedMessage parsed = ParseRequest(With("A: \xa0x\x85\r\nB: \t\xc2\xa0 \r\n"));
  EXPECT_EQ(parsed.state, ParseState::kDone);
  EXPECT_THAT(parsed.fields, ElementsAre("A: \xa0x\x85", "B: \xc2\xa0"));
}

TEST(RequestParserTest, KeepsOnlyTrailersWithoutAMeaning) {
  const ParsedMessage parsed =
      ParseRequest(Chunked("0\r\nHost: b\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"
                           "Authorization: x\r\nX-Sum: 1\r\n\r\n"));
  EXPECT_EQ(parsed.state, ParseState::kDone);
  EXPECT_THAT(parsed.trailers, ElementsAre("X-Sum: 1"));
  EXPECT_THAT(parsed.fields, IsEmpty());
}

TEST(RequestParserTest, FollowsTheRulesOfPersistence) {
  EXPECT_TRUE(ParseRequest(Host("a")).keep_alive);
  EXPECT_FALSE(ParseRequest(With("Connection: foo, CLOSE\r\n")).keep_alive);
  EXPECT_FALSE(ParseRequest("GET / HTTP/1.0\r\n\r\n").keep_alive);
  EXPECT_TRUE(ParseRequest("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
}

TEST(RequestParserTest, TakesTheAbsoluteFormApart) {
  EXPECT_EQ(ParseRequest(Line("GET http://A/x?y HTTP/1.1")).start, "GET /x?y a");
  EXPECT_EQ(ParseRequest(Line("GET HTTP://a HTTP/1.1")).start, "GET / a");
  EXPECT_EQ(ParseRequest(Line("GET https://a/x HTTP/1.1")).start, "GET /x a");
  EXPECT_EQ(ParseRequest("GET http://a:81/x HTTP/1.0\r\n\r\n").start, "GET /x a:81");
}

TEST(RequestParserTest, BoundsTheHead) {
  HeadLimits limits;
  limits.bytes_max = 1000;
  limits.fields_max = 5;
  const std::string long_line = With(absl::StrCat("A: ", std::string(1000, 'x'), "\r\n"));
  EXPECT_EQ(ParseRequest(long_line, {}, limits).reason, Reason::kHeadTooLarge);
  // Also without any line end.
  EXPECT_EQ(ParseRequest(std::string(1001, 'x'), {}, limits).reason, Reason::kHeadTooLarge);
  EXPECT_EQ(ParseRequest(With("A: 1\r\nA: 2\r\nA: 3\r\nA: 4\r\nA: 5\r\n"), {}, limits).reason,
            Reason::kTooManyFields);
  EXPECT_EQ(ParseRequest(With("A: 1\r\nA: 2\r\nA: 3\r\nA: 4\r\n"), {}, limits).state,
            ParseState::kDone);
}

TEST(RequestParserTest, BoundsTrailers) {
  std::string body = "0\r\n";
  for (int i = 0; i < 33; ++i) absl::StrAppend(&body, "T: x\r\n");
  EXPECT_EQ(ParseRequest(Chunked(body)).reason, Reason::kTooManyFields);
  EXPECT_EQ(ParseRequest(Chunked(absl::StrCat("0\r\nT: ", std::string(40'000, 'x')))).reason,
            Reason::kHeadTooLarge);
}

}  // namespace
}  // namespace pointsman::gateway
