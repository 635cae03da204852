// Bounds: time, memory, sizes, connections; and the end of the engine's life.

#include <sys/resource.h>

#include <atomic>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "tests/gateway/proxy/engine_fixture.h"

namespace pointsman::gateway {
namespace {

using EngineLimitsTest = EngineFixture;

constexpr absl::string_view kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

// Takes requests and never answers.
ScriptedUpstream::Script Silent() {
  return [](Peer& peer, int) {
    std::string all;
    peer.ReadToEnd(&all);
  };
}

TEST_F(EngineLimitsTest, NoFirstByteIs504) {
  policy.first_byte_timeout = absl::Milliseconds(50);
  policy.max_retries = 0;
  ScriptedUpstream upstream(Silent());
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(kGet);
  const TestMessage answer = client.ReadMessage();
  EXPECT_EQ(answer.status(), 504);
  EXPECT_EQ(answer.Field("x-pointsman-reason"), "upstream_timeout");
  EXPECT_EQ(Totals(upstream.port()).timeouts, 1u);
}

TEST_F(EngineLimitsTest, ClientsThatDoNotReadCannotFillTheMemory) {
  limits.buffer_bytes_max = 512 * 1024;
  limits.sweep_interval = absl::Milliseconds(20);
  const std::string body(8 << 20, 'x');
  ScriptedUpstream upstream(Answering([&body](const TestMessage& request) {
    return absl::StrContains(request.first_line, "/small") ? Ok("small") : Ok(body);
  }));
  Publish({upstream.port()});
  constexpr absl::string_view kSmall = "GET /small HTTP/1.1\r\nHost: a\r\n\r\n";
  std::vector<Peer> deaf;
  TestMessage answer;
  for (int i = 0; i < 100 && answer.status() != 503; ++i) {
    deaf.push_back(Client(4096));
    deaf.back().Write(kGet);
    deaf.back().ReadHead();
    Peer asking = Client();
    asking.Write(kSmall);
    answer = asking.ReadMessage();
  }
  EXPECT_EQ(answer.status(), 503);
  EXPECT_EQ(answer.Field("x-pointsman-reason"), "buffers_full");
  EXPECT_LE(engine().Stats().buffer_bytes_peak, limits.buffer_bytes_max * 5 / 4 + 16 * kChunkBytes);
  EXPECT_EQ(engine().Stats().buffer_bytes_limit, limits.buffer_bytes_max);
  deaf.clear();
  EXPECT_TRUE(WaitFor([&] { return engine().Stats().buffer_bytes < limits.buffer_bytes_max; }));
  Peer client = Client();
  client.Write(kSmall);
  EXPECT_EQ(client.ReadMessage().body, "small");
}

// All are admitted while nothing waits; then each could keep a window of its own.
class AdmittedStreamsTest : public EngineFixture {
 protected:
  static constexpr int kStreams = 120;

  void SetUp() override { limits.buffer_bytes_max = 1 << 20; }

  void ExpectBounded() {
    EXPECT_TRUE(WaitFor([this] { return ReasonCountOf(Reason::kBuffersFull) > 0; }));
    // A quarter more, and what a turn reads and answers.
    EXPECT_LE(engine().Stats().buffer_bytes_peak,
              limits.buffer_bytes_max * 5 / 4 + 16 * kChunkBytes);
  }
  void ExpectUnharmed() {
    EXPECT_TRUE(WaitFor([this] { return engine().Stats().buffer_bytes == 0; }));
    Peer client = Client();
    client.Write("GET /small HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(client.ReadMessage().body, "small");
  }
  static bool IsSmall(const TestMessage& request) {
    return absl::StrContains(request.first_line, "/small");
  }
};

TEST_F(AdmittedStreamsTest, AnswersCannotFillTheMemory) {
  std::promise<void> go;
  const std::shared_future<void> gone = go.get_future().share();
  const std::string body(8 << 20, 'x');
  ScriptedUpstream upstream([&](Peer& peer, int) {
    const TestMessage request = peer.ReadMessage();
    if (IsSmall(request)) {
      peer.Write(Ok("small"));
      return;
    }
    peer.Write(absl::StrCat("HTTP/1.1 200 OK\r\ncontent-length: ", body.size(), "\r\n\r\n"));
    gone.wait();
    peer.Write(body);
  });
  Publish({upstream.port()});
  std::vector<Peer> deaf;
  for (int i = 0; i < kStreams; ++i) {
    deaf.push_back(Client(4096));
    deaf.back().Write(kGet);
    EXPECT_EQ(deaf.back().ReadHead().status(), 200);
  }
  go.set_value();
  ExpectBounded();
  deaf.clear();
  ExpectUnharmed();
}

TEST_F(AdmittedStreamsTest, RequestsCannotFillTheMemory) {
  std::promise<void> end;
  const std::shared_future<void> ended = end.get_future().share();
  ScriptedUpstream upstream([&](Peer& peer, int) {
    const TestMessage request = peer.ReadHead();
    if (IsSmall(request)) {
      peer.Write(Ok("small"));
      return;
    }
    ended.wait();
  });
  Publish({upstream.port()});
  const std::string body(8 << 20, 'x');
  std::vector<Peer> clients(kStreams);
  for (Peer& client : clients) {
    client = Client();
    client.Write(
        absl::StrCat("POST / HTTP/1.1\r\nHost: a\r\ncontent-length: ", body.size(), "\r\n\r\n"));
  }
  EXPECT_TRUE(WaitFor([this] { return engine().Stats().requests_active == kStreams; }));
  std::vector<std::thread> senders;
  senders.reserve(kStreams);
  for (Peer& client : clients) senders.emplace_back([&] { client.Write(body); });
  ExpectBounded();
  end.set_value();
  for (std::thread& sender : senders) sender.join();
  clients.clear();
  ExpectUnharmed();
}

TEST_F(EngineLimitsTest, TheServicesCellTellsWhatBecameOfItsRequests) {
  policy.first_byte_timeout = absl::Milliseconds(50);
  policy.max_retries = 0;
  ScriptedUpstream upstream([](Peer& peer, int) {
    for (TestMessage request = peer.ReadMessage(); request.complete; request = peer.ReadMessage()) {
      if (absl::StrContains(request.first_line, "/bad")) {
        peer.Write("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n");
      } else if (absl::StrContains(request.first_line, "/cut")) {
        return;
      } else if (!absl::StrContains(request.first_line, "/never")) {
        peer.Write(Ok("good"));
      }
    }
  });
  Publish({upstream.port()});
  const auto ask = [this](absl::string_view path) {
    Peer client = Client();
    client.Write(absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: a\r\n\r\n"));
    return client.ReadMessage().status();
  };
  EXPECT_EQ(ask("/"), 200);
  EXPECT_EQ(ask("/bad"), 500);
  EXPECT_EQ(ask("/cut"), 502);
  EXPECT_EQ(ask("/never"), 504);
  EXPECT_TRUE(WaitFor([this] { return Totals(0).requests == 4; }));
  const CellTotals totals = Totals(0);
  EXPECT_EQ(totals.server_errors, 1u);
  EXPECT_EQ(totals.resets, 1u);
  EXPECT_EQ(totals.timeouts, 1u);
  EXPECT_EQ(totals.latency_count, 2u);
}

TEST_F(EngineLimitsTest, ASilentEndpointsRequestsAreTriedElsewhere) {
  policy.per_try_timeout = absl::Milliseconds(50);
  ScriptedUpstream silent(Silent());
  ScriptedUpstream good(Answering([](const TestMessage&) { return Ok("good"); }));
  Publish({silent.port(), good.port()});
  for (int i = 0; i < 8; ++i) {
    Peer client = Client();
    client.Write(kGet);
    ASSERT_EQ(client.ReadMessage().body, "good");
  }
}

TEST_F(EngineLimitsTest, ATryWithNowhereElseToGoMayTakeItsTime) {
  policy.per_try_timeout = absl::Milliseconds(30);
  ScriptedUpstream slow(Answering([](const TestMessage&) {
    std::promise<void> never;
    never.get_future().wait_for(std::chrono::milliseconds(150));  // A slow server.
    return Ok("late");
  }));
  Publish({slow.port()});
  Peer client = Client();
  client.Write(kGet);
  EXPECT_EQ(client.ReadMessage().body, "late");
  EXPECT_EQ(Totals(slow.port()).timeouts, 0u);
}

TEST_F(EngineLimitsTest, TheWholeRequestHasAnEnd) {
  policy.request_timeout = absl::Milliseconds(50);
  ScriptedUpstream upstream(Silent());
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(kGet);
  EXPECT_EQ(client.ReadMessage().Field("x-pointsman-reason"), "request_timeout");
}

// Events: the whole lasts as long as something comes, and no longer.
TEST_F(EngineLimitsTest, ARequestWithoutALimitIsEndedByIdlenessAlone) {
  policy.request_timeout = absl::InfiniteDuration();
  policy.idle_timeout = absl::Milliseconds(400);
  constexpr int kEvents = 12;
  ScriptedUpstream upstream([](Peer& peer, int) {
    peer.ReadMessage();
    peer.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    std::promise<void> never;
    for (int i = 0; i < kEvents; ++i) {
      never.get_future().wait_for(std::chrono::milliseconds(50));  // Longer, in all, than idle.
      never = {};
      peer.Write("3\r\nabc\r\n");
    }
    std::string all;
    peer.ReadToEnd(&all);
  });
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(kGet);
  std::string all;
  client.ReadToEnd(&all);
  size_t events = 0;
  for (size_t at = all.find("abc"); at != std::string::npos; at = all.find("abc", at + 1)) ++events;
  EXPECT_EQ(events, size_t{kEvents});
  EXPECT_EQ(all.find("\r\n0\r\n"), std::string::npos) << "it was cut, not ended";
  EXPECT_EQ(ReasonCountOf(Reason::kIdleTimeout), 1u);
  EXPECT_EQ(ReasonCountOf(Reason::kRequestTimeout), 0u);
}

TEST_F(EngineLimitsTest, AStalledAnswerIsCut) {
  policy.idle_timeout = absl::Milliseconds(50);
  ScriptedUpstream upstream([](Peer& peer, int) {
    peer.ReadMessage();
    peer.Write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    std::string all;
    peer.ReadToEnd(&all);
  });
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(kGet);
  const TestMessage answer = client.ReadMessage();
  EXPECT_EQ(answer.status(), 200);
  EXPECT_FALSE(answer.complete);
  EXPECT_EQ(ReasonCountOf(Reason::kIdleTimeout), 1u);
}

TEST_F(EngineLimitsTest, AStalledRequestBodyIs408) {
  policy.idle_timeout = absl::Milliseconds(50);
  ScriptedUpstream upstream(Silent());
  Publish({upstream.port()});
  Peer client = Client();
  client.Write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(client.ReadMessage().Field("x-pointsman-reason"), "body_timeout");
  EXPECT_TRUE(client.Closed());
}

TEST_F(EngineLimitsTest, ASlowHeadIs408AndAnIdleConnectionJustCloses) {
  limits.client_head_timeout = absl::Milliseconds(50);
  limits.client_idle_timeout = absl::Milliseconds(50);
  ScriptedUpstream upstream(Answering([](const TestMessage&) { return Ok("x"); }));
  Publish({upstream.port()});
  Peer slow = Client();
  slow.Write("GET / HTTP/1.1\r\nHo");
  EXPECT_EQ(slow.ReadMessage().Field("x-pointsman-reason"), "head_timeout");
  Peer mute = Client();
  EXPECT_TRUE(mute.Closed());
  Peer idle = Client();
  idle.Write(kGet);
  EXPECT_EQ(idle.ReadMessage().status(), 200);
  EXPECT_TRUE(idle.Closed());
}

TEST_F(EngineLimitsTest, RefusesBodiesThatAreTooLarge) {
  policy.max_request_body_bytes = 10;
  ScriptedUpstream upstream(Silent());
  Publish({upstream.port()});
  Peer announced = Client();
  announced.Write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n");
  EXPECT_EQ(announced.ReadMessage().status(), 413);
  EXPECT_EQ(upstream.connections(), 0);
  Peer chunked = Client();
  chunked.Write(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n6\r\nabcdef");
  EXPECT_EQ(chunked.ReadMessage().status(), 413);
}

TEST_F(EngineLimitsTest, RefusesHeadsThatAreTooLarge) {
  Publish({});
  Peer client = Client();
  client.Write(absl::StrCat("GET / HTTP/1.1\r\nHost: a\r\nA: ", std::string(40'000, 'x')));
  EXPECT_EQ(client.ReadMessage().Field("x-pointsman-reason"), "head_too_large");
  EXPECT_TRUE(client.Closed());
}

TEST_F(EngineLimitsTest, BadInputReachesNoUpstream) {
  ScriptedUpstream upstream(Silent());
  Publish({upstream.port()});
  for (absl::string_view bad :
       {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n"}) {
    Peer client = Client();
    client.Write(absl::StrCat(bad, kGet));
    const TestMessage answer = client.ReadMessage();
    EXPECT_EQ(answer.status(), 400) << bad;
    EXPECT_TRUE(client.Closed()) << bad;
  }
  EXPECT_EQ(upstream.connections(), 0);
}

TEST_F(EngineLimitsTest, ABadChunkLaterEndsBothSides) {
  std::promise<std::string> seen;
  ScriptedUpstream upstream([&](Peer& peer, int) {
    std::string all;
    peer.ReadToEnd(&all);
    seen.set_value(all);
  });
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n-1\r\n");
  EXPECT_EQ(client.ReadMessage().Field("x-pointsman-reason"), "bad_chunk");
  const std::string all = seen.get_future().get();
  EXPECT_EQ(all.find("0\r\n\r\n"), std::string::npos) << "the body must not look complete: " << all;
}

TEST_F(EngineLimitsTest, AnswersExpectItself) {
  TestMessage seen;
  ScriptedUpstream upstream(Answering([&](const TestMessage& request) {
    seen = request;
    return Ok(request.body);
  }));
  Publish({upstream.port()});
  Peer client = Client();
  client.Write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.ReadMessage().status(), 100);
  client.Write("abc");
  EXPECT_EQ(client.ReadMessage().body, "abc");
  EXPECT_FALSE(seen.Has("expect"));
  client.Write("GET / HTTP/1.1\r\nHost: a\r\nExpect: y 100-continue\r\n\r\n");
  EXPECT_EQ(client.ReadMessage().status(), 417);
}

TEST_F(EngineLimitsTest, AnEarlyAnswerWithAnUnreadBodyClosesAndIsStillRead) {
  ScriptedUpstream upstream([](Peer& peer, int) {
    peer.ReadHead();
    peer.Write("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    std::string all;
    peer.ReadToEnd(&all);
  });
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(absl::StrCat("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n",
                            std::string(100'000, 'x')));
  const TestMessage answer = client.ReadMessage();
  EXPECT_EQ(answer.status(), 403);
  EXPECT_EQ(answer.Field("connection"), "close");
  client.Write(kGet);  // Must not be taken for a request.
  EXPECT_TRUE(client.Closed());
  EXPECT_EQ(engine().Stats().requests, 1u);
}

// However large the body and however slow its reader: what waits in the gateway is bounded.
TEST_F(EngineLimitsTest, ASlowReaderHoldsBackTheUpstream) {
  constexpr size_t kBody = 64 << 20;
  ScriptedUpstream upstream([&](Peer& peer, int) {
    peer.ReadMessage();
    peer.Write(absl::StrCat("HTTP/1.1 200 OK\r\nContent-Length: ", kBody, "\r\n\r\n"));
    const std::string block(1 << 16, 'x');
    for (size_t sent = 0; sent < kBody; sent += block.size()) {
      if (!peer.Write(block)) return;
    }
  });
  Publish({upstream.port()});
  Peer client = Client(/*receive_buffer=*/16 << 10);
  client.Write(kGet);
  std::string body;
  ASSERT_TRUE(client.ReadHead().complete);
  ASSERT_TRUE(client.ReadExact(kBody, &body));
  EXPECT_TRUE(body == std::string(kBody, 'x'));
  EXPECT_TRUE(WaitFor([&] { return engine().Stats().buffer_bytes == 0; }));
  EXPECT_LE(engine().Stats().buffer_bytes_peak, 256u << 10);
}

TEST_F(EngineLimitsTest, ASlowUpstreamHoldsBackTheClient) {
  constexpr size_t kBody = 32 << 20;
  ScriptedUpstream upstream([&](Peer& peer, int) {
    const int small = 16 << 10;
    setsockopt(peer.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    std::string body;
    peer.ReadHead();
    peer.ReadExact(kBody, &body);
    peer.Write(Ok(absl::StrCat(body.size())));
  });
  Publish({upstream.port()});
  Peer client = Client();
  ASSERT_TRUE(client.Write(
      absl::StrCat("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ", kBody, "\r\n\r\n")));
  ASSERT_TRUE(client.Write(std::string(kBody, 'x')));
  EXPECT_EQ(client.ReadMessage().body, absl::StrCat(kBody));
  // The window, the replay buffer and what is under way.
  EXPECT_LE(engine().Stats().buffer_bytes_peak, 512u << 10);
}

TEST_F(EngineLimitsTest, LargeBodiesPassBothWays) {
  ScriptedUpstream upstream(Answering([](const TestMessage& request) { return Ok(request.body); }));
  Publish({upstream.port()});
  std::string body(8 << 20, '\0');
  for (size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 2654435761u >> 13);
  Peer client = Client();
  std::thread writer([&] {
    client.Write(
        absl::StrCat("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ", body.size(), "\r\n\r\n"));
    client.Write(body);
  });
  const TestMessage answer = client.ReadMessage();
  writer.join();
  EXPECT_TRUE(answer.body == body);
}

TEST_F(EngineLimitsTest, ShedsConnectionsBeyondTheLimit) {
  limits.connections_max = 2;
  ScriptedUpstream upstream(Answering([](const TestMessage&) { return Ok("x"); }));
  Publish({upstream.port()});
  Peer first = Client();
  Peer second = Client();
  first.Write(kGet);
  second.Write(kGet);
  ASSERT_EQ(first.ReadMessage().status(), 200);
  ASSERT_EQ(second.ReadMessage().status(), 200);
  Peer third = Client();
  EXPECT_EQ(third.ReadMessage().Field("x-pointsman-reason"), "too_many_connections");
  EXPECT_EQ(engine().Stats().shed_connections, 1u);
  first.Close();
  ASSERT_TRUE(WaitFor([&] { return engine().Stats().connections == 1; }));
  Peer fourth = Client();
  fourth.Write(kGet);
  EXPECT_EQ(fourth.ReadMessage().status(), 200);
}

TEST_F(EngineLimitsTest, ShedsRequestsBeyondTheServicesLimit) {
  policy.max_in_flight = 1;
  std::promise<void> go;
  auto ready = go.get_future().share();
  ScriptedUpstream upstream([ready](Peer& peer, int) {
    while (peer.ReadMessage().complete) {
      ready.wait();
      peer.Write(Ok("x"));
    }
  });
  Publish({upstream.port()});
  Peer first = Client();
  first.Write(kGet);
  ASSERT_TRUE(WaitFor([&] { return engine().Stats().requests_active == 1; }));
  Peer second = Client();
  second.Write(kGet);
  EXPECT_EQ(second.ReadMessage().Field("x-pointsman-reason"), "too_many_requests");
  go.set_value();
  EXPECT_EQ(first.ReadMessage().status(), 200);
}

TEST_F(EngineLimitsTest, ConnectionsWaitForTheFirstTable) {
  limits.first_table_wait = absl::Hours(1);
  ScriptedUpstream upstream(Answering([](const TestMessage&) { return Ok("x"); }));
  Peer early = Client();
  early.Write(kGet);
  Publish({upstream.port()});
  EXPECT_EQ(early.ReadMessage().status(), 200);
}

TEST_F(EngineLimitsTest, WithoutATableTheAnswerSaysSo) {
  limits.first_table_wait = absl::Milliseconds(1);
  Peer early = Client();
  early.Write(kGet);
  const TestMessage answer = early.ReadMessage();
  EXPECT_EQ(answer.status(), 503);
  EXPECT_EQ(answer.Field("x-pointsman-reason"), "no_table");
}

TEST_F(EngineLimitsTest, ChangesTablesUnderLoadWithoutALoss) {
  workers = 2;
  ScriptedUpstream a(Answering([](const TestMessage&) { return Ok("a"); }));
  ScriptedUpstream b(Answering([](const TestMessage&) { return Ok("b"); }));
  Publish({a.port()});
  std::atomic<bool> stop{false};
  std::atomic<int> good{0};
  std::atomic<int> bad{0};
  std::vector<std::thread> clients;
  clients.reserve(4);
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      Peer client = Client();
      while (!stop.load()) {
        client.Write(kGet);
        (client.ReadMessage().status() == 200 ? good : bad).fetch_add(1);
        if (bad.load() > 0) return;
      }
    });
  }
  for (int i = 0; i < 300; ++i) {
    Publish(i % 3 == 0 ? std::vector<uint16_t>{a.port()}
                       : (i % 3 == 1 ? std::vector<uint16_t>{b.port()}
                                     : std::vector<uint16_t>{a.port(), b.port()}));
  }
  stop.store(true);
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(bad.load(), 0);
  EXPECT_GT(good.load(), 0);
  EXPECT_EQ(engine().FreeRetired(), 1u);
}

TEST_F(EngineLimitsTest, ServesHttp10ClientsByTheirRules) {
  ScriptedUpstream upstream(Answering([](const TestMessage&) -> std::string {
    return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
  }));
  Publish({upstream.port()});
  Peer client = Client();
  client.Write("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const TestMessage answer = client.ReadMessage();
  EXPECT_FALSE(answer.Has("transfer-encoding"));
  EXPECT_EQ(answer.Field("connection"), "close");
  EXPECT_EQ(answer.body, "abc");
}

// To such a client the end of the connection is the end of the body: a cut must look different.
TEST_F(EngineLimitsTest, ACutAnswerToAnHttp10ClientIsReset) {
  ScriptedUpstream upstream([](Peer& peer, int) {
    const TestMessage request = peer.ReadMessage();
    EXPECT_EQ(request.Field("host"), "web");
    peer.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  });
  Publish({upstream.port()});
  Peer client = Client();
  client.Write("GET / HTTP/1.0\r\n\r\n");
  std::string all;
  EXPECT_FALSE(client.ReadToEnd(&all));
}

// Descriptors run out: waiting connections are closed instead of waking the loop for ever.
TEST_F(EngineLimitsTest, AcceptDoesNotSpinWithoutDescriptors) {
  Publish({});
  Peer warm = Client();
  warm.Write(kGet);
  ASSERT_EQ(warm.ReadMessage().status(), 503);
  std::vector<Peer> clients;
  clients.reserve(8);
  for (int i = 0; i < 8; ++i) clients.push_back(Client());
  ASSERT_TRUE(WaitFor([&] { return engine().Stats().connections == 9; }));
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  // A socket made now would get the lowest free number: no number is left above it.
  Fd lowest(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(lowest.get()) + 1;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  ASSERT_EQ(connect(lowest.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  Peer refused(std::move(lowest));
  EXPECT_TRUE(refused.Closed());
  const EngineStats stats = engine().Stats();
  EXPECT_EQ(stats.accept_failures, 1u);
  EXPECT_EQ(stats.shed_connections, 1u);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  // Those inside are served on.
  clients[0].Write(kGet);
  EXPECT_EQ(clients[0].ReadMessage().status(), 503);
}

// What workers kept of a higher limit and do not use is no obstacle to a lower one.
TEST_F(EngineLimitsTest, ALowerLimitIsWholeOnceItsTableRuns) {
  workers = 2;
  ScriptedUpstream upstream(Answering([](const TestMessage&) { return Ok("x"); }));
  Publish({upstream.port()});
  std::vector<Peer> clients(8);
  const auto all_ask = [&] {
    for (Peer& client : clients) {
      client.Write(kGet);
      EXPECT_EQ(client.ReadMessage().status(), 200);
    }
  };
  // Enough that both workers have some, and so hold a batch of both limits.
  for (Peer& client : clients) client = Client();
  all_ask();
  policy.max_in_flight = 64;
  policy.max_in_flight_per_endpoint = 32;
  auto table = std::make_shared<RoutingTable>(*Table({upstream.port()}));
  table->config.revision = 2;
  PublishTable(std::move(table));
  all_ask();
  EXPECT_EQ(ReasonCountOf(Reason::kTooManyRequests), 0u);
}

TEST_F(EngineLimitsTest, AHalfClosedClientGetsItsAnswer) {
  ScriptedUpstream upstream(Answering([](const TestMessage&) { return Ok("x"); }));
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(kGet);
  client.ShutdownWrite();
  EXPECT_EQ(client.ReadMessage().body, "x");
  EXPECT_TRUE(client.Closed());
}

TEST_F(EngineLimitsTest, AClientThatGoesFreesItsTry) {
  ScriptedUpstream upstream(Silent());
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(kGet);
  ASSERT_TRUE(WaitFor([&] { return Totals(upstream.port()).in_flight == 1; }));
  client.Reset();
  EXPECT_TRUE(WaitFor([&] { return Totals(upstream.port()).in_flight == 0; }));
  EXPECT_EQ(ReasonCountOf(Reason::kClientGone), 1u);
}

}  // namespace
}  // namespace pointsman::gateway
