// A second try beside the first (docs/design/retries.md, hedging), between real sockets.

#include <atomic>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/gateway/proxy/deaf.h"
#include "tests/gateway/proxy/engine_fixture.h"
#include "tests/gateway/proxy/gated.h"
#include "tests/gateway/proxy/http2_peer.h"
#include "tests/gateway/proxy/kept.h"

namespace pointsman::gateway {
namespace {

constexpr absl::string_view kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr absl::string_view kPost =
    "POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
// So many answers tell how long they take.
constexpr int kEnough = 100;

// One of two endpoints holds what it gets.
class StreamHedgeTest : public EngineFixture {
 protected:
  StreamHedgeTest() {
    policy.hedge_percentile = 95;
    policy.hedge_min_delay = absl::Milliseconds(100);
    policy.retry_budget_min_per_second = 1000;
    observer = &log_;
  }

  void Learn() {
    slow_.Open();
    Peer client = Client();
    for (int i = 0; i < kEnough; ++i) {
      client.Write(kGet);
      ASSERT_EQ(client.ReadMessage().status(), 200);
    }
    ASSERT_EQ(engine().Stats().requests, static_cast<uint64_t>(kEnough));
    slow_.Shut();
    held_before_ = slow_.asked();
    requests_before_ = engine().Stats().requests;
    hedges_before_ = engine().Stats().hedges;
  }
  bool held() const { return slow_.asked() > held_before_; }
  uint64_t hedges() { return engine().Stats().hedges - hedges_before_; }
  // Asks until the slow endpoint is the first to be asked, and gives that answer.
  TestMessage AskSlowFirst(absl::string_view bytes) {
    for (int i = 0; i < 200; ++i) {
      Peer client = Client();
      client.Write(bytes);
      TestMessage answer = client.ReadMessage();
      if (held()) return answer;
      EXPECT_EQ(answer.status(), 200);
    }
    ADD_FAILURE() << "never asked";
    return {};
  }
  // Clients that have asked, the last of them the slow endpoint first. `asked`: how often endpoints
  // were.
  std::vector<Peer> AskUntilHeld(absl::string_view bytes, const std::function<size_t()>& asked) {
    std::vector<Peer> clients;
    bool told = true;
    while (told && !held() && clients.size() < 200) {
      clients.push_back(Client());
      clients.back().Write(bytes);
      told = WaitFor([&] { return asked() == clients.size(); });
    }
    EXPECT_TRUE(told && held());
    return clients;
  }
  void ExpectNothingLeft(uint16_t port) {
    EXPECT_TRUE(WaitFor([&] { return Totals(port).in_flight == 0; }));
    EXPECT_TRUE(WaitFor([&] { return Totals(0).in_flight == 0; }));
  }

  RequestLog log_;
  GatedEndpoint slow_{Ok("slow")};
  size_t held_before_ = 0;
  uint64_t requests_before_ = 0;
  uint64_t hedges_before_ = 0;
};

TEST_F(StreamHedgeTest, TheSecondMayAnswerFirst) {
  KeepingEndpoint fast(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-End\r\n\r\n"
      "4\r\nfast\r\n0\r\nX-End: yes\r\n\r\n");
  Publish({slow_.port(), fast.port()});
  Learn();
  const TestMessage answer = AskSlowFirst(kGet);
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.body, "fast");
  ASSERT_EQ(answer.trailers.size(), 1u);
  EXPECT_EQ(answer.trailers[0].second, "yes");
  EXPECT_EQ(hedges(), 1u);
  EXPECT_EQ(engine().Stats().hedges_won, 1u);
  EXPECT_EQ(engine().Stats().retries, engine().Stats().hedges) << "of the same budget";
  EXPECT_TRUE(WaitFor([&] { return log_.requests().last().tries == 2; }));
  ExpectNothingLeft(slow_.port());
  ExpectNothingLeft(fast.port());
  // Its connection serves others.
  const int connections = fast.connections();
  Peer client = Client();
  client.Write(kGet);
  EXPECT_EQ(client.ReadMessage().body, "fast");
  EXPECT_EQ(fast.connections(), connections);
}

TEST_F(StreamHedgeTest, TheFirstMayStillAnswerFirst) {
  GatedEndpoint other(Ok("other"));
  other.Open();
  Publish({slow_.port(), other.port()});
  Learn();
  other.Shut();
  Peer client = Client();
  client.Write(kGet);
  ASSERT_TRUE(WaitFor([&] { return slow_.asked() + other.asked() == kEnough + 1u; }));
  GatedEndpoint& first = held() ? slow_ : other;
  GatedEndpoint& second = held() ? other : slow_;
  ASSERT_TRUE(WaitFor([&] { return slow_.asked() + other.asked() == kEnough + 2u; }));
  EXPECT_EQ(hedges(), 1u);
  first.Let(1);
  EXPECT_EQ(client.ReadMessage().body, held() && &first == &slow_ ? "slow" : "other");
  EXPECT_EQ(engine().Stats().hedges_won, 0u);
  ExpectNothingLeft(first.port());
  ExpectNothingLeft(second.port());
  EXPECT_EQ(Totals(second.port()).requests, requests_before_ - Totals(first.port()).requests + 1)
      << "what was given up tells nothing";
  other.Open();
}

TEST_F(StreamHedgeTest, ABodyGoesToBoth) {
  KeepingEndpoint fast(Ok("fast"));
  Publish({slow_.port(), fast.port()});
  Learn();
  EXPECT_EQ(AskSlowFirst("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody").body,
            "fast");
  EXPECT_EQ(fast.last().body, "body");
  EXPECT_EQ(slow_.last().body, "body");
}

TEST_F(StreamHedgeTest, APostHasNoSecondTry) {
  GatedEndpoint fast(Ok("fast"));
  fast.Open();
  Publish({slow_.port(), fast.port()});
  Learn();
  std::vector<Peer> posts =
      AskUntilHeld(kPost, [&] { return fast.asked() + slow_.asked() - kEnough; });
  // A later GET has waited for longer than any second try takes to begin.
  held_before_ = slow_.asked();
  AskSlowFirst(kGet);
  EXPECT_EQ(hedges(), 1u);
  size_t delivered = 0;
  for (const GatedEndpoint* one : {&slow_, &fast}) {
    for (const std::string& target : one->targets()) delivered += target == "/post" ? 1 : 0;
  }
  EXPECT_EQ(delivered, posts.size());
  slow_.Open();
  for (Peer& client : posts) EXPECT_EQ(client.ReadMessage().status(), 200);
}

TEST_F(StreamHedgeTest, NotBeforeAnswersHaveToldHowLongTheyTake) {
  GatedEndpoint other(Ok("other"));
  policy.per_try_timeout = absl::Milliseconds(50);
  policy.max_retries = 1;
  Publish({slow_.port(), other.port()});
  Peer client = Client();
  client.Write(kGet);
  // The second try comes by the limit of the first.
  ASSERT_TRUE(WaitFor([&] { return slow_.asked() == 1 && other.asked() == 1; }));
  EXPECT_EQ(engine().Stats().hedges, 0u);
  EXPECT_EQ(engine().Stats().retries, 1u);
  slow_.Open();
  other.Open();
  EXPECT_EQ(client.ReadMessage().status(), 200);
}

TEST_F(StreamHedgeTest, TheBudgetBoundsThem) {
  policy.retry_budget_ratio = 0;
  policy.retry_budget_min_per_second = 0;
  KeepingEndpoint fast(Ok("fast"));
  Publish({slow_.port(), fast.port()});
  Learn();
  std::vector<Peer> clients =
      AskUntilHeld(kGet, [&] { return fast.asked() + slow_.asked() - kEnough; });
  EXPECT_TRUE(WaitFor([&] { return ReasonCountOf(Reason::kRetryBudget) == 1; }));
  EXPECT_EQ(engine().Stats().hedges, 0u);
  slow_.Open();
  EXPECT_EQ(clients.back().ReadMessage().body, "slow") << "the first try goes on";
}

TEST_F(StreamHedgeTest, TheFirstMayFailMeanwhile) {
  GatedEndpoint other(Ok("other"));
  other.Open();
  std::atomic<bool> breaks{false};
  std::atomic<int> broken{0};
  std::atomic<bool> now{false};
  ScriptedUpstream breaking(Answering([&](const TestMessage&) -> std::string {
    if (!breaks.load()) return Ok("whole");
    ++broken;
    EXPECT_TRUE(WaitFor([&] { return now.load(); }));
    return "";
  }));
  policy.max_retries = 1;
  Publish({breaking.port(), other.port()});
  slow_.Open();
  Peer learner = Client();
  for (int i = 0; i < kEnough; ++i) {
    learner.Write(kGet);
    ASSERT_EQ(learner.ReadMessage().status(), 200);
  }
  breaks = true;
  other.Shut();
  const size_t before = other.asked();
  Peer client = Client();
  client.Write(kGet);
  ASSERT_TRUE(WaitFor([&] { return broken.load() == 1 && other.asked() == before + 1; }));
  now = true;
  ASSERT_TRUE(WaitFor([&] { return Totals(breaking.port()).in_flight == 0; }));
  other.Let(1);
  EXPECT_EQ(client.ReadMessage().body, "other");
  EXPECT_EQ(other.asked(), before + 1) << "no third try";
  other.Open();
}

TEST_F(StreamHedgeTest, TheSecondMayFail) {
  const uint16_t dead = DeadPort();
  Publish({slow_.port(), dead});
  slow_.Open();
  Peer client = Client();
  for (int i = 0; i < kEnough; ++i) {
    client.Write(kGet);
    ASSERT_EQ(client.ReadMessage().status(), 200);
  }
  slow_.Shut();
  const size_t before = slow_.asked();
  client.Write(kGet);
  ASSERT_TRUE(WaitFor([&] { return slow_.asked() == before + 1; }));
  ASSERT_TRUE(WaitFor([&] { return engine().Stats().hedges == 1; }));
  ASSERT_TRUE(WaitFor([&] { return Totals(dead).in_flight == 0; }));
  slow_.Open();
  EXPECT_EQ(client.ReadMessage().body, "slow");
}

TEST_F(StreamHedgeTest, ASecondThatIsNotConnectedInTimeIsOver) {
  policy.connect_timeout = absl::Milliseconds(50);
  DeafEndpoint deaf;
  Publish({slow_.port()});
  Learn();
  Publish({slow_.port(), deaf.port()});
  const auto unconnected = [&] { return Totals(deaf.port()).connect_failures; };
  // Those that ask the deaf one first come to the slow one later, and have no second try.
  for (int i = 0; hedges() == 0; ++i) {
    ASSERT_LT(i, 200);
    const uint64_t before = unconnected();
    Peer client = Client();
    client.Write(kGet);
    ASSERT_TRUE(WaitFor([&] { return unconnected() == before + 1; }));
    ASSERT_TRUE(WaitFor([&] { return Totals(deaf.port()).in_flight == 0; }));
    slow_.Let(1);
    EXPECT_EQ(client.ReadMessage().body, "slow");
  }
  EXPECT_EQ(engine().Stats().hedges_won, 0u);
}

TEST_F(StreamHedgeTest, AfterASecondThatWasNotConnectedTheRequestStillEnds) {
  policy.connect_timeout = absl::Milliseconds(50);
  policy.request_timeout = absl::Milliseconds(500);
  DeafEndpoint deaf;
  Publish({slow_.port()});
  Learn();
  Publish({slow_.port(), deaf.port()});
  for (int i = 0; hedges() == 0; ++i) {
    ASSERT_LT(i, 20);
    Peer client = Client();
    client.Write(kGet);
    const TestMessage answer = client.ReadMessage();
    ASSERT_EQ(answer.status(), 504);
    EXPECT_EQ(answer.Field("x-pointsman-reason"), "request_timeout");
  }
}

TEST_F(StreamHedgeTest, ASecondThatFailsFastWinsNoRace) {
  std::atomic<bool> fails{false};
  ScriptedUpstream other(Answering([&](const TestMessage&) -> std::string {
    return fails.load() ? "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy" : Ok("other");
  }));
  for (const bool listed : {false, true}) {
    StartOver();
    fails = false;
    policy.retry_statuses = {};
    if (listed) policy.retry_statuses.Add(503);
    Publish({slow_.port(), other.port()});
    Learn();
    fails = true;
    const auto failed = [&] { return Totals(other.port()).server_errors; };
    // Those that ask the other one first are not what this is about.
    for (int i = 0; hedges() == 0; ++i) {
      ASSERT_LT(i, 200);
      const uint64_t failed_before = failed();
      Peer client = Client();
      client.Write(kGet);
      ASSERT_TRUE(WaitFor([&] { return failed() > failed_before; }));
      const bool other_first = hedges() == 0;
      if (!other_first) {
        ASSERT_TRUE(WaitFor([&] { return Totals(other.port()).in_flight == 0; }));
      }
      // A listed failure of the first has a retry there.
      if (!other_first || listed) slow_.Let(1);
      EXPECT_EQ(client.ReadMessage().body, other_first && !listed ? "busy" : "slow") << listed;
    }
    EXPECT_EQ(engine().Stats().hedges_won, 0u);
  }
}

TEST_F(StreamHedgeTest, WhoLosesAgainAndAgainIsAvoided) {
  KeepingEndpoint fast(Ok("fast"));
  Publish({slow_.port(), fast.port()});
  Learn();
  for (int i = 0; Totals(slow_.port()).avoided_micros == 0; ++i) {
    ASSERT_LT(i, 200);
    Peer client = Client();
    client.Write(kGet);
    ASSERT_EQ(client.ReadMessage().body, "fast");
  }
  EXPECT_EQ(engine().Stats().hedges_won, 3u);
  EXPECT_EQ(Totals(slow_.port()).timeouts, 0u) << "not as the controller counts";
  EXPECT_EQ(Totals(slow_.port()).requests, held_before_ + 3) << "they took so long at least";
}

TEST_F(StreamHedgeTest, WhoIsToStayWithAnEndpointStays) {
  picker.affinity.name = "at";
  GatedEndpoint other(Ok("other"));
  other.Open();
  Publish({slow_.port(), other.port()});
  Learn();
  Peer client = Client();
  std::string cookie;
  while (cookie.empty()) {
    slow_.Open();
    client.Write(kGet);
    const TestMessage answer = client.ReadMessage();
    if (answer.body == "slow") cookie = answer.Field("set-cookie");
  }
  slow_.Shut();
  held_before_ = slow_.asked();
  client.Write(absl::StrCat(
      "GET / HTTP/1.1\r\nHost: a\r\nCookie: ", cookie.substr(0, cookie.find(';')), "\r\n\r\n"));
  ASSERT_TRUE(WaitFor([&] { return held(); }));
  // A request of somebody else that began later has its second try, or needed none.
  other.Shut();
  Peer stranger = Client();
  stranger.Write(kGet);
  ASSERT_TRUE(WaitFor([&] { return hedges() == 1; }));
  other.Open();
  slow_.Open();
  EXPECT_EQ(client.ReadMessage().body, "slow");
  EXPECT_EQ(hedges(), 1u);
}

TEST_F(StreamHedgeTest, OverHttp2) {
  policy.upstream_http2 = true;
  std::atomic<bool> holds{false};
  std::atomic<int> held{0};
  ScriptedUpstream holding([&](Peer& peer, int) {
    Http2Peer http2(Http2Peer::Side::kServer, &peer);
    while (const int32_t id = http2.AwaitRequest()) {
      if (holds.load()) {
        ++held;
        continue;
      }
      http2.Respond(id, {{":status", "200"}}, "held", {});
    }
  });
  KeepingHttp2Endpoint fast(
      {.fields = {{":status", "200"}}, .body = "fast", .trailers = {{"x-end", "yes"}}});
  Publish({holding.port(), fast.port()});
  Peer learner = Client();
  for (int i = 0; i < kEnough; ++i) {
    learner.Write(kGet);
    ASSERT_EQ(learner.ReadMessage().status(), 200);
  }
  holds = true;
  for (int i = 0; held.load() == 0; ++i) {
    ASSERT_LT(i, 200);
    Peer socket = Client();
    Http2Peer client(Http2Peer::Side::kClient, &socket);
    const H2Message answer = client.Await(client.Request(Http2Peer::Get(), ""));
    EXPECT_EQ(answer.Field(":status"), "200");
    EXPECT_EQ(answer.body, "fast");
  }
  EXPECT_GE(engine().Stats().hedges_won, 1u);
  ExpectNothingLeft(holding.port());
  ExpectNothingLeft(fast.port());
}

}  // namespace
}  // namespace pointsman::gateway
