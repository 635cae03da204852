// Rows of the framing table (docs/design/http1.md) that need both sides: what an origin gets to see
// of requests that two servers could read differently, and what becomes of the connections.

#include <atomic>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/gateway/proxy/attack_fixture.h"

namespace pointsman::gateway {
namespace {

constexpr absl::string_view kGet = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr absl::string_view kSmuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

// An origin that answers every request with its first line, and keeps what it read.
class Http1AttackTest : public AttackFixture {
 protected:
  void Serve() {
    upstream_ = std::make_unique<ScriptedUpstream>([this](Peer& peer, int) {
      while (true) {
        const TestMessage request = peer.ReadMessage();
        if (!request.complete) break;
        if (!absl::StrContains(request.first_line, kGoodPath)) {
          std::lock_guard<std::mutex> lock(mutex_);
          seen_.push_back(request);
        }
        if (!peer.Write(Ok(request.first_line))) break;
      }
      std::string rest;
      peer.ReadToEnd(&rest);
      std::lock_guard<std::mutex> lock(mutex_);
      leftover_ += rest;
    });
    Publish({upstream_->port()});
    // So that what is kept of requests is no growth.
    seen_.reserve(256);
    BeginRow();
  }
  // Everything the origin read, once nothing more can come.
  const std::vector<TestMessage>& Seen() {
    if (!std::exchange(ended_, true)) {
      ExpectUnharmed();
      engine().Drain(absl::ZeroDuration());
      upstream_->Stop();
    }
    return seen_;
  }
  // Bytes behind the last whole request on the origin's connections.
  const std::string& leftover() const { return leftover_; }

 private:
  std::mutex mutex_;
  std::vector<TestMessage> seen_;
  std::string leftover_;
  std::unique_ptr<ScriptedUpstream> upstream_;
  bool ended_ = false;
};

// S1, S2, S4, S5: what is refused never touches an origin.
TEST_F(Http1AttackTest, AmbiguousFramingReachesNoOrigin) {
  Serve();
  for (absl::string_view fields :
       {"Content-Length: 35\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 35\r\n", "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding : chunked\r\n", "Content-Length: 35\r\nContent-Length: 0\r\n",
        "Content-Length: +35\r\n", "Content-Length: 3 5\r\n"}) {
    Peer client = Client();
    client.Write(absl::StrCat("POST / HTTP/1.1\r\nHost: a\r\n", fields, "\r\n", kSmuggled));
    const TestMessage answer = client.ReadMessage();
    EXPECT_EQ(answer.status(), 400) << fields;
    EXPECT_EQ(answer.Field("connection"), "close") << fields;
    EXPECT_TRUE(client.Closed()) << fields;
  }
  Peer legacy = Client();
  legacy.Write("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
  EXPECT_EQ(legacy.ReadMessage().status(), 400);
  EXPECT_TRUE(Seen().empty());
  EXPECT_EQ(leftover(), "");
}

struct Hidden {
  std::string what;
  std::string head;  // Up to and without the empty line.
  std::string body;
};

// S3: a body is a body, also where none is usual and however its length is hidden.
TEST_F(Http1AttackTest, ABodyIsNeverTakenForARequest) {
  const std::string length = absl::StrCat("Content-Length: ", kSmuggled.size(), "\r\n");
  const std::string chunk =
      absl::StrCat(absl::Hex(kSmuggled.size()), "\r\n", kSmuggled, "\r\n0\r\n\r\n");
  const std::string smuggled(kSmuggled);
  const std::vector<Hidden> rows = {
      {"GET with a length", absl::StrCat("GET / HTTP/1.1\r\nHost: a\r\n", length), smuggled},
      {"OPTIONS with a length", absl::StrCat("OPTIONS * HTTP/1.1\r\nHost: a\r\n", length),
       smuggled},
      {"GET in chunks", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n", chunk},
      {"OPTIONS in chunks", "OPTIONS / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n",
       chunk},
      {"length named away",
       absl::StrCat("POST / HTTP/1.1\r\nHost: a\r\nConnection: content-length\r\n", length),
       smuggled},
      {"coding named away",
       "POST / HTTP/1.1\r\nHost: a\r\nConnection: Transfer-Encoding\r\n"
       "Transfer-Encoding: chunked\r\n",
       chunk},
      {"coding beside an alias",
       "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent_Length: 3\r\n", chunk},
  };
  Serve();
  Peer client = Client();
  for (const Hidden& row : rows) {
    client.Write(absl::StrCat(row.head, "\r\n", row.body));
    const std::string line = row.head.substr(0, row.head.find('\r'));
    EXPECT_EQ(client.ReadMessage().body, line) << row.what;
  }
  client.Close();
  ASSERT_EQ(Seen().size(), rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(Seen()[i].body, kSmuggled) << rows[i].what;
    EXPECT_FALSE(Seen()[i].Has("content_length")) << rows[i].what;
  }
  EXPECT_EQ(leftover(), "");
}

// S3: behind a body of no bytes, or a length that is none here, the next request begins.
TEST_F(Http1AttackTest, WhatFollowsAnEmptyBodyIsARequestOfItsOwn) {
  Serve();
  Peer client = Client();
  for (absl::string_view fields : {"Content-Length: 0\r\n", "Content_Length: 36\r\n", ""}) {
    client.Write(
        absl::StrCat("POST /empty HTTP/1.1\r\nHost: a\r\n", fields, "\r\n", kSmuggled, kGet));
    EXPECT_EQ(client.ReadMessage().body, "POST /empty HTTP/1.1") << fields;
    EXPECT_EQ(client.ReadMessage().body, "GET /smuggled HTTP/1.1") << fields;
    EXPECT_EQ(client.ReadMessage().body, "GET /next HTTP/1.1") << fields;
  }
  // The end of a body in chunks, where there is none.
  client.Write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n0\r\n\r\n");
  EXPECT_EQ(client.ReadMessage().status(), 200);
  EXPECT_EQ(client.ReadMessage().status(), 400);
  EXPECT_TRUE(client.Closed());
  EXPECT_EQ(Seen().size(), 10u);
  EXPECT_EQ(leftover(), "");
}

// S13: no protocol is ever switched; what stands behind the request is the next one, or nothing.
TEST_F(Http1AttackTest, AnUpgradeIsNotForwardedAndNothingRunsAhead) {
  Serve();
  for (absl::string_view upgrade :
       {"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n",
        "Upgrade: websocket\r\nConnection: upgrade\r\n", "Upgrade: h2c\r\n"}) {
    Peer client = Client();
    client.Write(absl::StrCat("GET /up HTTP/1.1\r\nHost: a\r\n", upgrade,
                              "\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", kSmuggled));
    EXPECT_EQ(client.ReadMessage().body, "GET /up HTTP/1.1") << upgrade;
    EXPECT_EQ(client.ReadMessage().Field("x-pointsman-reason"), "bad_version") << upgrade;
    EXPECT_TRUE(client.Closed()) << upgrade;
  }
  ASSERT_EQ(Seen().size(), 3u);
  for (const TestMessage& request : Seen()) {
    EXPECT_FALSE(request.Has("upgrade"));
    EXPECT_FALSE(request.Has("connection"));
    EXPECT_FALSE(request.Has("http2-settings"));
  }
  EXPECT_EQ(leftover(), "");
}

TEST_F(Http1AttackTest, ConnectIs405) {
  Serve();
  Peer client = Client();
  client.Write(absl::StrCat("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", kSmuggled));
  const TestMessage answer = client.ReadMessage();
  EXPECT_EQ(answer.status(), 405);
  EXPECT_EQ(answer.Field("x-pointsman-reason"), "connect_refused");
  EXPECT_EQ(answer.Field("allow"), "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
  EXPECT_TRUE(client.Closed());
  EXPECT_TRUE(Seen().empty());
  EXPECT_EQ(leftover(), "");
}

// S14: who was told no may send the body all the same: it is read by nobody.
TEST_F(Http1AttackTest, ABodyBehindARefusedExpectIsNotARequest) {
  policy.max_request_body_bytes = 10;
  Serve();
  Peer client = Client();
  client.Write(absl::StrCat(
      "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: ", kSmuggled.size(),
      "\r\n\r\n"));
  const TestMessage answer = client.ReadMessage();
  EXPECT_EQ(answer.status(), 413) << "and no 100 before";
  EXPECT_EQ(answer.Field("connection"), "close");
  client.Write(kSmuggled);
  EXPECT_TRUE(client.Closed());
  EXPECT_TRUE(Seen().empty());
  EXPECT_EQ(leftover(), "");
}

TEST_F(Http1AttackTest, AnExpectIsAnsweredHereAlsoWhenTheBodyIsThere) {
  Serve();
  Peer client = Client();
  client.Write(absl::StrCat(
      "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: ", kSmuggled.size(),
      "\r\n\r\n", kSmuggled, kGet));
  TestMessage answer = client.ReadMessage();
  if (answer.status() == 100) answer = client.ReadMessage();
  EXPECT_EQ(answer.body, "POST / HTTP/1.1");
  EXPECT_EQ(client.ReadMessage().body, "GET /next HTTP/1.1");
  ASSERT_EQ(Seen().size(), 2u);
  EXPECT_EQ(Seen()[0].body, kSmuggled);
  EXPECT_FALSE(Seen()[0].Has("expect"));
  EXPECT_EQ(leftover(), "");
}

// S14, S15: an origin that answers before it got the whole body is never used again: it may wait
// for the rest and take the next request for it.
TEST_F(Http1AttackTest, AnEarlyAnswerOfTheOriginEndsItsConnection) {
  ScriptedUpstream upstream([](Peer& peer, int connection) {
    peer.ReadHead();
    peer.Write(connection == 0 ? "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno" : Ok("x"));
    std::string rest;
    peer.ReadToEnd(&rest);
    EXPECT_EQ(rest.find("GET /next"), std::string::npos);
  });
  Publish({upstream.port()});
  Peer refused = Client();
  refused.Write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc");
  EXPECT_EQ(refused.ReadMessage().status(), 403);
  EXPECT_TRUE(refused.Closed());
  Peer next = Client();
  next.Write(kGet);
  EXPECT_EQ(next.ReadMessage().body, "x");
  EXPECT_EQ(upstream.connections(), 2);
}

// S15: more than is thrown away for politeness ends the connection; never is it looked at.
TEST_F(Http1AttackTest, AnEndlessUnreadBodyIsCut) {
  policy.max_request_body_bytes = 10;
  std::string requests;
  while (requests.size() < (1 << 20)) absl::StrAppend(&requests, kSmuggled);
  Serve();
  Peer client = Client();
  client.Write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10485760\r\n\r\n");
  while (client.Write(requests)) {
  }
  // And the good one before.
  EXPECT_EQ(engine().Stats().requests, 2u);
  EXPECT_TRUE(Seen().empty());
  EXPECT_EQ(leftover(), "");
}

// S16.
TEST_F(Http1AttackTest, AHundredGoodPipelinedRequestsAndABadOne) {
  Serve();
  Peer client = Client();
  std::string requests;
  for (int i = 0; i < 100; ++i) {
    absl::StrAppend(&requests, "GET /", i, " HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  client.Write(absl::StrCat(requests, "GET /bad HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n", kSmuggled));
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(client.ReadMessage().body, absl::StrCat("GET /", i, " HTTP/1.1"));
  }
  EXPECT_EQ(client.ReadMessage().Field("x-pointsman-reason"), "bad_header");
  EXPECT_TRUE(client.Closed());
  EXPECT_EQ(Seen().size(), 100u);
}

// S18: what a client says comes back nowhere in the gateway's own answers.
TEST_F(Http1AttackTest, OwnAnswersRepeatNothingOfTheRequest) {
  Serve();
  for (absl::string_view request :
       {"GET /%0d%0aSet-Cookie:x HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET /<script> HTTP/1.1\r\nHost: a\r\nX-Evil: <script>\rSet-Cookie: x\r\n\r\n"}) {
    Peer client = Client();
    client.Write(request);
    std::string all;
    client.ReadToEnd(&all);
    EXPECT_EQ(all.substr(0, 12), "HTTP/1.1 400");
    EXPECT_EQ(all.find("Set-Cookie"), std::string::npos);
    EXPECT_EQ(all.find("script"), std::string::npos);
  }
  ExpectUnharmed();
}

}  // namespace
}  // namespace pointsman::gateway
