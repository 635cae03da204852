// Row P10 (docs/design/clients.md): PROXY headers over sockets, in front of each protocol.

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/gateway/proxy/attack_fixture.h"
#include "tests/gateway/proxy/http2_peer.h"
#include "tests/gateway/proxy/tls_peers.h"

namespace pointsman::gateway {
namespace {

constexpr absl::string_view kGet = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
constexpr absl::string_view kV1 = "PROXY TCP4 192.0.2.1 198.51.100.1 5000 443\r\n";
const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
// As a server line with send-proxy-v2 and an unique-id writes it.
const std::string kV2 =
    kSignature + std::string(
                     "\x21\x11\x00\x14\xc6\x33\x64\x07\x7f\x00\x00\x01\xd9\x03\x1f\x90"
                     "\x05\x00\x05"
                     "abcde",
                     24);
const std::string kLocal = kSignature + std::string("\x20\x00\x00\x00", 4);

class ProxyHeaderAttackTest : public AttackFixture {
 protected:
  void Serve(absl::string_view networks = "127.0.0.0/8") {
    limits.proxy_header_from =
        std::make_shared<const common::CidrSet>(*common::CidrSet::Parse(networks));
    upstream_ = std::make_unique<ScriptedUpstream>(Answering([](const TestMessage& request) {
      return Ok(
          absl::StrCat(request.Field("x-forwarded-for"), " ", request.Field("x-forwarded-proto")));
    }));
    Publish({upstream_->port()});
  }
  // What the endpoint was told of the client.
  static std::string AskOn(Peer& client, absl::string_view before = "") {
    client.Write(absl::StrCat(before, kGet));
    const TestMessage answer = client.ReadMessage();
    return answer.status() == 200 ? answer.body : absl::StrCat(answer.status());
  }
  bool GoodRequest() override {
    Peer next = Client();
    return AskOn(next, kV1) == "192.0.2.1 http";
  }

  std::unique_ptr<ScriptedUpstream> upstream_;
};

TEST_F(ProxyHeaderAttackTest, TheHeaderNamesTheClient) {
  Serve();
  const std::pair<std::string, std::string> rows[] = {
      {std::string(kV1), "192.0.2.1 http"},
      {"PROXY TCP6 2001:db8::7 2001:db8::8 5000 443\r\n", "2001:db8::7 http"},
      {kV2, "198.51.100.7 http"},
      {"PROXY UNKNOWN\r\n", "127.0.0.1 http"},
      {kLocal, "127.0.0.1 http"},
      // A client that the balancer cannot name, and one behind a unix socket of its.
      {kSignature + std::string("\x21\x00\x00\x00", 4), "127.0.0.1 http"},
      {kSignature + std::string("\x21\x31\x00\xd8", 4) + std::string(216, '\0'), "127.0.0.1 http"},
      // 4 KiB in all.
      {kSignature + std::string("\x21\x11\x0f\xf0", 4) +
           std::string("\xc6\x33\x64\x07\x7f\x00\x00\x01\xd9\x03\x1f\x90", 12) +
           std::string("\xea\x0f\xe1", 3) + std::string(4065, 'n'),
       "198.51.100.7 http"}};
  for (const auto& [header, told] : rows) {
    Peer client = Client();
    EXPECT_EQ(AskOn(client, header), told);
    EXPECT_EQ(AskOn(client), told) << "and stays";
  }
  EXPECT_EQ(engine().Stats().proxy_headers, std::size(rows));
}

TEST_F(ProxyHeaderAttackTest, EachByteMayComeAlone) {
  Serve();
  for (const std::string& header : {std::string(kV1), kV2}) {
    Peer client = Client();
    for (char c : header) {
      const uint64_t turns = engine().Stats().turns;
      client.Write(absl::string_view(&c, 1));
      ASSERT_TRUE(WaitFor([&] { return engine().Stats().turns > turns; }));
    }
    EXPECT_TRUE(absl::EndsWith(AskOn(client), "http"));
  }
}

TEST_F(ProxyHeaderAttackTest, StandsBeforeHttp2) {
  Serve();
  Peer socket = Client();
  socket.Write(kV2);
  Http2Peer client(Http2Peer::Side::kClient, &socket);
  EXPECT_EQ(client.Await(client.Request(Http2Peer::Get())).body, "198.51.100.7 http");
}

TEST_F(ProxyHeaderAttackTest, StandsBeforeTls) {
  TlsPeers peers;
  listener_tls.emplace();
  listener_tls->certificates = {peers.Certificate("a", "DNS:a.example")};
  Serve();
  const SslContext context = peers.ClientContext();
  Peer client = Client();
  client.Write(kV2);
  ASSERT_TRUE(client.StartTls(context.get(), "a.example"));
  EXPECT_EQ(AskOn(client), "198.51.100.7 https");
  // Within TLS there is none.
  Peer late = Client();
  late.Write(kLocal);
  ASSERT_TRUE(late.StartTls(context.get(), "a.example"));
  EXPECT_EQ(AskOn(late, kV1), "400");
}

TEST_F(ProxyHeaderAttackTest, TheAddressItNamesIsTrustedOrNot) {
  limits.trusted_proxies =
      std::make_shared<const common::CidrSet>(*common::CidrSet::Parse("192.0.2.0/24"));
  Serve();
  const std::string get = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 8.8.8.8\r\n\r\n";
  Peer trusted = Client();
  trusted.Write(absl::StrCat(kV1, get));
  EXPECT_EQ(trusted.ReadMessage().body, "8.8.8.8, 192.0.2.1 http");
  Peer other = Client();
  other.Write(absl::StrCat(kV2, get));
  EXPECT_EQ(other.ReadMessage().body, "198.51.100.7 http");
}

TEST_F(ProxyHeaderAttackTest, WhatIsNotAHeaderCloses) {
  Serve();
  const std::string rows[] = {
      std::string(kGet),
      "PROXY TCP4 192.0.2.1 198.51.100.1 5000\r\n",
      "PROXY TCP4 ::1 ::1 1 2\r\n",
      "PROXY " + std::string(200, 'x'),
      kSignature + std::string("\x21\x11\xff\xff", 4),
      kSignature + std::string("\x21\x31\x00\x00", 4),
      kSignature + std::string("\x21\x12\x00\x00", 4),
      kSignature + std::string("\x21\x11\x0f\xf1", 4),
      kSignature + std::string("\x31\x11\x00\x0c", 4),
      kV2.substr(0, 15) + "\x0f" + kV2.substr(16),  // Ends within the TLV.
      "\x16\x03\x01\x02",
  };
  uint64_t closed = 0;
  for (const std::string& row : rows) {
    Peer client = Client();
    client.Write(absl::StrCat(row, kGet));
    EXPECT_TRUE(client.Closed()) << row;
    EXPECT_EQ(ReasonCountOf(Reason::kBadProxyHeader), ++closed) << row;
  }
  EXPECT_EQ(upstream_->connections(), 0);
  BeginRow();
  MemoryWatch watch;
  for (const std::string& row : rows) {
    Peer client = Client();
    client.Write(absl::StrCat(row, kGet));
    EXPECT_TRUE(client.Closed()) << row;
  }
  // Each alone: one connection at a time.
  ExpectProportion(watch.Stop(), 1, 0);
  ExpectUnharmed();
}

TEST_F(ProxyHeaderAttackTest, ACutHeaderCloses) {
  Serve();
  for (const std::string& header : {std::string(kV1), kV2}) {
    Peer client = Client();
    client.Write(header.substr(0, header.size() - 1));
    client.ShutdownWrite();
    EXPECT_TRUE(client.Closed());
  }
  EXPECT_EQ(ReasonCountOf(Reason::kBadProxyHeader), 2u);
  // Who only looks whether the port is open does no wrong.
  Peer probe = Client();
  probe.ShutdownWrite();
  EXPECT_TRUE(probe.Closed());
  EXPECT_EQ(ReasonCountOf(Reason::kBadProxyHeader), 2u);
  BeginRow();
  for (const std::string& header : {std::string(kV1), kV2}) {
    for (size_t size = 1; size < header.size(); ++size) {
      Peer client = Client();
      client.Write(header.substr(0, size));
      client.ShutdownWrite();
      EXPECT_TRUE(client.Closed()) << size;
    }
  }
  ExpectUnharmed();
}

TEST_F(ProxyHeaderAttackTest, AHeaderThatDoesNotComeTimesOut) {
  limits.client_head_timeout = absl::Milliseconds(50);
  Serve();
  for (absl::string_view begin : {"", "PROXY TCP4"}) {
    Peer client = Client();
    client.Write(begin);
    EXPECT_TRUE(client.Closed());
  }
  EXPECT_EQ(ReasonCountOf(Reason::kProxyHeaderTimeout), 2u);
}

TEST_F(ProxyHeaderAttackTest, OthersMustNotSendOne) {
  Serve("192.0.2.0/24");
  Peer plain = Client();
  EXPECT_EQ(AskOn(plain), "127.0.0.1 http");
  for (const std::string& header : {std::string(kV1), kV2, kLocal}) {
    Peer client = Client();
    EXPECT_EQ(AskOn(client, header), "400");
    EXPECT_TRUE(client.Closed());
  }
  EXPECT_EQ(upstream_->connections(), 1);
  EXPECT_EQ(engine().Stats().proxy_headers, 0u);
}

TEST_F(ProxyHeaderAttackTest, ADrainHearsWhoIsAboutToSpeak) {
  limits.drain_first_request_wait = absl::Seconds(5);
  Serve();
  Peer client = Client();
  client.Write(kV1.substr(0, 10));
  ASSERT_TRUE(WaitFor([&] { return engine().Stats().connections == 1; }));
  std::thread drain([&] { engine().Drain(absl::Seconds(10)); });
  ASSERT_TRUE(WaitFor([&] { return engine().draining(); }));
  EXPECT_EQ(AskOn(client, kV1.substr(10)), "192.0.2.1 http");
  EXPECT_TRUE(client.Closed());
  drain.join();
}

}  // namespace
}  // namespace pointsman::gateway
