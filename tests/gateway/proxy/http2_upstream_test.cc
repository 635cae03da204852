// Connections to HTTP/2 endpoints: their limits of streams, their deaths, and what TLS makes of
// requests. Over real sockets.

#include <atomic>
#include <future>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/gateway/proxy/engine_fixture.h"
#include "tests/gateway/proxy/http2_peer.h"
#include "tests/gateway/proxy/tls_peers.h"

namespace pointsman::gateway {
namespace {

class Http2UpstreamTest : public EngineFixture {
 protected:
  using Side = Http2Peer::Side;
  using Settings = std::vector<nghttp2_settings_entry>;

  void SetUp() override { policy.upstream_http2 = true; }
  Http2Peer& client() {
    if (client_ == nullptr) {
      socket_ = Client();
      client_ = std::make_unique<Http2Peer>(Side::kClient, &socket_);
    }
    return *client_;
  }
  static Settings StreamsMax(uint32_t most) {
    return {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, most}};
  }
  // Asks for `count` at once; how many were answered 200.
  int AskAtOnce(int count) {
    std::vector<int32_t> ids;
    ids.reserve(count);
    for (int i = 0; i < count; ++i) ids.push_back(client().Request(Http2Peer::Post(), "ask"));
    int good = 0;
    for (const int32_t id : ids) good += client().Await(id).status() == 200 ? 1 : 0;
    return good;
  }
  // Nothing was held against the endpoint.
  void ExpectBlameless(uint16_t endpoint) {
    EXPECT_EQ(Totals(endpoint).resets, 0u);
    EXPECT_EQ(Totals(endpoint).timeouts, 0u);
    EXPECT_EQ(ReasonCountOf(Reason::kUpstreamReset), 0u);
    EXPECT_EQ(engine().Stats().retries, 0u);
    EXPECT_EQ(engine().Stats().upstream_waiting, 0u);
  }

 private:
  Peer socket_;
  std::unique_ptr<Http2Peer> client_;
};

TEST_F(Http2UpstreamTest, RequestsBeyondTheEndpointsLimitWait) {
  limits.http2_per_endpoint_max = 2;
  std::atomic<int> most{0};
  ScriptedUpstream upstream([&most](Peer& peer, int) {
    Http2Peer http2(Side::kServer, &peer, StreamsMax(2));
    std::vector<int32_t> open;
    // Answers only when nothing more comes at once, so that streams pile up.
    while (const int32_t id = http2.AwaitRequest()) {
      open.push_back(id);
      pollfd more{peer.fd(), POLLIN, 0};
      if (poll(&more, 1, 5) == 1) continue;
      most = std::max<int>(most, static_cast<int>(open.size()));
      for (const int32_t one : std::exchange(open, {})) {
        http2.Respond(one, {{":status", "200"}}, "x");
      }
    }
  });
  Publish({upstream.port()});
  EXPECT_EQ(AskAtOnce(50), 50);
  EXPECT_EQ(AskAtOnce(50), 50);
  EXPECT_LE(upstream.connections(), 2);
  EXPECT_LE(most, 2);
  // The endpoint's library would refuse what is beyond, unseen by the script.
  EXPECT_EQ(engine().Stats().stale_retries, 0u);
  ExpectBlameless(upstream.port());
}

TEST_F(Http2UpstreamTest, ALimitThatIsLoweredLaterIsKept) {
  limits.http2_per_endpoint_max = 1;
  ScriptedUpstream upstream([](Peer& peer, int) {
    Http2Peer http2(Side::kServer, &peer, StreamsMax(100));
    int answered = 0;
    while (const int32_t id = http2.AwaitRequest()) {
      // Streams on their way meanwhile are refused.
      if (++answered == 5) {
        const Settings less = StreamsMax(2);
        nghttp2_submit_settings(http2.session(), 0, less.data(), less.size());
      }
      http2.Respond(id, {{":status", "200"}}, "x");
    }
  });
  Publish({upstream.port()});
  EXPECT_EQ(AskAtOnce(50), 50);
  EXPECT_EQ(AskAtOnce(50), 50);
  EXPECT_EQ(upstream.connections(), 1);
  ExpectBlameless(upstream.port());
}

TEST_F(Http2UpstreamTest, AClientThatLeavesWhileItsRequestWaitsHoldsNobodyUp) {
  limits.http2_per_endpoint_max = 1;
  std::promise<void> go;
  ScriptedUpstream upstream([ready = go.get_future().share()](Peer& peer, int) {
    Http2Peer http2(Side::kServer, &peer, StreamsMax(1));
    while (const int32_t id = http2.AwaitRequest()) {
      ready.wait();
      http2.Respond(id, {{":status", "200"}}, http2.message(id).Field(":path"));
    }
  });
  Publish({upstream.port()});
  const int32_t first = client().Request(Http2Peer::Get("/first"));
  const int32_t leaves = client().Request(Http2Peer::Post("/leaves"), std::string(50'000, 'x'));
  client().Flush();
  ASSERT_TRUE(WaitFor([&] { return engine().Stats().upstream_waiting == 1; }));
  client().Reset(leaves, NGHTTP2_CANCEL);
  ASSERT_TRUE(WaitFor([&] { return engine().Stats().requests_active == 1; }));
  EXPECT_EQ(engine().Stats().upstream_waiting, 0u);
  const int32_t last = client().Request(Http2Peer::Post("/last"), std::string(50'000, 'x'));
  client().Flush();
  ASSERT_TRUE(WaitFor([&] { return engine().Stats().requests_active == 2; }));
  go.set_value();
  EXPECT_EQ(client().Await(first).body, "/first");
  EXPECT_EQ(client().Await(last).body, "/last");
  EXPECT_TRUE(WaitFor([&] { return engine().Stats().buffer_bytes == 0; }));
}

TEST_F(Http2UpstreamTest, WhatWaitsGoesElsewhereWhenTheConnectionIsToEnd) {
  limits.http2_per_endpoint_max = 1;
  ScriptedUpstream upstream([](Peer& peer, int connection) {
    Http2Peer http2(Side::kServer, &peer, StreamsMax(1));
    while (const int32_t id = http2.AwaitRequest()) {
      if (connection == 0) http2.Goaway(id);
      http2.Respond(id, {{":status", "200"}}, "x");
    }
  });
  Publish({upstream.port()});
  EXPECT_EQ(AskAtOnce(10), 10);
  EXPECT_EQ(upstream.connections(), 2);
  ExpectBlameless(upstream.port());
}

TEST_F(Http2UpstreamTest, SaysTheSchemeThatItSpeaks) {
  std::string plain;
  ScriptedUpstream upstream(Http2Answering([&plain](const H2Message& request) {
    plain = request.Field(":scheme");
    return H2Answer{{{":status", "200"}}, "", {}};
  }));
  Publish({upstream.port()});
  EXPECT_EQ(AskAtOnce(1), 1);
  EXPECT_EQ(plain, "http");
}

TEST_F(Http2UpstreamTest, SaysHttpsOverTls) {
  TlsPeers peers;
  const SslContext server = peers.ServerContext("endpoint", "IP:127.0.0.1", "h2");
  upstream_tls.emplace();
  upstream_tls->ca_pem = peers.ca_pem();
  upstream_tls->server_name = "127.0.0.1";
  upstream_tls->protocol = UpstreamProtocol::kHttp2;
  std::string scheme;
  ScriptedUpstream upstream([&](Peer& peer, int) {
    if (!peer.StartTls(server.get())) return;
    Http2Peer http2(Side::kServer, &peer);
    while (const int32_t id = http2.AwaitRequest()) {
      scheme = http2.message(id).Field(":scheme");
      http2.Respond(id, {{":status", "200"}});
    }
  });
  Publish({upstream.port()});
  EXPECT_EQ(AskAtOnce(1), 1);
  EXPECT_EQ(scheme, "https");
}

// ---- Signs of life.

// Answers requests until told to say nothing any more.
ScriptedUpstream::Script FallingSilent(std::atomic<bool>& silent) {
  return [&silent](Peer& peer, int connection) {
    Http2Peer http2(Http2Peer::Side::kServer, &peer);
    while (const int32_t id = http2.AwaitRequest()) {
      if (connection == 0 && silent) break;
      http2.Respond(id, {{":status", "200"}}, absl::StrCat(connection));
    }
    std::string unread;
    while (silent && peer.fd() >= 0 && peer.ReadSome(&unread)) {
    }
  };
}

TEST_F(Http2UpstreamTest, AConnectionThatDiedUnderARequestIsLost) {
  limits.http2_ping_after = absl::Milliseconds(50);
  limits.http2_ping_timeout = absl::Milliseconds(50);
  std::atomic<bool> silent{false};
  ScriptedUpstream upstream(FallingSilent(silent));
  Publish({upstream.port()});
  EXPECT_EQ(client().Await(client().Request(Http2Peer::Get())).body, "0");
  silent = true;
  // Long before any timeout of the request.
  EXPECT_EQ(client().Await(client().Request(Http2Peer::Get())).body, "1");
  EXPECT_EQ(upstream.connections(), 2);
  EXPECT_EQ(engine().Stats().upstream_silent, 1u);
}

TEST_F(Http2UpstreamTest, ALivingConnectionMayBeSilent) {
  limits.http2_ping_after = absl::Milliseconds(20);
  limits.http2_ping_timeout = absl::Milliseconds(500);
  limits.http2_patient_ping_after = absl::Milliseconds(20);
  std::atomic<int> pings{0};
  ScriptedUpstream upstream([&pings](Peer& peer, int) {
    Http2Peer http2(Side::kServer, &peer);
    const int32_t id = http2.AwaitRequest();
    // Reads and acknowledges, but has no answer yet.
    while (pings < 5 && http2.Pump()) ++pings;
    http2.Respond(id, {{":status", "200"}}, "late");
    http2.AwaitRequest();
  });
  Publish({upstream.port()});
  EXPECT_EQ(client().Await(client().Request(Http2Peer::Get())).body, "late");
  EXPECT_EQ(upstream.connections(), 1);
}

// gRPC's servers end connections that ask oftener than every 5 minutes.
TEST_F(Http2UpstreamTest, SilentAnswersAreAskedForTwiceOnly) {
  limits.http2_ping_after = absl::Milliseconds(20);
  std::atomic<int> pings{0};
  ScriptedUpstream upstream([&pings](Peer& peer, int) {
    Http2Peer http2(Side::kServer, &peer);
    const int32_t id = http2.AwaitRequest();
    // Until nothing has come for some times 20 ms.
    int silence = 0;
    while (++silence < 15) {
      pollfd more{peer.fd(), POLLIN, 0};
      if (poll(&more, 1, 10) != 1) continue;
      if (!http2.Pump()) return;
      silence = 0;
    }
    pings = http2.pings();
    http2.Respond(id, {{":status", "200"}}, "late");
    http2.AwaitRequest();
  });
  Publish({upstream.port()});
  EXPECT_EQ(client().Await(client().Request(Http2Peer::Get())).body, "late");
  EXPECT_EQ(pings, 2);
}

TEST_F(Http2UpstreamTest, ATryThatTimedOutInSilenceMakesItsConnectionSuspect) {
  policy.max_retries = 0;
  policy.first_byte_timeout = absl::Milliseconds(100);
  std::atomic<bool> silent{false};
  ScriptedUpstream upstream(FallingSilent(silent));
  Publish({upstream.port()});
  EXPECT_EQ(client().Await(client().Request(Http2Peer::Get())).body, "0");
  silent = true;
  EXPECT_EQ(client().Await(client().Request(Http2Peer::Get())).status(), 504);
  // The connection stands, for some seconds more, but takes nothing.
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(client().Await(client().Request(Http2Peer::Get())).body, "1");
  }
  EXPECT_EQ(upstream.connections(), 2);
}

}  // namespace
}  // namespace pointsman::gateway
