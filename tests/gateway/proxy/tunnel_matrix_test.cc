// Tunnels between clients and endpoints of either protocol, plain and with TLS on both sides, and
// of a protocol that is not WebSocket: what holds for all combinations.

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "tests/gateway/proxy/tls_peers.h"
#include "tests/gateway/proxy/tunnel_fixture.h"

namespace pointsman::gateway {
namespace {

class TunnelMatrixTest : public TunnelFixture,
                         public ::testing::WithParamInterface<std::tuple<bool, bool, bool, bool>> {
 protected:
  using EndScript = std::function<void(TunnelEnd end)>;

  static bool client_http2() { return std::get<0>(GetParam()); }
  static bool endpoint_http2() { return std::get<1>(GetParam()); }
  static bool tls() { return std::get<2>(GetParam()); }
  static bool other() { return std::get<3>(GetParam()); }

  // An endpoint that follows upgrades, and the table with it.
  void Serve(EndScript script) {
    policy.upstream_http2 = endpoint_http2();
    if (tls()) UseTls();
    if (other()) routes[0].upgrades = {"chat/2"};
    auto follow = endpoint_http2()
                      ? FollowingHttp2(std::move(script))
                      : Following([script = std::move(script)](Peer& peer, const TestMessage&) {
                          script(TunnelEnd(&peer));
                        });
    upstream_ = std::make_unique<ScriptedUpstream>(
        [context = endpoint_context_, follow = std::move(follow)](Peer& peer, int connection) {
          if (context != nullptr && !peer.StartTls(context.get())) return;
          follow(peer, connection);
        });
    Publish({upstream_->port()});
  }
  void UseTls() {
    certificates_.emplace();
    listener_tls.emplace();
    listener_tls->certificates = {certificates_->Certificate("a", "DNS:a.example")};
    upstream_tls.emplace();
    upstream_tls->ca_pem = certificates_->ca_pem();
    upstream_tls->server_name = "b.example";
    upstream_tls->protocol = endpoint_http2() ? UpstreamProtocol::kHttp2 : UpstreamProtocol::kHttp1;
    endpoint_context_ =
        certificates_->ServerContext("b", "DNS:b.example", endpoint_http2() ? "h2" : "");
    client_context_ = certificates_->ClientContext(client_http2() ? "\x02h2" : "");
  }
  static ScriptedUpstream::Script FollowingHttp2(EndScript script) {
    return [script = std::move(script)](Peer& peer, int) {
      Http2Peer http2(Http2Peer::Side::kServer, &peer,
                      {{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1}});
      const int32_t id = http2.AwaitRequestHead();
      if (id == 0) return;
      http2.RespondOpen(id, {{":status", "200"}});
      script(TunnelEnd(&http2, id));
    };
  }
  // A client's tunnel; 200 over HTTP/2, 101 over HTTP/1.
  TunnelEnd Open(const std::string& early = "", int receive_buffer = 0) {
    socket_ = Client(receive_buffer);
    if (tls()) {
      EXPECT_TRUE(socket_.StartTls(client_context_.get(), "a.example"));
    }
    if (!client_http2()) {
      socket_.Write((other() ? ChatRequest() : WsRequest()) + early);
      EXPECT_EQ(socket_.ReadHead().status(), 101);
      return TunnelEnd(&socket_);
    }
    http2_ = std::make_unique<Http2Peer>(Http2Peer::Side::kClient, &socket_);
    const int32_t id = http2_->Open(other() ? ChatConnect() : WsConnect());
    if (!early.empty()) http2_->Send(id, early, false);
    EXPECT_EQ(http2_->AwaitHead(id).status(), 200);
    return TunnelEnd(http2_.get(), id);
  }
  static void Echo(TunnelEnd end) {
    std::string bytes;
    while (end.ReceiveSome(&bytes)) end.Send(std::exchange(bytes, ""));
    end.End();
    end.Finish();
  }

  std::optional<TlsPeers> certificates_;
  SslContext client_context_;
  SslContext endpoint_context_;
  Peer socket_;
  std::unique_ptr<Http2Peer> http2_;
  std::unique_ptr<ScriptedUpstream> upstream_;
};

std::string NameOf(const ::testing::TestParamInfo<std::tuple<bool, bool, bool, bool>>& info) {
  return absl::StrCat("Http", std::get<0>(info.param) ? 2 : 1, "ToHttp",
                      std::get<1>(info.param) ? 2 : 1, std::get<2>(info.param) ? "Tls" : "");
}

INSTANTIATE_TEST_SUITE_P(All, TunnelMatrixTest,
                         ::testing::Combine(::testing::Bool(), ::testing::Bool(), ::testing::Bool(),
                                            ::testing::Values(false)),
                         &NameOf);
INSTANTIATE_TEST_SUITE_P(Other, TunnelMatrixTest,
                         ::testing::Combine(::testing::Bool(), ::testing::Bool(),
                                            ::testing::Values(false), ::testing::Values(true)),
                         &NameOf);

TEST_P(TunnelMatrixTest, CarriesBytesBothWays) {
  Serve(&Echo);
  TunnelEnd client = Open("early");
  EXPECT_EQ(client.Receive(5), "early");
  EXPECT_TRUE(TunnelsAre(1));
  for (int i = 0; i < 50; ++i) {
    const std::string sent = Numbers(i * 60);
    client.Send(sent);
    ASSERT_TRUE(client.Receive(sent.size()) == sent) << i;
  }
  client.End();
  std::string rest;
  EXPECT_TRUE(client.ReceiveToEnd(&rest));
  EXPECT_EQ(rest, "");
  EXPECT_TRUE(TunnelsAre(0));
  EXPECT_TRUE(WaitFor([&] { return engine().Stats().requests_active == 0; }));
  EXPECT_EQ(Totals(upstream_->port()).in_flight, 0u);
  EXPECT_EQ(ReasonCountOf(Reason::kClientGone) + ReasonCountOf(Reason::kUpstreamReset), 0u);
}

TEST_P(TunnelMatrixTest, TheClientsDirectionMayEndFirst) {
  const std::string told = Numbers(200'000);
  Serve([told](TunnelEnd end) {
    std::string heard;
    EXPECT_TRUE(end.ReceiveToEnd(&heard));
    EXPECT_EQ(heard, "me out");
    end.Send(told);
    end.End();
    end.Finish();
  });
  TunnelEnd client = Open();
  client.Send("me out");
  client.End();
  std::string heard;
  EXPECT_TRUE(client.ReceiveToEnd(&heard));
  EXPECT_TRUE(heard == told) << heard.size();
  EXPECT_TRUE(TunnelsAre(0));
}

TEST_P(TunnelMatrixTest, TheEndpointsDirectionMayEndFirst) {
  const std::string told = Numbers(200'000);
  std::promise<std::string> got;
  Serve([&](TunnelEnd end) {
    end.Send("all");
    end.End();
    std::string heard;
    EXPECT_TRUE(end.ReceiveToEnd(&heard));
    got.set_value(std::move(heard));
  });
  TunnelEnd client = Open();
  std::string heard;
  EXPECT_TRUE(client.ReceiveToEnd(&heard));
  EXPECT_EQ(heard, "all");
  EXPECT_EQ(engine().Stats().tunnels, 1u);
  client.Send(told);
  client.End();
  client.Finish();
  EXPECT_TRUE(got.get_future().get() == told);
  EXPECT_TRUE(TunnelsAre(0));
  EXPECT_EQ(ReasonCountOf(Reason::kClientGone) + ReasonCountOf(Reason::kUpstreamReset), 0u);
}

TEST_P(TunnelMatrixTest, ASlowClientHoldsTheEndpointBack) {
  const std::string told = Numbers(2'500'000);
  Serve([told](TunnelEnd end) {
    end.Send(told);
    end.End();
    end.Finish();
  });
  TunnelEnd client = Open("", /*receive_buffer=*/4096);
  EXPECT_TRUE(WaitFor([&] { return engine().Stats().buffer_bytes >= limits.stream_window_bytes; }));
  std::string heard;
  EXPECT_TRUE(client.ReceiveToEnd(&heard));
  EXPECT_TRUE(heard == told) << heard.size();
  EXPECT_LT(engine().Stats().buffer_bytes_peak, 800'000u);
}

TEST_P(TunnelMatrixTest, AnEndpointThatDiesBreaksTheClient) {
  Serve([](TunnelEnd end) {
    end.Receive(3);
    end.Break();
  });
  TunnelEnd client = Open();
  client.Send("die");
  std::string rest;
  EXPECT_FALSE(client.ReceiveToEnd(&rest)) << "no orderly end";
  EXPECT_EQ(rest, "");
  if (http2_ != nullptr) {
    EXPECT_EQ(http2_->messages().begin()->second.reset, static_cast<uint32_t>(NGHTTP2_CANCEL));
  }
  EXPECT_TRUE(TunnelsAre(0));
  EXPECT_EQ(ReasonCountOf(Reason::kUpstreamReset), 1u);
  EXPECT_EQ(engine().Stats().retries, 0u);
}

TEST_P(TunnelMatrixTest, AClientThatDiesEndsTheEndpoints) {
  std::promise<bool> orderly;
  Serve([&](TunnelEnd end) {
    std::string rest;
    orderly.set_value(end.ReceiveToEnd(&rest));
  });
  TunnelEnd client = Open();
  client.Break();
  if (http2_ != nullptr) http2_->Flush();
  const bool ended = orderly.get_future().get();
  EXPECT_FALSE(endpoint_http2() && ended) << "a reset";
  EXPECT_TRUE(TunnelsAre(0));
  EXPECT_EQ(ReasonCountOf(Reason::kClientGone), 1u);
}

TEST_P(TunnelMatrixTest, IdleTunnelsEnd) {
  policy.idle_timeout = absl::Milliseconds(60);
  Serve([](TunnelEnd end) {
    std::string rest;
    end.ReceiveToEnd(&rest);
  });
  TunnelEnd client = Open();
  std::string rest;
  EXPECT_FALSE(client.ReceiveToEnd(&rest));
  EXPECT_TRUE(TunnelsAre(0));
  EXPECT_EQ(ReasonCountOf(Reason::kIdleTimeout), 1u);
}

TEST_P(TunnelMatrixTest, DrainEndsThemAtItsDeadline) {
  Serve(&Echo);
  TunnelEnd client = Open();
  std::thread drain([&] { engine().Drain(absl::Milliseconds(200)); });
  ASSERT_TRUE(WaitFor([&] { return engine().draining(); }));
  client.Send("still");
  EXPECT_EQ(client.Receive(5), "still");
  std::string rest;
  client.ReceiveToEnd(&rest);
  EXPECT_EQ(rest, "");
  drain.join();
  EXPECT_EQ(engine().Stats().tunnels, 0u);
  EXPECT_EQ(ReasonCountOf(Reason::kDraining), 1u);
}

}  // namespace
}  // namespace pointsman::gateway
