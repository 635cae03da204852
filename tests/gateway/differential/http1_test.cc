// The gateway's HTTP/1 parsers against llhttp, Node's: whatever both take must be the same message
// to both, or one could be smuggled past the other. What only the gateway takes is listed here,
// each with why it is harmless. (What only llhttp takes is the gateway's choice:
// docs/design/http1.md.)

#include <random>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "tests/gateway/differential/llhttp_reader.h"
#include "tests/gateway/http1/framing_rows.h"

namespace pointsman::gateway {
namespace {

// What llhttp refuses and the gateway takes, by what llhttp says and where.
struct Explained {
  absl::string_view says;
  bool (*holds)(const SeenMessage& theirs, absl::string_view input);
  absl::string_view why;
};
bool Everywhere(const SeenMessage&, absl::string_view) { return true; }
bool BehindHead(const SeenMessage& theirs, absl::string_view) { return theirs.error_behind_head; }
bool InChunkExtension(const SeenMessage& theirs, absl::string_view) {
  return theirs.error_behind_head && absl::StrContains(theirs.error_line, ';');
}
bool BehindTab(const SeenMessage& theirs, absl::string_view) {
  return absl::StrContains(theirs.error_line, '\t');
}
// Found by llhttp only at the end of the head, so that its position says nothing.
bool CodingBehindTab(const SeenMessage&, absl::string_view input) {
  return absl::StrContains(absl::AsciiStrToLower(input), "chunked\t");
}

constexpr Explained kExplained[] = {
    {"HPE_INVALID_METHOD", &Everywhere, "any token is a method; llhttp knows a list"},
    {"HPE_STRICT: Invalid character in chunk extensions", &InChunkExtension,
     "extensions are not passed on"},
    {"HPE_INVALID_CHUNK_SIZE", &InChunkExtension, "extensions are not passed on"},
    {"HPE_INVALID_CONTENT_LENGTH", &BehindHead, "a trailer frames nothing and is not passed on"},
    {"HPE_INVALID_CONTENT_LENGTH", &BehindTab, "a tab is a blank; llhttp knows spaces only"},
    {"HPE_INVALID_TRANSFER_ENCODING", &CodingBehindTab,
     "a tab is a blank; llhttp knows spaces only"},
};

bool IsExplained(const SeenMessage& theirs, absl::string_view input) {
  return absl::c_any_of(kExplained, [&](const Explained& one) {
    return absl::StartsWith(theirs.why, one.says) && one.holds(theirs, input);
  });
}

void Compare(absl::string_view input, const SeenMessage& ours, const SeenMessage& theirs) {
  const auto disagreement = Disagreement(ours, theirs);
  EXPECT_FALSE(disagreement.has_value())
      << *disagreement << " of\n"
      << input << "\nours " << ours.start << " " << ours.target << " " << ours.consumed
      << "\ntheirs " << theirs.start << " " << theirs.target << " " << theirs.consumed;
  if (ours.state == ParseState::kDone && theirs.state == ParseState::kError) {
    EXPECT_TRUE(IsExplained(theirs, input)) << theirs.why << " for\n" << input;
  }
}

void CompareRequest(absl::string_view input) {
  Compare(input, ReadRequestWithOurs(input), ReadWithLlhttp(input, /*request=*/true));
}
void CompareResponse(absl::string_view input) {
  for (bool bodiless : {false, true}) {
    Compare(input, ReadResponseWithOurs(input, bodiless),
            ReadWithLlhttp(input, /*request=*/false, bodiless));
  }
}

// The examples of RFC 9112 and RFC 9110, and requests of today's clients.
std::vector<std::string> Requests() {
  return {
      // NOLINTNEXTLINE(bugprone-suspicious-missing-comma)
      "GET /hello.txt HTTP/1.1\r\nUser-Agent: curl/7.64.1\r\nHost: www.example.com\r\n"
      "Accept-Language: en, mi\r\n\r\n",
      "GET /where?q=now HTTP/1.1\r\nHost: www.example.org\r\n\r\n",
      "GET http://www.example.org/pub/WWW/TheProject.html HTTP/1.1\r\n"
      "Host: www.example.org\r\n\r\n",
      "OPTIONS * HTTP/1.1\r\nHost: www.example.org:8001\r\n\r\n",
      "POST /u HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n\r\n"
      "hello world",
      "POST /u HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: Expires\r\n\r\n"
      "4\r\nWiki\r\n5;name=value\r\npedia\r\nE;q=\"v;w\"\r\n in\r\n\r\nchunks.\r\n0\r\n"
      "Expires: Wed, 21 Oct 2015 07:28:00 GMT\r\n\r\n",
      "PUT /somewhere/fun HTTP/1.1\r\nHost: origin.example.com\r\nContent-Type: video/h264\r\n"
      "Content-Length: 0\r\nExpect: 100-continue\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\nCookie: a=b; c=d\r\nCookie: e=f\r\n\r\n",
      "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
      "HEAD /x%20y;p=1?a=b&c=%ff HTTP/1.1\r\nHost: a\r\nIf-Match: \"x\", \"y\"\r\n\r\n",
      "DELETE /x HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nab",
  };
}

std::vector<std::string> Responses() {
  return {
      // NOLINTNEXTLINE(bugprone-suspicious-missing-comma)
      "HTTP/1.1 200 OK\r\nDate: Mon, 27 Jul 2009 12:28:53 GMT\r\nServer: Apache\r\n"
      "Content-Length: 51\r\nVary: Accept-Encoding\r\nContent-Type: text/plain\r\n\r\n"
      "Hello World! My content includes a trailing CRLF.\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n"
      "X-Sum: 1\r\n\r\n",
      "HTTP/1.1 204 No Content\r\nETag: \"x\"\r\n\r\n",
      "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n",
      "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n",
      "HTTP/1.1 100 Continue\r\n\r\n",
      "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno",
      "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\nuntil the end",
      "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end",
  };
}

// A change or two of the kinds that parsers differ about.
std::string Mutate(std::string input, std::mt19937_64* random) {
  constexpr absl::string_view kPieces[] = {"\r",
                                           "\n",
                                           "\r\n",
                                           " ",
                                           "\t",
                                           ":",
                                           ";",
                                           ",",
                                           "0",
                                           "1",
                                           "F",
                                           "+",
                                           "-",
                                           "_",
                                           "\x0b",
                                           "\x7f",
                                           "\x80",
                                           "chunked",
                                           "Content-Length: 1\r\n",
                                           "Transfer-Encoding: chunked\r\n",
                                           "0\r\n\r\n",
                                           "Connection: close\r\n",
                                           "Host: a\r\n",
                                           "HTTP/1.0",
                                           "/",
                                           "?",
                                           "#",
                                           "\"",
                                           "\\",
                                           "{",
                                           "x"};
  for (size_t changes = (*random)() % 3 + 1; changes > 0; --changes) {
    const size_t at = (*random)() % (input.size() + 1);
    const absl::string_view piece = kPieces[(*random)() % std::size(kPieces)];
    switch ((*random)() % 4) {
      case 0:
        input.insert(at, piece.data(), piece.size());
        break;
      case 1:
        input.replace(at, piece.size(), piece.data(), piece.size());
        break;
      case 2:
        input.erase(at, (*random)() % 3 + 1);
        break;
      default:
        // A piece of the message again, elsewhere.
        input.insert((*random)() % (input.size() + 1), input.substr(at, (*random)() % 24));
    }
  }
  return input;
}

TEST(DifferentialTest, BothTakeWhatTheStandardShows) {
  for (const std::string& input : Requests()) {
    EXPECT_EQ(ReadRequestWithOurs(input).state, ParseState::kDone) << input;
    EXPECT_EQ(ReadWithLlhttp(input, true).state, ParseState::kDone) << input;
    CompareRequest(input);
  }
  for (const std::string& input : Responses()) {
    EXPECT_NE(ReadResponseWithOurs(input).state, ParseState::kError) << input;
    EXPECT_NE(ReadWithLlhttp(input, false).state, ParseState::kError) << input;
    CompareResponse(input);
  }
}

TEST(DifferentialTest, EveryDifferenceIsSeen) {
  const std::string sent =
      "POST /u HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX: "
      "1\r\n\r\n";
  const SeenMessage ours = ReadRequestWithOurs(sent);
  ASSERT_EQ(ours.state, ParseState::kDone);
  ASSERT_FALSE(Disagreement(ours, ReadWithLlhttp(sent, true)).has_value());
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"POST", "PUT"},
                                                        {"/u", "/v"},
                                                        {"HTTP/1.1\r\nHost", "HTTP/1.1\r\nGhost"},
                                                        {"Host: a", "Host: b"},
                                                        {"ab", "ac"},
                                                        {"2\r\nab", "3\r\nabc"},
                                                        {"X: 1", "Y: 1"},
                                                        {"X: 1\r\n", ""},
                                                        {"1\r\n\r\n", "12\r\n\r\n"}}) {
    const std::string other = absl::StrReplaceAll(sent, {{from, to}});
    ASSERT_NE(other, sent);
    EXPECT_TRUE(Disagreement(ours, ReadWithLlhttp(other, true)).has_value()) << other;
  }
}

TEST(DifferentialTest, TheRowsOfTheFramingTable) {
  for (const std::string& input : GoodRequests()) CompareRequest(input);
  for (const Refused& row : RefusedRequests()) CompareRequest(row.input);
}

TEST(DifferentialTest, ThousandsOfDamagedRequests) {
  std::mt19937_64 random(20261124);
  std::vector<std::string> seeds = Requests();
  for (std::string& good : GoodRequests()) seeds.push_back(std::move(good));
  for (Refused& row : RefusedRequests()) {
    if (row.input.size() < 2000) seeds.push_back(std::move(row.input));
  }
  int both = 0;
  for (int round = 0; round < 250'000 && !HasFailure(); ++round) {
    const std::string input = Mutate(seeds[random() % seeds.size()], &random);
    CompareRequest(input);
    both += ReadRequestWithOurs(input).state == ParseState::kDone &&
            ReadWithLlhttp(input, true).state == ParseState::kDone;
  }
  EXPECT_GT(both, 10'000) << "little was compared";
}

TEST(DifferentialTest, ThousandsOfDamagedResponses) {
  std::mt19937_64 random(20261125);
  const std::vector<std::string> seeds = Responses();
  for (int round = 0; round < 50'000 && !HasFailure(); ++round) {
    CompareResponse(Mutate(seeds[random() % seeds.size()], &random));
  }
}

}  // namespace
}  // namespace pointsman::gateway
