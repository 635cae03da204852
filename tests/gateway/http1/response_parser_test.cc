// Responses of honest and of hostile origins (S17, S18), read in any pieces.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/gateway/http1/parse_support.h"

namespace pointsman::gateway {
namespace {

std::string Answer(absl::string_view lines, absl::string_view body = "") {
  return absl::StrCat("HTTP/1.1 200 OK\r\n", lines, "\r\n", body);
}

TEST(ResponseParserTest, RefusesWhatIsNotCertain) {
  const std::vector<std::string> rows = {
      "HTTP/1.1 20 OK\r\n\r\n",
      "HTTP/1.1 2000 OK\r\n\r\n",
      "HTTP/1.1 099 x\r\n\r\n",
      "HTTP/1.1 600 x\r\n\r\n",
      "HTTP/2.0 200 OK\r\n\r\n",
      "HTTP/1.1  200 OK\r\n\r\n",
      "ICY 200 OK\r\n\r\n",
      "HTTP/1.1 200 O\rK\r\n\r\n",
      "HTTP/1.1 200 OK\nA: b\r\n\r\n",
      "HTTP/1.1 101 Switching\r\n\r\n",
      "HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n",
      "HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n",
      "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n",
      "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
      Answer("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
      Answer("Content-Length: 5\r\nContent-Length: 5\r\n"),
      Answer("Transfer-Encoding: gzip\r\n"),
      Answer("Location: /a\rSet-Cookie: x\r\n"),
      Answer(std::string("A: \0\r\n", 6)),
      Answer("A : b\r\n"),
      Answer("A: b\r\n c\r\n"),
  };
  for (const std::string& input : rows) {
    EXPECT_EQ(ParseResponse(input).state, ParseState::kError) << input;
    EXPECT_EQ(ParseResponse(input).reason, Reason::kUpstreamProtocol) << input;
  }
}

TEST(ResponseParserTest, ReadsTheSameInAllTwoCuts) {
  const std::vector<std::string> rows = {
      Answer("Content-Length: 3\r\n", "abc"),
      Answer("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\nX: y\r\n\r\n"),
      "HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n",
      "HTTP/1.1 304 \r\nContent-Length: 10\r\n\r\n",
      "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
  };
  for (const std::string& input : rows) {
    const ParsedMessage whole = ParseResponse(input);
    ASSERT_EQ(whole.state, ParseState::kDone) << input;
    EXPECT_EQ(whole.consumed, input.size());
    for (size_t i = 0; i <= input.size(); ++i) {
      for (size_t j = i; j <= input.size(); ++j) {
        ASSERT_EQ(ParseResponse(input, Method::kGet, {i, j}), whole) << input << i << "," << j;
      }
    }
  }
}

TEST(ResponseParserTest, BodyDependsOnTheRequestAndTheStatus) {
  const std::string with_length = Answer("Content-Length: 3\r\n");
  EXPECT_EQ(ParseResponse(with_length, Method::kGet).state, ParseState::kMore);
  EXPECT_EQ(ParseResponse(with_length, Method::kHead).state, ParseState::kDone);
  // Without any length the body lasts until the connection ends.
  const ParsedMessage open = ParseResponse(Answer("", "abc"));
  EXPECT_EQ(open.state, ParseState::kMore);
  EXPECT_EQ(open.body, "abc");
  EXPECT_FALSE(open.keep_alive);
}

}  // namespace
}  // namespace pointsman::gateway
