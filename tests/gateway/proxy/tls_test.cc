// TLS from clients and to endpoints, over real sockets.

#include <string>
#include <thread>

#include "tests/gateway/proxy/engine_fixture.h"
#include "tests/gateway/proxy/http2_peer.h"
#include "tests/gateway/proxy/tls_peers.h"

namespace pointsman::gateway {
namespace {

constexpr char kGet[] = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

void AnswerAll(Peer& peer, int /*connection*/) {
  while (true) {
    const TestMessage request = peer.ReadMessage();
    if (!request.complete) return;
    const std::string body = absl::StrCat(request.Field("x-forwarded-proto"), " ", request.body);
    peer.Write(absl::StrCat("HTTP/1.1 200 OK\r\nContent-Length: ", body.size(), "\r\n\r\n", body));
  }
}

class TlsTest : public EngineFixture {
 protected:
  void Listen(std::vector<TlsCertificate> certificates) {
    listener_tls.emplace();
    listener_tls->certificates = std::move(certificates);
  }
  // A client of its own context, so that nothing is resumed.
  Peer Secure(const std::string& name, const SslContext& context) {
    Peer peer = Client();
    EXPECT_TRUE(peer.StartTls(context.get(), name));
    return peer;
  }
  static std::string Subject(Peer& peer) {
    X509* shown = SSL_get1_peer_certificate(peer.tls());
    char name[64] = {};
    X509_NAME_get_text_by_NID(X509_get_subject_name(shown), NID_commonName, name, sizeof(name));
    X509_free(shown);
    return name;
  }

  // False when the gateway refuses.
  static bool StartResumed(Peer& peer, SSL_CTX* context, SSL_SESSION* session,
                           const std::string& name = "a.example") {
    return peer.StartTls(context, name, session);
  }

  TlsPeers peers_;
};

TEST_F(TlsTest, ServesHttp1) {
  Listen({peers_.Certificate("a", "DNS:a.example")});
  ScriptedUpstream upstream(AnswerAll);
  Publish({upstream.port()});
  Peer client = Secure("a.example", peers_.ClientContext());
  for (int i = 0; i < 3; ++i) {
    client.Write(kGet);
    const TestMessage answer = client.ReadMessage();
    EXPECT_EQ(answer.status(), 200);
    EXPECT_EQ(answer.body, "https ");
  }
  EXPECT_EQ(engine().Stats().tls_handshakes, 1u);
}

// Whatever ALPN said: the preface of HTTP/2 is a bad request line there.
TEST_F(TlsTest, AListenerOfHttp1AloneRefusesHttp2) {
  constexpr absl::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  Listen({peers_.Certificate("a", "DNS:a.example")});
  listener_tls->http2 = false;
  Publish({});
  for (const size_t cut : {kPreface.size(), size_t{1}, size_t{20}}) {
    Peer client = Secure("a.example", peers_.ClientContext());
    client.Write(std::string(kPreface.substr(0, cut)));
    if (cut < kPreface.size()) client.Write(std::string(kPreface.substr(cut)));
    const TestMessage answer = client.ReadMessage();
    EXPECT_EQ(answer.status(), 505) << cut;
    EXPECT_EQ(answer.Field("x-pointsman-reason"), "bad_version");
    EXPECT_TRUE(client.Closed());
  }
}

TEST_F(TlsTest, ServesRequestsThatComeWithTheEndOfTheHandshake) {
  Listen({peers_.Certificate("a", "DNS:a.example")});
  ScriptedUpstream upstream(AnswerAll);
  Publish({upstream.port()});
  // Both go into one segment: the kernel holds the first back until the cork is drawn.
  Peer client = Client();
  const int on = 1;
  const int off = 0;
  setsockopt(client.fd(), IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
  const SslContext context = peers_.ClientContext();
  SSL* raw = SSL_new(context.get());
  SSL_set_fd(raw, client.fd());
  SSL_set_connect_state(raw);
  // A client may send as soon as its own part is said.
  std::thread uncork([&] {
    ASSERT_EQ(SSL_do_handshake(raw), 1);
    ASSERT_GT(SSL_write(raw, kGet, sizeof(kGet) - 1), 0);
    setsockopt(client.fd(), IPPROTO_TCP, TCP_CORK, &off, sizeof(off));
  });
  uncork.join();
  char answer[4096];
  const int n = SSL_read(raw, answer, sizeof(answer));
  ASSERT_GT(n, 0);
  EXPECT_EQ(absl::string_view(answer, 15), "HTTP/1.1 200 OK");
  // The ticket came before the answer, in order, or the answer could not be read.
  EXPECT_EQ(SSL_SESSION_is_resumable(SSL_get0_session(raw)), 1);
  SSL_free(raw);
}

TEST_F(TlsTest, AgreesOnHttp2) {
  Listen({peers_.Certificate("a", "DNS:a.example")});
  ScriptedUpstream upstream(AnswerAll);
  Publish({upstream.port()});
  Peer client = Secure("a.example", peers_.ClientContext("\x08http/1.1\x02h2"));
  const unsigned char* chosen = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(client.tls(), &chosen, &size);
  ASSERT_EQ(absl::string_view(reinterpret_cast<const char*>(chosen), size), "h2");
  Http2Peer http2(Http2Peer::Side::kClient, &client);
  const int32_t stream = http2.Request(
      {{":method", "GET"}, {":scheme", "https"}, {":authority", "a.example"}, {":path", "/"}}, "");
  ASSERT_TRUE(http2.Until([&] { return http2.message(stream).ended; }));
  EXPECT_EQ(http2.message(stream).status(), 200);
  EXPECT_EQ(http2.message(stream).body, "https ");
}

TEST_F(TlsTest, RefusesProtocolsItDoesNotSpeak) {
  Listen({peers_.Certificate("a", "DNS:a.example")});
  Publish({});
  Peer client = Client();
  EXPECT_FALSE(client.StartTls(peers_.ClientContext("\x04imap").get(), "a.example"));
  EXPECT_TRUE(WaitFor([&] { return engine().Stats().tls_handshake_failures == 1; }));
}

TEST_F(TlsTest, ChoosesTheCertificateByName) {
  Listen({peers_.Certificate("first", "DNS:first.example"),
          peers_.Certificate("a", "DNS:a.example"),
          peers_.Certificate("wild", "DNS:*.wild.example")});
  Publish({});
  Peer a = Secure("A.example", peers_.ClientContext());
  EXPECT_EQ(Subject(a), "a");
  Peer wild = Secure("x.wild.example", peers_.ClientContext());
  EXPECT_EQ(Subject(wild), "wild");
  Peer unknown = Secure("else.example", peers_.ClientContext());
  EXPECT_EQ(Subject(unknown), "first");
  Peer none = Secure("", peers_.ClientContext());
  EXPECT_EQ(Subject(none), "first");
}

TEST_F(TlsTest, SendsRequestsForAnotherCertificateAway) {
  Listen({peers_.Certificate("first", "DNS:first.example"),
          peers_.Certificate("a", "DNS:a.example,DNS:b.example")});
  ScriptedUpstream upstream(AnswerAll);
  Publish({upstream.port()});
  Peer client = Secure("a.example", peers_.ClientContext());
  client.Write("GET / HTTP/1.1\r\nHost: first.example\r\n\r\n");
  TestMessage answer = client.ReadMessage();
  EXPECT_EQ(answer.status(), 421);
  EXPECT_EQ(answer.Field("x-pointsman-reason"), "misdirected");
  // Another name of the same certificate is welcome, with a port too.
  client.Write("GET / HTTP/1.1\r\nHost: b.example:8443\r\n\r\n");
  EXPECT_EQ(client.ReadMessage().status(), 200);
}

TEST_F(TlsTest, ResumesWithTicketsOnAnyWorker) {
  workers = 2;
  Listen({peers_.Certificate("a", "DNS:a.example")});
  ScriptedUpstream upstream(AnswerAll);
  Publish({upstream.port()});
  const SslContext context = peers_.ClientContext();
  Peer first = Secure("a.example", context);
  first.Write(kGet);
  ASSERT_EQ(first.ReadMessage().status(), 200);
  SSL_SESSION* session = SSL_get1_session(first.tls());
  ASSERT_EQ(SSL_SESSION_is_resumable(session), 1);
  for (int rotation = 0; rotation < static_cast<int>(kTicketKeysKept); ++rotation) {
    for (int i = 0; i < 8; ++i) {
      Peer again = Client();
      EXPECT_TRUE(StartResumed(again, context.get(), session));
      EXPECT_EQ(SSL_session_reused(again.tls()), 1) << "rotation " << rotation;
      again.Write(kGet);
      EXPECT_EQ(again.ReadMessage().status(), 200);
    }
    engine().RotateTickets();
    // Taken by every worker once a later table is.
    Publish({upstream.port()});
  }
  Peer late = Client();
  EXPECT_TRUE(StartResumed(late, context.get(), session));
  EXPECT_EQ(SSL_session_reused(late.tls()), 0) << "the key of its ticket has left";
  SSL_SESSION_free(session);
}

TEST_F(TlsTest, ResumesAtTheEngineThatTakesItsPlace) {
  Listen({peers_.Certificate("a", "DNS:a.example")});
  ScriptedUpstream upstream(AnswerAll);
  Publish({upstream.port()});
  const SslContext context = peers_.ClientContext();
  Peer first = Secure("a.example", context);
  first.Write(kGet);
  ASSERT_EQ(first.ReadMessage().status(), 200);
  SSL_SESSION* session = SSL_get1_session(first.tls());
  const auto resumed = [&] {
    StartOver();
    Publish({upstream.port()});
    Peer again = Client();
    EXPECT_TRUE(StartResumed(again, context.get(), session));
    return SSL_session_reused(again.tls()) == 1;
  };
  const TicketRing handed = engine().tickets();
  tickets = handed;
  EXPECT_TRUE(resumed());
  EXPECT_NE(engine().tickets().front().name, handed.front().name) << "no key lives for ever";
  tickets.clear();
  EXPECT_FALSE(resumed());
  SSL_SESSION_free(session);
}

TEST_F(TlsTest, AsksForClientCertificates) {
  TlsCertificate required = peers_.Certificate("a", "DNS:a.example");
  required.clients = ClientCertificates::kRequired;
  required.client_ca_pem = peers_.ca_pem();
  Listen({peers_.Certificate("first", "DNS:first.example"), required});
  ScriptedUpstream upstream(AnswerAll);
  Publish({upstream.port()});
  peers_.Certificate("client", "URI:spiffe://example.org/client");
  Peer good = Secure("a.example", peers_.ClientContext("", "client"));
  good.Write(kGet);
  EXPECT_EQ(good.ReadMessage().status(), 200);
  // Without one: in TLS 1.3 the client learns it when it reads.
  Peer bare = Secure("a.example", peers_.ClientContext());
  bare.Write(kGet);
  EXPECT_FALSE(bare.ReadMessage().complete);
  EXPECT_TRUE(WaitFor([&] { return engine().Stats().tls_handshake_failures == 1; }));
  // Of an authority that is not trusted here.
  TlsPeers stranger;
  stranger.Certificate("client", "URI:spiffe://example.org/client");
  SslContext context = stranger.ClientContext("", "client");
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  Peer foreign = Secure("a.example", context);
  foreign.Write(kGet);
  EXPECT_FALSE(foreign.ReadMessage().complete);
  // The other certificate asks nobody.
  Peer other = Secure("first.example", peers_.ClientContext());
  other.Write("GET / HTTP/1.1\r\nHost: first.example\r\n\r\n");
  EXPECT_EQ(other.ReadMessage().status(), 200);
}

// A session that was begun without a client certificate must not open the door that asks for one
// (nginx, CVE-2025-23419).
TEST_F(TlsTest, ResumesOnlyUnderTheSameDemands) {
  TlsCertificate required = peers_.Certificate("a", "DNS:a.example");
  required.clients = ClientCertificates::kRequired;
  required.client_ca_pem = peers_.ca_pem();
  Listen({peers_.Certificate("first", "DNS:first.example"), required});
  ScriptedUpstream upstream(AnswerAll);
  Publish({upstream.port()});
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const SslContext context = peers_.ClientContext();
    SSL_CTX_set_max_proto_version(context.get(), version);
    Peer open = Secure("first.example", context);
    open.Write("GET / HTTP/1.1\r\nHost: first.example\r\n\r\n");
    ASSERT_EQ(open.ReadMessage().status(), 200);
    SSL_SESSION* session = SSL_get1_session(open.tls());
    Peer sneaky = Client();
    StartResumed(sneaky, context.get(), session, "a.example");
    EXPECT_EQ(SSL_session_reused(sneaky.tls()), 0);
    sneaky.Write(kGet);
    EXPECT_FALSE(sneaky.ReadMessage().complete);
    SSL_SESSION_free(session);
  }
}

TEST_F(TlsTest, LargeBodiesBothWays) {
  Listen({peers_.Certificate("a", "DNS:a.example")});
  std::string big(3'000'000, 'x');
  for (size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>('a' + i % 23);
  ScriptedUpstream upstream(AnswerAll);
  Publish({upstream.port()});
  Peer client = Secure("a.example", peers_.ClientContext());
  std::thread writer([&] {
    client.Write(absl::StrCat("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: ", big.size(),
                              "\r\n\r\n"));
    client.Write(big);
  });
  writer.join();
  const TestMessage answer = client.ReadMessage();
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.body, "https " + big);
  EXPECT_EQ(engine().Stats().tls_handshake_failures, 0u);
}

TEST_F(TlsTest, ClosesOnBytesThatAreNotTls) {
  Listen({peers_.Certificate("a", "DNS:a.example")});
  Publish({});
  Peer client = Client();
  client.Write(kGet);
  std::string said;
  client.ReadToEnd(&said);
  EXPECT_FALSE(absl::StartsWith(said, "HTTP"));
  EXPECT_TRUE(WaitFor([&] { return engine().Stats().tls_handshake_failures == 1; }));
}

TEST_F(TlsTest, DoesNotWaitForHandshakesForEver) {
  limits.tls_handshake_timeout = absl::Milliseconds(50);
  Listen({peers_.Certificate("a", "DNS:a.example")});
  Publish({});
  Peer silent = Client();
  EXPECT_TRUE(silent.Closed());
  // Half a record.
  Peer half = Client();
  half.Write(absl::string_view("\x16\x03\x01\x02\x00\x01", 6));
  EXPECT_TRUE(half.Closed());
  EXPECT_TRUE(WaitFor([&] { return engine().Stats().tls_handshaking == 0; }));
}

TEST_F(TlsTest, TakesNewCertificatesWithoutLosingConnections) {
  Listen({peers_.Certificate("old", "DNS:a.example")});
  ScriptedUpstream upstream(AnswerAll);
  Publish({upstream.port()});
  Peer before = Secure("a.example", peers_.ClientContext());
  EXPECT_EQ(Subject(before), "old");
  TlsServerOptions next;
  next.certificates = {peers_.Certificate("new", "DNS:a.example")};
  ASSERT_TRUE(engine().ReplaceTls(0, next).ok());
  Publish({upstream.port()});
  Peer after = Secure("a.example", peers_.ClientContext());
  EXPECT_EQ(Subject(after), "new");
  before.Write(kGet);
  EXPECT_EQ(before.ReadMessage().status(), 200);
  // What cannot be used changes nothing.
  next.certificates[0].key_pem = listener_tls->certificates[0].key_pem;
  EXPECT_EQ(engine().ReplaceTls(0, next).code(), absl::StatusCode::kInvalidArgument);
  Peer still = Secure("a.example", peers_.ClientContext());
  EXPECT_EQ(Subject(still), "new");
}

// ---- To endpoints.

TEST_F(TlsTest, SpeaksTlsToEndpoints) {
  const SslContext server = peers_.ServerContext("endpoint", "DNS:backend.internal");
  upstream_tls.emplace();
  upstream_tls->ca_pem = peers_.ca_pem();
  upstream_tls->server_name = "backend.internal";
  std::atomic<int> resumed{0};
  ScriptedUpstream upstream([&](Peer& peer, int connection) {
    if (!peer.StartTls(server.get())) return;
    EXPECT_STREQ(SSL_get_servername(peer.tls(), TLSEXT_NAMETYPE_host_name), "backend.internal");
    resumed += SSL_session_reused(peer.tls());
    const TestMessage request = peer.ReadMessage();
    if (!request.complete) return;
    peer.Write(absl::StrCat("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n",
                            connection % 10));
    SSL_shutdown(peer.tls());
  });
  Publish({upstream.port()});
  Peer client = Client();
  for (int i = 0; i < 3; ++i) {
    client.Write(kGet);
    const TestMessage answer = client.ReadMessage();
    EXPECT_EQ(answer.status(), 200);
    EXPECT_EQ(answer.body, absl::StrCat(i));
  }
  EXPECT_EQ(engine().Stats().tls_upstream_handshakes, 3u);
  EXPECT_EQ(engine().Stats().tls_upstream_resumed, 2u);
  EXPECT_EQ(resumed.load(), 2);
}

TEST_F(TlsTest, SpeaksHttp2OverTlsToEndpoints) {
  const SslContext server = peers_.ServerContext("endpoint", "IP:127.0.0.1", "h2");
  upstream_tls.emplace();
  upstream_tls->ca_pem = peers_.ca_pem();
  upstream_tls->server_name = "127.0.0.1";
  upstream_tls->protocol = UpstreamProtocol::kHttp2;
  ScriptedUpstream upstream([&](Peer& peer, int) {
    if (!peer.StartTls(server.get())) return;
    Http2Peer http2(Http2Peer::Side::kServer, &peer);
    while (const int32_t stream = http2.AwaitRequest()) {
      http2.Respond(stream, {{":status", "200"}}, "over h2");
    }
  });
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(kGet);
  const TestMessage answer = client.ReadMessage();
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.body, "over h2");
}

TEST_F(TlsTest, TrustsNoOtherEndpoint) {
  const SslContext server = peers_.ServerContext("endpoint", "DNS:backend.internal");
  TlsPeers stranger;
  ScriptedUpstream upstream([&](Peer& peer, int) { peer.StartTls(server.get()); });
  policy.max_retries = 0;
  upstream_tls.emplace();
  // The wrong name, then the wrong authority.
  for (const bool name : {true, false}) {
    upstream_tls->server_name = name ? "other.internal" : "backend.internal";
    upstream_tls->ca_pem = name ? peers_.ca_pem() : stranger.ca_pem();
    Publish({upstream.port()});
    Peer client = Client();
    client.Write(kGet);
    const TestMessage answer = client.ReadMessage();
    EXPECT_EQ(answer.status(), 502);
    EXPECT_EQ(answer.Field("x-pointsman-reason"), "upstream_tls");
  }
  EXPECT_EQ(engine().Stats().tls_upstream_failures, 2u);
}

TEST_F(TlsTest, VerifiesNothingWhenToldSo) {
  const SslContext server = peers_.ServerContext("endpoint", "DNS:backend.internal");
  ScriptedUpstream upstream([&](Peer& peer, int connection) {
    if (peer.StartTls(server.get())) AnswerAll(peer, connection);
  });
  upstream_tls.emplace();
  upstream_tls->insecure = true;
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(kGet);
  EXPECT_EQ(client.ReadMessage().status(), 200);
}

// A body that ends with the connection, cut off by somebody in between: not a whole answer.
TEST_F(TlsTest, TakesACutForNoEnd) {
  const SslContext server = peers_.ServerContext("endpoint", "DNS:backend.internal");
  std::atomic<bool> orderly{true};
  ScriptedUpstream upstream([&](Peer& peer, int) {
    if (!peer.StartTls(server.get())) return;
    if (!peer.ReadMessage().complete) return;
    peer.Write("HTTP/1.1 200 OK\r\n\r\nhalf of it");
    if (orderly.load()) SSL_shutdown(peer.tls());
  });
  upstream_tls.emplace();
  upstream_tls->ca_pem = peers_.ca_pem();
  upstream_tls->server_name = "backend.internal";
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(kGet);
  TestMessage answer = client.ReadMessage();
  EXPECT_TRUE(answer.complete);
  EXPECT_EQ(answer.body, "half of it");
  orderly.store(false);
  Peer other = Client();
  other.Write(kGet);
  EXPECT_FALSE(other.ReadMessage().complete);
}

TEST_F(TlsTest, PlainConnectionsDoNotServeATlsPolicy) {
  const SslContext server = peers_.ServerContext("endpoint", "DNS:backend.internal");
  std::atomic<bool> tls{false};
  ScriptedUpstream upstream([&](Peer& peer, int connection) {
    if (tls.load() && !peer.StartTls(server.get())) return;
    AnswerAll(peer, connection);
  });
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(kGet);
  ASSERT_EQ(client.ReadMessage().status(), 200);
  tls.store(true);
  upstream_tls.emplace();
  upstream_tls->ca_pem = peers_.ca_pem();
  upstream_tls->server_name = "backend.internal";
  Publish({upstream.port()});
  client.Write(kGet);
  EXPECT_EQ(client.ReadMessage().status(), 200);
  EXPECT_EQ(engine().Stats().tls_upstream_handshakes, 1u);
}

}  // namespace
}  // namespace pointsman::gateway
