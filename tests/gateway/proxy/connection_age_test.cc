// Connections to endpoints that end by their age or their number of requests. Over real sockets.

#include <functional>
#include <future>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/gateway/proxy/engine_fixture.h"
#include "tests/gateway/proxy/holding_observer.h"
#include "tests/gateway/proxy/http2_peer.h"

namespace pointsman::gateway {
namespace {

using Side = Http2Peer::Side;

constexpr absl::string_view kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

class ConnectionAgeTest : public EngineFixture {
 protected:
  static void Ask(Peer* client, int times, absl::string_view request = kGet) {
    for (int i = 0; i < times; ++i) {
      client->Write(request);
      ASSERT_EQ(client->ReadMessage().status(), 200);
    }
  }
  bool AgedAre(uint64_t count) {
    return WaitFor([&] { return engine().Stats().upstream_aged == count; });
  }
  bool ActiveAre(uint64_t count) {
    return WaitFor([&] { return engine().Stats().requests_active == count; });
  }
  // Publishes an endpoint of HTTP/1, then one of HTTP/2.
  void OverEachProtocol(const std::function<void(ScriptedUpstream& upstream)>& check) {
    for (const bool http2 : {false, true}) {
      policy.upstream_http2 = http2;
      ScriptedUpstream upstream(http2 ? Http2Answering([](const H2Message&) { return H2Answer(); })
                                      : AnsweringX());
      Publish({upstream.port()});
      check(upstream);
      StartOver();
    }
  }
  // Answers with the connection's number, for /held when told to.
  static ScriptedUpstream::Script Holding(const std::shared_future<void>& go) {
    return [go](Peer& peer, int connection) {
      while (true) {
        const TestMessage request = peer.ReadMessage();
        if (!request.complete) return;
        if (absl::StartsWith(request.first_line, "GET /held ")) go.wait();
        peer.Write(Ok(absl::StrCat(connection)));
      }
    };
  }
  // The same over HTTP/2, where the rest of a connection is answered meanwhile.
  static ScriptedUpstream::Script Http2Holding(const std::shared_future<void>& go) {
    return [go](Peer& peer, int connection) {
      Http2Peer http2(Side::kServer, &peer);
      const H2Fields ok = {{":status", "200"}};
      while (const int32_t id = http2.AwaitRequest()) {
        if (http2.message(id).Field(":path") == "/held") go.wait();
        http2.Respond(id, ok, absl::StrCat(connection));
      }
    };
  }
};

TEST_F(ConnectionAgeTest, WithoutLimitsNothingEnds) {
  OverEachProtocol([&](ScriptedUpstream& upstream) {
    Peer client = Client();
    Ask(&client, 50);
    EXPECT_EQ(upstream.connections(), 1);
    EXPECT_EQ(engine().Stats().upstream_aged, 0u);
    EXPECT_EQ(engine().Stats().clients_aged, 0u);
  });
}

TEST_F(ConnectionAgeTest, AConnectionTakesSoManyRequests) {
  policy.connection_requests_max = 3;
  OverEachProtocol([&](ScriptedUpstream& upstream) {
    Peer client = Client();
    Ask(&client, 7);
    EXPECT_EQ(upstream.connections(), 3);
    EXPECT_TRUE(WaitFor([&] { return upstream.open() == 1; }));
    EXPECT_EQ(engine().Stats().upstream_aged, 2u);
    EXPECT_EQ(engine().Stats().stale_retries, 0u);
    EXPECT_EQ(Totals(upstream.port()).resets, 0u);
  });
}

TEST_F(ConnectionAgeTest, AnIdleConnectionIsClosedAtItsAge) {
  policy.connection_age_max = absl::Milliseconds(50);
  OverEachProtocol([&](ScriptedUpstream& upstream) {
    Peer client = Client();
    Ask(&client, 1);
    EXPECT_TRUE(AgedAre(1));
    EXPECT_TRUE(WaitFor([&] { return upstream.open() == 0; }));
    EXPECT_TRUE(WaitFor([&] { return engine().Stats().upstream_idle == 0; }));
    Ask(&client, 1);
    EXPECT_EQ(upstream.connections(), 2);
  });
}

TEST_F(ConnectionAgeTest, ARequestOnAnOldConnectionIsFinished) {
  policy.connection_age_max = absl::Milliseconds(20);
  std::promise<void> go;
  ScriptedUpstream upstream(Holding(go.get_future().share()));
  Publish({upstream.port()});
  Peer client = Client();
  client.Write("GET /held HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(ActiveAre(1));
  Outlast(absl::Milliseconds(20));
  EXPECT_EQ(engine().Stats().upstream_aged, 0u);
  go.set_value();
  EXPECT_EQ(client.ReadMessage().body, "0");
  EXPECT_TRUE(WaitFor([&] { return upstream.open() == 0; }));
  EXPECT_EQ(engine().Stats().upstream_aged, 1u);
  client.Write(kGet);
  EXPECT_EQ(client.ReadMessage().body, "1");
}

TEST_F(ConnectionAgeTest, TriesOnAnOldHttp2ConnectionAreFinished) {
  policy.upstream_http2 = true;
  policy.connection_age_max = absl::Milliseconds(20);
  std::promise<void> go;
  ScriptedUpstream upstream(Http2Holding(go.get_future().share()));
  Publish({upstream.port()});
  Peer held = Client();
  held.Write("GET /held HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(AgedAre(1));
  EXPECT_EQ(engine().Stats().requests_active, 1u);
  Peer client = Client();
  client.Write(kGet);
  EXPECT_EQ(client.ReadMessage().body, "1");
  go.set_value();
  EXPECT_EQ(held.ReadMessage().body, "0");
  EXPECT_TRUE(WaitFor([&] { return upstream.open() == 0; }));
  EXPECT_EQ(engine().Stats().upstream_aged, 2u);
}

TEST_F(ConnectionAgeTest, TheLastTryOfAnHttp2ConnectionIsFinished) {
  policy.upstream_http2 = true;
  policy.connection_requests_max = 1;
  std::promise<void> go;
  ScriptedUpstream upstream(Http2Holding(go.get_future().share()));
  Publish({upstream.port()});
  Peer held = Client();
  held.Write("GET /held HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(WaitFor([&] { return upstream.connections() == 1; }));
  Peer client = Client();
  Ask(&client, 20);
  EXPECT_EQ(upstream.connections(), 21);
  EXPECT_TRUE(WaitFor([&] { return upstream.open() == 1; }));
  go.set_value();
  EXPECT_EQ(held.ReadMessage().body, "0");
  EXPECT_TRUE(WaitFor([&] { return upstream.open() == 0; }));
  EXPECT_EQ(engine().Stats().upstream_aged, 21u);
}

TEST_F(ConnectionAgeTest, ALateTimerHandsNoOldConnectionOut) {
  HoldingObserver holder;
  observer = &holder;
  policy.connection_age_max = absl::Milliseconds(50);
  std::promise<void> never;
  ScriptedUpstream upstream(Holding(never.get_future().share()));
  Publish({upstream.port()});
  Peer next = Client();
  ASSERT_TRUE(WaitFor([&] { return engine().Stats().connections == 1; }));
  Peer first = Client();
  first.Write(kGet);
  holder.WaitUntilHolding();
  // The worker stands still while the connection ages and a request comes.
  Outlast(absl::Milliseconds(50));
  next.Write(kGet);
  holder.Go();
  EXPECT_EQ(first.ReadMessage().body, "0");
  EXPECT_EQ(next.ReadMessage().body, "1");
}

class AgeOnTheShelfTest : public ConnectionAgeTest {
 protected:
  AgeOnTheShelfTest() {
    workers = 4;
    limits.upstream_shelf_after = absl::Milliseconds(20);
  }
  bool Shelved(uint64_t count) {
    return WaitFor([&] { return engine().Stats().upstream_shelved == count; });
  }
};

TEST_F(AgeOnTheShelfTest, WhatHasLimitsStaysWithItsWorker) {
  RouteEntry other = AnyRoute();
  other.name = "other";
  other.path_kind = RouteEntry::PathKind::kExact;
  other.path = "/other";
  other.service = 1;
  routes.push_back(other);
  other_policy = ServicePolicy();
  for (const ConnectionLimits& limit :
       {ConnectionLimits{.requests_max = 100}, ConnectionLimits{.age_max = absl::Hours(1)}}) {
    policy.connection_requests_max = limit.requests_max;
    policy.connection_age_max = limit.age_max;
    ScriptedUpstream upstream(AnsweringX());
    ScriptedUpstream without(AnsweringX());
    PublishServices({{"web", {upstream.port()}}, {"x", {without.port()}}});
    Peer client = Client();
    Ask(&client, 1);
    // Later, on the same worker.
    Ask(&client, 1, "GET /other HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_TRUE(Shelved(1));
    EXPECT_EQ(engine().Stats().upstream_idle, 2u);
    Ask(&client, 1);
    EXPECT_EQ(upstream.connections(), 1);
    EXPECT_EQ(engine().Stats().upstream_shelf_taken, 0u);
    StartOver();
  }
}

TEST_F(AgeOnTheShelfTest, WhatLiesThereIsTooOldOnceThereAreLimits) {
  ScriptedUpstream upstream(AnsweringX());
  Publish({upstream.port()});
  Peer client = Client();
  Ask(&client, 1);
  ASSERT_TRUE(Shelved(1));
  policy.connection_age_max = absl::Hours(1);
  Publish({upstream.port()});
  Ask(&client, 1);
  EXPECT_EQ(upstream.connections(), 2);
  EXPECT_EQ(engine().Stats().upstream_shelf_taken, 0u);
}

}  // namespace
}  // namespace pointsman::gateway
