// gRPC calls and tunnels that end by their age, over real sockets.

#include <atomic>
#include <future>
#include <string>
#include <utility>

#include "tests/gateway/proxy/tunnel_fixture.h"

namespace pointsman::gateway {
namespace {

using Side = Http2Peer::Side;

const char kMessage[] = "\0\0\0\0\2hi";
const std::string kHi(kMessage, 7);

// Longer than anything takes that must happen before.
constexpr absl::Duration kAge = absl::Milliseconds(400);

class StreamAgeTest : public TunnelFixture {
 protected:
  StreamAgeTest() { policy.stream_age_max = kAge; }

  static H2Fields Call() {
    H2Fields fields = Http2Peer::Post("/pkg.Service/Watch");
    fields.emplace_back("te", "trailers");
    fields.emplace_back("content-type", "application/grpc");
    return fields;
  }
  // Begins an answer to each call with this part of its body; the rest comes when told to.
  static ScriptedUpstream::Script Beginning(const std::string& part, const std::string& rest,
                                            const std::shared_future<void>& go) {
    return [=](Peer& peer, int) {
      Http2Peer http2(Side::kServer, &peer);
      while (const int32_t id = http2.AwaitRequest()) {
        http2.RespondOpen(id, {{":status", "200"}, {"content-type", "application/grpc"}});
        http2.Send(id, part, /*end=*/false);
        if (rest.empty()) continue;
        go.wait();
        http2.Send(id, rest, /*end=*/false);
      }
    };
  }
  H2Message Ask(const H2Fields& fields, const std::string& body) {
    Peer socket = Client();
    Http2Peer client(Side::kClient, &socket);
    return client.Await(client.Request(fields, body));
  }
};

TEST_F(StreamAgeTest, AGrpcCallIsToldUnavailable) {
  policy.upstream_http2 = true;
  ScriptedUpstream upstream(Beginning(kHi, "", {}));
  Publish({upstream.port()});
  const absl::Time begun = absl::Now();
  const H2Message answer = Ask(Call(), kHi);
  EXPECT_GE(absl::Now() - begun, kAge * 0.8);
  EXPECT_EQ(answer.body, kHi);
  EXPECT_EQ(answer.Trailer("grpc-status"), "14");
  EXPECT_EQ(answer.Trailer("grpc-message"), "stream_age");
  EXPECT_EQ(answer.reset, 0u);
  EXPECT_TRUE(answer.ended);
  EXPECT_EQ(ReasonCountOf(Reason::kStreamAge), 1u);
  // Nobody has failed.
  EXPECT_EQ(Totals(upstream.port()).resets + Totals(upstream.port()).timeouts, 0u);
  const CellTotals service = Totals(0);
  EXPECT_EQ(service.requests, 1u);
  EXPECT_EQ(service.resets + service.timeouts + service.server_errors, 0u);
}

TEST_F(StreamAgeTest, AGrpcCallWithoutAnAnswerIsToldTheSame) {
  policy.upstream_http2 = true;
  policy.stream_age_max = absl::Milliseconds(50);
  ScriptedUpstream upstream([](Peer& peer, int) {
    Http2Peer http2(Side::kServer, &peer);
    while (http2.AwaitRequest() != 0) {
    }
  });
  Publish({upstream.port()});
  const H2Message answer = Ask(Call(), kHi);
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.Field("grpc-status"), "14");
  EXPECT_EQ(answer.Field("x-pointsman-reason"), "stream_age");
  EXPECT_TRUE(answer.body.empty());
  EXPECT_TRUE(answer.ended);
  EXPECT_EQ(engine().Stats().retries, 0u);
}

TEST_F(StreamAgeTest, AMessageThatHasBegunIsFinished) {
  policy.upstream_http2 = true;
  std::promise<void> go;
  ScriptedUpstream upstream(
      Beginning(kHi + kHi.substr(0, 6), kHi.substr(6), go.get_future().share()));
  Publish({upstream.port()});
  Peer socket = Client();
  Http2Peer client(Side::kClient, &socket);
  const int32_t id = client.Request(Call(), kHi);
  ASSERT_EQ(client.AwaitHead(id).status(), 200);
  Outlast(kAge + absl::Milliseconds(20));
  EXPECT_EQ(engine().Stats().requests_active, 1u);
  go.set_value();
  const H2Message& answer = client.Await(id);
  EXPECT_EQ(answer.body, kHi + kHi);
  EXPECT_EQ(answer.Trailer("grpc-status"), "14");
  EXPECT_EQ(answer.reset, 0u);
}

TEST_F(StreamAgeTest, AMessageThatDoesNotEndIsBrokenOff) {
  policy.upstream_http2 = true;
  policy.idle_timeout = absl::Milliseconds(300);
  std::atomic<bool> over{false};
  // A byte now and then, so that it is never silent.
  ScriptedUpstream upstream([&over](Peer& peer, int) {
    Http2Peer http2(Side::kServer, &peer);
    const int32_t id = http2.AwaitRequest();
    http2.RespondOpen(id, {{":status", "200"}, {"content-type", "application/grpc"}});
    http2.Send(id, std::string("\0\0\xff\xff\xff", 5), /*end=*/false);
    while (!over) {
      http2.Send(id, "x", /*end=*/false);
      Outlast(absl::Milliseconds(20));
    }
  });
  Publish({upstream.port()});
  const H2Message answer = Ask(Call(), kHi);
  over = true;
  EXPECT_FALSE(answer.ended);
  EXPECT_NE(answer.reset, 0u);
  EXPECT_EQ(ReasonCountOf(Reason::kStreamAge), 1u);
}

TEST_F(StreamAgeTest, ATunnelInUseEnds) {
  ScriptedUpstream upstream(Following(Echo));
  Publish({upstream.port()});
  Peer client = OpenTunnel();
  std::string byte;
  while (client.Write("x") && client.ReadExact(1, &byte)) {
  }
  EXPECT_TRUE(TunnelsAre(0));
  EXPECT_EQ(ReasonCountOf(Reason::kStreamAge), 1u);
  EXPECT_TRUE(WaitFor([&] { return upstream.open() == 0; }));
}

TEST_F(StreamAgeTest, ATunnelOfHttp2EndsAndItsConnectionStays) {
  ScriptedUpstream upstream(Following(Echo));
  Publish({upstream.port()});
  Peer socket = Client();
  Http2Peer client(Side::kClient, &socket);
  const int32_t id = client.Open(WsConnect());
  ASSERT_EQ(client.AwaitHead(id).status(), 200);
  EXPECT_TRUE(client.Until([&] { return client.message(id).closed; }));
  EXPECT_EQ(client.message(id).reset, uint32_t{NGHTTP2_CANCEL});
  EXPECT_EQ(ReasonCountOf(Reason::kStreamAge), 1u);
  const int32_t again = client.Open(WsConnect());
  EXPECT_EQ(client.AwaitHead(again).status(), 200);
}

TEST_F(StreamAgeTest, OrdinaryAnswersAreLeftAlone) {
  policy.stream_age_max = absl::Milliseconds(1);
  std::promise<void> go;
  ScriptedUpstream upstream([ready = go.get_future().share()](Peer& peer, int) {
    peer.ReadMessage();
    peer.Write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na");
    ready.wait();
    peer.Write("b");
  });
  Publish({upstream.port()});
  Peer client = Client();
  client.Write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_EQ(client.ReadHead().status(), 200);
  Outlast(absl::Milliseconds(50));
  go.set_value();
  std::string body;
  EXPECT_TRUE(client.ReadExact(2, &body));
  EXPECT_EQ(body, "ab");
  EXPECT_EQ(ReasonCountOf(Reason::kStreamAge), 0u);
}

TEST_F(StreamAgeTest, AnUpgradeThatIsRefusedIsAnOrdinaryAnswer) {
  policy.stream_age_max = absl::Milliseconds(1);
  ScriptedUpstream upstream(Answering([](const TestMessage&) {
    Outlast(absl::Milliseconds(20));
    return Ok("no");
  }));
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(WsRequest());
  EXPECT_EQ(client.ReadMessage().body, "no");
  EXPECT_EQ(ReasonCountOf(Reason::kStreamAge), 0u);
}

TEST_F(StreamAgeTest, WithoutOneCallsLast) {
  policy.upstream_http2 = true;
  policy.stream_age_max = absl::InfiniteDuration();
  std::promise<void> go;
  ScriptedUpstream upstream([ready = go.get_future().share()](Peer& peer, int) {
    Http2Peer http2(Side::kServer, &peer);
    const int32_t id = http2.AwaitRequest();
    ready.wait();
    http2.Respond(id, {{":status", "200"}, {"content-type", "application/grpc"}}, kHi,
                  {{"grpc-status", "0"}});
    http2.AwaitRequest();
  });
  Publish({upstream.port()});
  Peer socket = Client();
  Http2Peer client(Side::kClient, &socket);
  const int32_t id = client.Request(Call(), kHi);
  client.Flush();
  ASSERT_TRUE(WaitFor([&] { return engine().Stats().requests_active == 1; }));
  Outlast(absl::Milliseconds(50));
  go.set_value();
  EXPECT_EQ(client.Await(id).Trailer("grpc-status"), "0");
}

}  // namespace
}  // namespace pointsman::gateway
