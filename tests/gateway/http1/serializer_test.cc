// What is written is what the strict parser reads, and nothing of the client's that is not trusted.

#include "gateway/http1/serializer.h"

#include <sys/uio.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gateway/http/forwarded.h"
#include "gateway/http1/head_parser.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class SerializerTest : public ::testing::Test {
 protected:
  std::string Written() {
    std::string text;
    iovec parts[64];
    const size_t count = out_.Gather(parts, 64);
    for (size_t i = 0; i < count; ++i) {
      text.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
    }
    out_.Clear();
    return text;
  }

  std::string Forward(absl::string_view request, bool trust) {
    RequestHead head;
    RequestParser parser(HeadLimits{});
    parser.Start(&head);
    EXPECT_EQ(parser.Feed(request).state, ParseState::kDone);
    ForwardedFacts facts;
    facts.client_host = "192.0.2.9";
    facts.proto = "http";
    facts.request_id = "0123456789abcdef";
    const common::CidrSet proxies = *common::CidrSet::Parse("192.0.2.0/24");
    TakeClaims({facts.client_host, facts.proto, trust, &proxies}, &head);
    WriteRequestHead(head, facts, &out_);
    return Written();
  }

  ChunkPool pool_;
  OutQueue out_{&pool_};
};

constexpr absl::string_view kSpoofing =
    "GET /x HTTP/1.1\r\nhOsT: a:8\r\nX-Forwarded-For: 1.2.3.4\r\nx-forwarded-proto: https\r\n"
    "Forwarded: for=1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\nX_Forwarded_For: 1.2.3.4\r\n"
    "X-Pointsman-Reason: x\r\nX-Forwarded-Host: b\r\nX-Request-Id: mine\r\nA: b\r\n\r\n";

TEST_F(SerializerTest, ReplacesWhatUntrustedClientsSayOfThemselves) {
  EXPECT_EQ(Forward(kSpoofing, false),
            "GET /x HTTP/1.1\r\nhost: a:8\r\nA: b\r\nx-forwarded-for: 192.0.2.9\r\n"
            "x-forwarded-proto: http\r\nx-forwarded-host: a:8\r\nx-request-id: 0123456789abcdef\r\n"
            "via: 1.1 pointsman\r\n\r\n");
}

TEST_F(SerializerTest, ExtendsWhatTrustedClientsSay) {
  const std::string text = Forward(kSpoofing, true);
  EXPECT_THAT(text, HasSubstr("X-Forwarded-For: 1.2.3.4, 192.0.2.9\r\n"));
  EXPECT_THAT(text, HasSubstr("x-forwarded-proto: https\r\n"));
  EXPECT_THAT(text, HasSubstr("X-Request-Id: mine\r\n"));
  EXPECT_THAT(text, HasSubstr("X-Forwarded-Host: b\r\n"));
  EXPECT_THAT(text, Not(HasSubstr("0123456789abcdef")));
  EXPECT_THAT(text, Not(HasSubstr("Pointsman-Reason")));
  EXPECT_THAT(text, Not(HasSubstr("X_Forwarded_For")));
}

TEST_F(SerializerTest, ConnectionCannotNameAwayOurOwnFields) {
  const std::string text = Forward(
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Forwarded-For, Host, A\r\nA: b\r\n\r\n", false);
  EXPECT_THAT(text, HasSubstr("x-forwarded-for: 192.0.2.9\r\n"));
  EXPECT_THAT(text, HasSubstr("host: a\r\n"));
  EXPECT_THAT(text, Not(HasSubstr("A: b")));
}

TEST_F(SerializerTest, WritesHeadsLargerThanAChunk) {
  std::string request = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 100; ++i) {
    absl::StrAppend(&request, "X-", i, ": ", std::string(250, 'x'), "\r\n");
  }
  absl::StrAppend(&request, "\r\n");
  const std::string text = Forward(request, false);
  EXPECT_GT(text.size(), kChunkDataBytes);
  EXPECT_THAT(text, HasSubstr("X-99: xxx"));
  EXPECT_THAT(text, ::testing::EndsWith("via: 1.1 pointsman\r\n\r\n"));
}

TEST_F(SerializerTest, WritesAnswersOfItsOwn) {
  OwnResponse response;
  response.status = 404;
  response.reason = Reason::kNoRoute;
  response.body = "no_route\n";
  WriteOwnResponse(response, &out_);
  EXPECT_EQ(Written(),
            "HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: 9\r\n"
            "x-pointsman-reason: no_route\r\n\r\nno_route\n");
  response.with_body = false;
  response.close = true;
  WriteOwnResponse(response, &out_);
  EXPECT_THAT(Written(), ::testing::EndsWith("connection: close\r\n\r\n"));
}

}  // namespace
}  // namespace pointsman::gateway
