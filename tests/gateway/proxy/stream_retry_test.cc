// Answers that are tried again elsewhere, and endpoints that ask to be left alone, between real
// sockets (docs/design/retries.md).

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/gateway/proxy/engine_fixture.h"
#include "tests/gateway/proxy/http2_peer.h"
#include "tests/gateway/proxy/kept.h"

namespace pointsman::gateway {
namespace {

constexpr absl::string_view kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr absl::string_view kPost = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";

std::string Put(absl::string_view body) {
  return absl::StrCat("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ", body.size(), "\r\n\r\n",
                      body);
}
std::string Failing(absl::string_view status, absl::string_view body = "",
                    absl::string_view fields = "") {
  return absl::StrCat("HTTP/1.1 ", status, "\r\n", fields, "Content-Length: ", body.size(),
                      "\r\n\r\n", body);
}
std::string Busy() { return Failing("503 Busy", "busy", "X-Busy: 1\r\n"); }

class StreamRetryTest : public EngineFixture {
 protected:
  StreamRetryTest() {
    policy.retry_statuses.Add(503);
    policy.retry_budget_min_per_second = 1000;
    // Others would soon not ask who fails.
    picker.kind = PickerPolicy::Kind::kRandom;
    observer = &log_;
  }

  TestMessage Ask(absl::string_view bytes) {
    Peer client = Client();
    client.Write(bytes);
    return client.ReadMessage();
  }
  // Which of two endpoints is asked first is drawn: asks until `asked` says that the one was that a
  // test is about. Each answer goes to `check`.
  template <typename Asked, typename Check>
  void AskUntil(absl::string_view bytes, Asked asked, Check check) {
    for (int i = 0; !asked(); ++i) {
      ASSERT_LT(i, 200);
      check(Ask(bytes));
    }
  }
  // So many GETs in a row, all answered by good_.
  void ExpectGood(int requests) {
    Peer client = Client();
    for (int i = 0; i < requests; ++i) {
      client.Write(kGet);
      const TestMessage answer = client.ReadMessage();
      ASSERT_EQ(answer.status(), 200) << i;
      ASSERT_EQ(answer.body, "good") << i;
    }
  }

  RequestLog log_;
  KeepingEndpoint good_{Ok("good")};
};

// ---- Statuses.

TEST_F(StreamRetryTest, AGetIsTriedElsewhere) {
  KeepingEndpoint busy(Busy());
  Publish({busy.port(), good_.port()});
  ExpectGood(50);
  EXPECT_GT(busy.asked(), 0u);
  EXPECT_EQ(good_.asked(), 50u);
  const EngineStats stats = engine().Stats();
  EXPECT_EQ(stats.retries, busy.asked());
  EXPECT_EQ(stats.requests, 50u);
  EXPECT_EQ(stats.responses[2], 50u);
  EXPECT_EQ(stats.responses[5], 0u) << "nobody saw one";
  EXPECT_EQ(Totals(busy.port()).server_errors, busy.asked());
  EXPECT_TRUE(WaitFor([&] { return Totals(busy.port()).in_flight == 0; }));
  int tries = 0;
  for (const LoggedRequest& one : log_.requests().all()) tries += one.tries;
  EXPECT_EQ(tries, 50 + static_cast<int>(busy.asked()));
}

TEST_F(StreamRetryTest, AHeadIsTriedElsewhereToo) {
  KeepingEndpoint busy("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\n");
  KeepingEndpoint good("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
  Publish({busy.port(), good.port()});
  Peer client = Client();
  for (int i = 0; i < 50; ++i) {
    client.Write("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_EQ(client.ReadMessage(/*bodiless=*/true).status(), 200);
  }
  EXPECT_GT(busy.asked(), 0u);
  EXPECT_EQ(busy.connections(), 1) << "what answered in full is used again";
}

TEST_F(StreamRetryTest, APostIsNot) {
  KeepingEndpoint busy(Busy());
  Publish({busy.port(), good_.port()});
  int refused = 0;
  AskUntil(
      kPost, [&] { return busy.asked() > 0; },
      [&](const TestMessage& answer) {
        if (answer.status() == 200) return;
        ++refused;
        EXPECT_EQ(answer.status(), 503);
        EXPECT_EQ(answer.body, "busy");
        EXPECT_EQ(answer.Field("x-busy"), "1");
        EXPECT_FALSE(answer.Has("x-pointsman-reason"));
      });
  EXPECT_EQ(refused, 1);
  EXPECT_EQ(engine().Stats().retries, 0u);
}

TEST_F(StreamRetryTest, WithoutAnotherEndpointTheAnswerIsForwarded) {
  KeepingEndpoint busy(Busy());
  Publish({busy.port()});
  Peer client = Client();
  for (int i = 1; i <= 3; ++i) {
    client.Write(kGet);
    const TestMessage answer = client.ReadMessage();
    EXPECT_EQ(answer.first_line, "HTTP/1.1 503 Busy");
    EXPECT_EQ(answer.Field("x-busy"), "1");
    EXPECT_EQ(answer.body, "busy");
    EXPECT_EQ(busy.asked(), static_cast<size_t>(i));
  }
  EXPECT_EQ(engine().Stats().retries, 0u);
  EXPECT_EQ(busy.connections(), 1);
}

TEST_F(StreamRetryTest, TheSecondRetryLeavesTheLocality) {
  KeepingEndpoint busy[] = {KeepingEndpoint(Busy()), KeepingEndpoint(Busy()),
                            KeepingEndpoint(Busy()), KeepingEndpoint(Busy())};
  localities = {1, 1, 1, 1, 2};
  ASSERT_EQ(policy.max_retries, 2u);
  Publish({busy[0].port(), busy[1].port(), busy[2].port(), busy[3].port(), good_.port()});
  // Without it two of five would meet busy ones only.
  ExpectGood(50);
  EXPECT_GT(engine().Stats().retries, 50u) << "the first retry may stay";
}

TEST_F(StreamRetryTest, WithoutAnotherLocalityRetriesGoOnAsEver) {
  KeepingEndpoint busy[] = {KeepingEndpoint(Busy()), KeepingEndpoint(Busy())};
  localities = {1, 1, 1};
  Publish({busy[0].port(), busy[1].port(), good_.port()});
  ExpectGood(50);
}

TEST_F(StreamRetryTest, RetriesHaveALimit) {
  KeepingEndpoint busy[] = {KeepingEndpoint(Busy()), KeepingEndpoint(Busy()),
                            KeepingEndpoint(Busy()), KeepingEndpoint(Busy()),
                            KeepingEndpoint(Busy())};
  const auto asked = [&busy] {
    size_t sum = 0;
    for (const KeepingEndpoint& one : busy) sum += one.asked();
    return sum;
  };
  const auto expect_tries = [&](size_t tries) {
    Publish({busy[0].port(), busy[1].port(), busy[2].port(), busy[3].port(), busy[4].port()});
    const size_t before = asked();
    const TestMessage answer = Ask(kGet);
    EXPECT_EQ(answer.status(), 503);
    EXPECT_EQ(answer.body, "busy");
    EXPECT_EQ(asked() - before, tries);
  };
  policy.max_retries = 0;
  expect_tries(1);
  policy.max_retries = 2;
  expect_tries(3);
  policy.max_retries = 10;
  expect_tries(5);
  routes[0].overrides.max_retries = 1;
  expect_tries(2);
  for (const KeepingEndpoint& one : busy) {
    EXPECT_TRUE(WaitFor([&] { return Totals(one.port()).in_flight == 0; }));
  }
}

TEST_F(StreamRetryTest, AnExhaustedBudgetForwardsTheAnswer) {
  policy.retry_budget_ratio = 0;
  policy.retry_budget_min_per_second = 0;
  KeepingEndpoint busy(Busy());
  Publish({busy.port(), good_.port()});
  TestMessage last;
  AskUntil(
      kGet, [&] { return busy.asked() > 0; }, [&](const TestMessage& answer) { last = answer; });
  EXPECT_EQ(last.status(), 503);
  EXPECT_EQ(last.body, "busy");
  EXPECT_EQ(engine().Stats().retries, 0u);
  EXPECT_EQ(ReasonCountOf(Reason::kRetryBudget), 1u);
  EXPECT_TRUE(WaitFor([&] { return Totals(good_.port()).in_flight == 0; }))
      << "what was picked for nothing";
}

TEST_F(StreamRetryTest, OnlyTheStatusesNamedAreTriedAgain) {
  policy.retry_statuses.Add(429);
  KeepingEndpoint limited(Failing("429 Slow"));
  Publish({limited.port(), good_.port()});
  AskUntil(
      kGet, [&] { return limited.asked() > 0; },
      [](const TestMessage& answer) { EXPECT_EQ(answer.status(), 200); });
  KeepingEndpoint broken(Failing("500 Oh"));
  Publish({broken.port(), good_.port()});
  TestMessage last;
  const auto keep = [&last](const TestMessage& answer) { last = answer; };
  AskUntil(
      kGet, [&] { return broken.asked() > 0; }, keep);
  EXPECT_EQ(last.status(), 500);
  // A route has its own list.
  routes[0].overrides.retry_statuses.emplace();
  routes[0].overrides.retry_statuses->Add(500);
  KeepingEndpoint broken_too(Failing("500 Oh"));
  Publish({broken_too.port(), good_.port()});
  AskUntil(
      kGet, [&] { return broken_too.asked() > 0; }, keep);
  EXPECT_EQ(last.status(), 200);
}

TEST_F(StreamRetryTest, NothingOfALargeAnswerIsSeen) {
  KeepingEndpoint busy(Failing("503 Busy", std::string(300'000, 'b')));
  Publish({busy.port(), good_.port()});
  ExpectGood(100);
  EXPECT_GT(busy.asked(), 0u);
  EXPECT_EQ(busy.connections(), static_cast<int>(busy.asked()))
      << "what was left of the answer may not meet another request";
}

TEST_F(StreamRetryTest, AnAnswerWithoutABodyLeavesItsConnection) {
  KeepingEndpoint busy(Failing("503 Busy"));
  Publish({busy.port(), good_.port()});
  ExpectGood(100);
  EXPECT_GT(busy.asked(), 1u);
  EXPECT_EQ(busy.connections(), 1);
  EXPECT_EQ(good_.connections(), 1);
}

TEST_F(StreamRetryTest, WhatComesBehindTheDiscardedAnswerIsNotSeen) {
  ScriptedUpstream busy([](Peer& peer, int) {
    while (peer.ReadMessage().complete) peer.Write(absl::StrCat(Failing("503 Busy"), Ok("poison")));
  });
  Publish({busy.port(), good_.port()});
  ExpectGood(100);
  EXPECT_EQ(busy.connections(), static_cast<int>(Totals(busy.port()).server_errors));
}

TEST_F(StreamRetryTest, ABodyIsSentAgainWhole) {
  KeepingEndpoint busy(Busy());
  Publish({busy.port(), good_.port()});
  std::string body;
  while (body.size() < 10 * 1024) absl::StrAppend(&body, body.size(), " ");
  const auto expect_good = [](const TestMessage& answer) { EXPECT_EQ(answer.body, "good"); };
  AskUntil(
      Put(body), [&] { return busy.asked() > 0; }, expect_good);
  EXPECT_EQ(busy.last().body, body);
  EXPECT_EQ(good_.last().body, body);
  EXPECT_EQ(good_.last().fields, busy.last().fields);
  const size_t before = busy.asked();
  const std::string chunked =
      absl::StrCat("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                   absl::Hex(body.size()), "\r\n", body, "\r\n0\r\nx-sum: 17\r\n\r\n");
  AskUntil(
      chunked, [&] { return busy.asked() > before; }, expect_good);
  EXPECT_EQ(good_.last().body, body);
  EXPECT_EQ(good_.last().trailers, (H2Fields{{"x-sum", "17"}}));
}

TEST_F(StreamRetryTest, ABodyThatWasNotKeptIsNotSentAgain) {
  limits.replay_bytes_max = 10 * 1024;
  KeepingEndpoint busy(Busy());
  Publish({busy.port(), good_.port()});
  TestMessage last;
  const auto keep = [&last](const TestMessage& answer) { last = answer; };
  AskUntil(
      Put(std::string(10 * 1024 + 1, 'x')), [&] { return busy.asked() > 0; }, keep);
  EXPECT_EQ(last.status(), 503);
  EXPECT_EQ(last.body, "busy");
  EXPECT_EQ(engine().Stats().retries, 0u);
  const size_t before = busy.asked();
  AskUntil(
      Put(std::string(10 * 1024, 'x')), [&] { return busy.asked() > before; }, keep);
  EXPECT_EQ(last.body, "good") << "what is as large as may be kept";
}

TEST_F(StreamRetryTest, ABodyThatIsStillComingGoesElsewhere) {
  std::atomic<int> refused{0};
  std::atomic<int> closed{0};
  std::atomic<int> heads{0};
  ScriptedUpstream busy([&](Peer& peer, int) {
    peer.ReadHead();
    ++refused;
    peer.Write(Failing("503 Busy"));
    std::string rest;
    if (peer.ReadToEnd(&rest) && rest.size() < 10'000) ++closed;
  });
  Kept<std::string> bodies;
  ScriptedUpstream good([&](Peer& peer, int) {
    while (peer.ReadHead().complete) {
      ++heads;
      std::string body;
      if (!peer.ReadExact(10'000, &body)) return;
      bodies.Add(body);
      peer.Write(Ok("good"));
    }
  });
  Publish({busy.port(), good.port()});
  const std::string body = absl::StrCat(std::string(5'000, 'x'), std::string(5'000, 'y'));
  const std::string request = Put(body);
  for (int i = 0; refused == 0; ++i) {
    ASSERT_LT(i, 200);
    const int before = heads;
    Peer client = Client();
    client.Write(request.substr(0, request.size() - 5'000));
    ASSERT_TRUE(WaitFor([&] { return heads > before; }));
    client.Write(request.substr(request.size() - 5'000));
    ASSERT_EQ(client.ReadMessage().body, "good");
    ASSERT_EQ(bodies.last(), body);
  }
  EXPECT_TRUE(WaitFor([&] { return closed == refused; })) << "half a request was sent there";
}

TEST_F(StreamRetryTest, ADiscardedAnswerIsNoneForTheLog) {
  KeepingEndpoint busy(Busy());
  ScriptedUpstream closing([](Peer& peer, int) { peer.ReadMessage(); });
  Publish({busy.port(), closing.port()});
  TestMessage last;
  AskUntil(
      kGet, [&] { return last.status() == 502; },
      [&last](const TestMessage& answer) { last = answer; });
  const LoggedRequest logged = log_.requests().last();
  EXPECT_EQ(logged.status, 502);
  EXPECT_EQ(logged.tries, 2);
  EXPECT_FALSE(logged.answered);
}

TEST_F(StreamRetryTest, AFailedTryAndAnAnswerShareTheRetries) {
  KeepingEndpoint busy(Busy());
  const uint16_t dead = DeadPort();
  policy.max_retries = 1;
  Publish({busy.port(), dead});
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Ask(kGet).status(), 503);
  for (const LoggedRequest& one : log_.requests().all()) EXPECT_LE(one.tries, 2);
  policy.max_retries = 2;
  Publish({busy.port(), dead, good_.port()});
  ExpectGood(20);
}

// ---- HTTP/2 endpoints.

H2Answer BusyHttp2(std::string body, H2Fields more = {}) {
  H2Fields fields = {{":status", "503"}};
  fields.insert(fields.end(), more.begin(), more.end());
  return {std::move(fields), std::move(body), {}};
}

TEST_F(StreamRetryTest, OverHttp2TheSame) {
  policy.upstream_http2 = true;
  KeepingHttp2Endpoint busy(BusyHttp2(std::string(100'000, 'b')));
  KeepingHttp2Endpoint good(H2Answer{{{":status", "200"}}, "good", {}});
  Publish({busy.port(), good.port()});
  Peer socket = Client();
  Http2Peer client(Http2Peer::Side::kClient, &socket);
  H2Fields put = Http2Peer::Get("/x");
  put[0].second = "PUT";
  const std::string body(10 * 1024, 'x');
  for (int i = 0; i < 100; ++i) {
    const H2Message answer = client.Await(client.Request(put, body));
    ASSERT_EQ(answer.status(), 200) << i;
    ASSERT_EQ(answer.body, "good") << i;
    ASSERT_EQ(good.last().body, body) << i;
  }
  EXPECT_EQ(good.asked(), 100u);
  EXPECT_GT(busy.asked(), 10u) << "what is discarded holds no window up";
  EXPECT_EQ(busy.connections(), 1);
  EXPECT_EQ(engine().Stats().retries, busy.asked());
  EXPECT_TRUE(WaitFor([&] { return Totals(busy.port()).in_flight == 0; }));
}

TEST_F(StreamRetryTest, OverHttp2AnAnswerIsForwardedWhereThereIsNoOther) {
  policy.upstream_http2 = true;
  KeepingHttp2Endpoint busy(BusyHttp2("busy"));
  Publish({busy.port()});
  Peer socket = Client();
  Http2Peer client(Http2Peer::Side::kClient, &socket);
  const H2Message answer = client.Await(client.Request(Http2Peer::Get()));
  EXPECT_EQ(answer.status(), 503);
  EXPECT_EQ(answer.body, "busy");
  EXPECT_EQ(busy.asked(), 1u);
}

// ---- Retry-After.

TEST_F(StreamRetryTest, AnEndpointThatWantsToBeLeftAloneIs) {
  policy.max_retries = 0;
  KeepingEndpoint tired(Failing("503 Busy", "", "Retry-After: 30\r\n"));
  Publish({tired.port(), good_.port()});
  TestMessage last;
  AskUntil(
      kGet, [&] { return tired.asked() > 0; },
      [&last](const TestMessage& answer) { last = answer; });
  EXPECT_EQ(last.status(), 503) << "it is forwarded";
  EXPECT_EQ(last.Field("retry-after"), "30");
  ExpectGood(200);
  EXPECT_EQ(tired.asked(), 1u);
  EXPECT_GT(Totals(tired.port()).avoided_micros, 29'000'000);
  // Where there is no other it is asked all the same, and what it says then counts no more.
  Publish({tired.port()});
  for (size_t i = 2; i <= 4; ++i) {
    EXPECT_EQ(Ask(kGet).status(), 503);
    EXPECT_EQ(tired.asked(), i);
  }
  Publish({tired.port(), good_.port()});
  ExpectGood(100);
  EXPECT_EQ(tired.asked(), 4u);
}

TEST_F(StreamRetryTest, AnswersToWhatItHasAlreadyDoNotEndThat) {
  policy.max_retries = 0;
  std::atomic<bool> go_on{false};
  std::atomic<int> waiting{0};
  ScriptedUpstream tired([&](Peer& peer, int connection) {
    while (peer.ReadMessage().complete) {
      if (connection > 0) {
        peer.Write(Failing("503 Busy", "", "Retry-After: 30\r\n"));
        continue;
      }
      ++waiting;
      if (WaitFor([&] { return go_on.load(); })) peer.Write(Ok("late"));
    }
  });
  Publish({tired.port()});
  Peer early = Client();
  early.Write(kGet);
  ASSERT_TRUE(WaitFor([&] { return waiting == 1; }));
  EXPECT_EQ(Ask(kGet).status(), 503);
  go_on.store(true);
  EXPECT_EQ(early.ReadMessage().body, "late");
  Publish({tired.port(), good_.port()});
  ExpectGood(100);
}

TEST_F(StreamRetryTest, ATriedAnswersWishIsHonouredToo) {
  KeepingEndpoint tired(Failing("503 Busy", "", "Retry-After: 30\r\n"));
  Publish({tired.port(), good_.port()});
  ExpectGood(100);
  EXPECT_EQ(tired.asked(), 1u);
}

TEST_F(StreamRetryTest, OnlyAListedStatusWithSecondsIsLeftAlone) {
  policy.max_retries = 0;
  const std::vector<std::string> answers = {
      Failing("503 Busy", "", "Retry-After: Fri, 31 Dec 2100 23:59:59 GMT\r\n"),
      Failing("503 Busy", "", "Retry-After: 0\r\n"),
      Failing("503 Busy", "", "Retry-After: -30\r\n"),
      Failing("500 Oh", "", "Retry-After: 30\r\n"),
      Busy(),
  };
  for (const std::string& answer : answers) {
    KeepingEndpoint other(answer);
    Publish({other.port(), good_.port()});
    AskUntil(
        kGet, [&] { return other.asked() > 2; }, [](const TestMessage&) {});
    EXPECT_EQ(Totals(other.port()).avoided_micros, 0) << answer;
  }
}

// One client could have endpoints avoided for all others by what is answered to it alone.
TEST_F(StreamRetryTest, AStatusThatIsNotListedIsNoReason) {
  policy.retry_statuses = {};
  KeepingEndpoint other(Failing("503 Busy", "", "Retry-After: 30\r\n"));
  Publish({other.port(), good_.port()});
  AskUntil(
      kGet, [&] { return other.asked() > 2; }, [](const TestMessage&) {});
  EXPECT_EQ(Totals(other.port()).avoided_micros, 0);
}

TEST_F(StreamRetryTest, OverHttp2AnEndpointIsLeftAloneToo) {
  policy.max_retries = 0;
  policy.upstream_http2 = true;
  KeepingHttp2Endpoint tired(BusyHttp2("busy", {{"retry-after", "30"}}));
  KeepingHttp2Endpoint good(H2Answer{{{":status", "200"}}, "good", {}});
  Publish({tired.port(), good.port()});
  AskUntil(
      kGet, [&] { return tired.asked() > 0; }, [](const TestMessage&) {});
  for (int i = 0; i < 100; ++i) ASSERT_EQ(Ask(kGet).body, "good");
  EXPECT_EQ(tired.asked(), 1u);
  Publish({tired.port()});
  EXPECT_EQ(Ask(kGet).status(), 503);
  EXPECT_EQ(tired.asked(), 2u);
}

}  // namespace
}  // namespace pointsman::gateway
