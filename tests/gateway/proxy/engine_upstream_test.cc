// Upstreams that fail, lie or are slow, and when a request is tried again.

#include <atomic>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/gateway/proxy/deaf.h"
#include "tests/gateway/proxy/engine_fixture.h"

namespace pointsman::gateway {
namespace {

using EngineUpstreamTest = EngineFixture;

constexpr absl::string_view kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr absl::string_view kPost = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
constexpr absl::string_view kPut =
    "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";

// Reads a request and closes, or resets, without an answer.
ScriptedUpstream::Script Closing() {
  return [](Peer& peer, int) { peer.ReadMessage(); };
}

TEST_F(EngineUpstreamTest, TriesAnotherEndpointWhenOneRefuses) {
  ScriptedUpstream good(Answering([](const TestMessage& request) { return Ok(request.body); }));
  const uint16_t dead = DeadPort();
  Publish({dead, good.port()});
  for (int i = 0; i < 20; ++i) {
    Peer client = Client();
    client.Write(kPost);  // Nothing was sent: safe for any method.
    const TestMessage answer = client.ReadMessage();
    ASSERT_EQ(answer.status(), 200);
    ASSERT_EQ(answer.body, "abc");
  }
  EXPECT_GE(Totals(dead).connect_failures, 1u);
  EXPECT_EQ(engine().Stats().retries, Totals(dead).connect_failures);
}

TEST_F(EngineUpstreamTest, AllRefusingIs503) {
  const uint16_t dead = DeadPort();
  Publish({dead});
  Peer client = Client();
  client.Write(kGet);
  const TestMessage answer = client.ReadMessage();
  EXPECT_EQ(answer.status(), 503);
  EXPECT_EQ(answer.Field("x-pointsman-reason"), "connect_failed");
}

// The closing side waits for the next request before it closes: only who believes "close" is safe.
TEST_F(EngineUpstreamTest, NeverUsesAConnectionAgainThatItsEndpointCloses) {
  for (const char* head : {"HTTP/1.1 200 OK\r\nConnection: close\r\n", "HTTP/1.0 200 OK\r\n"}) {
    std::atomic<int> late{0};
    ScriptedUpstream closing([head, &late](Peer& peer, int) {
      peer.ReadMessage();
      peer.Write(absl::StrCat(head, "Content-Length: 2\r\n\r\nok"));
      std::string rest;
      peer.ReadToEnd(&rest);
      if (!rest.empty()) ++late;
    });
    Publish({closing.port()});
    Peer client = Client();
    for (int i = 0; i < 4; ++i) {
      client.Write(kPost);
      ASSERT_EQ(client.ReadMessage().status(), 200) << head << i;
    }
    EXPECT_EQ(late, 0);
  }
}

TEST_F(EngineUpstreamTest, RepeatsAnIdempotentRequestThatGotNoAnswer) {
  ScriptedUpstream bad(Closing());
  ScriptedUpstream good(Answering([](const TestMessage& request) { return Ok(request.body); }));
  Publish({bad.port(), good.port()});
  // Which of the two is asked first is drawn.
  for (int i = 0; Totals(bad.port()).resets == 0; ++i) {
    ASSERT_LT(i, 200);
    Peer client = Client();
    client.Write(kPut);  // The body is sent again, too.
    const TestMessage answer = client.ReadMessage();
    ASSERT_EQ(answer.status(), 200);
    ASSERT_EQ(answer.body, "abc");
  }
}

TEST_F(EngineUpstreamTest, NeverRepeatsAPostThatWasSent) {
  ScriptedUpstream bad(Closing());
  ScriptedUpstream other(Closing());
  Publish({bad.port(), other.port()});
  Peer client = Client();
  client.Write(kPost);
  const TestMessage answer = client.ReadMessage();
  EXPECT_EQ(answer.status(), 502);
  EXPECT_EQ(answer.Field("x-pointsman-reason"), "upstream_reset");
  EXPECT_EQ(bad.connections() + other.connections(), 1);
}

TEST_F(EngineUpstreamTest, NeverRepeatsAPostOnAKeptConnectionThatDies) {
  std::atomic<int> posts{0};
  ScriptedUpstream upstream([&posts](Peer& peer, int) {
    peer.ReadMessage();
    peer.Write(Ok("x"));
    if (peer.ReadMessage().complete) ++posts;  // And closes.
  });
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(kGet);
  ASSERT_EQ(client.ReadMessage().status(), 200);
  client.Write(kPost);
  const TestMessage answer = client.ReadMessage();
  EXPECT_EQ(answer.status(), 502);
  EXPECT_EQ(answer.Field("x-pointsman-reason"), "upstream_reset");
  upstream.Stop();
  EXPECT_EQ(posts, 1);
  EXPECT_EQ(upstream.connections(), 1);
}

TEST_F(EngineUpstreamTest, ConnectingHasAnEnd) {
  policy.connect_timeout = absl::Milliseconds(50);
  DeafEndpoint deaf;
  Publish({deaf.port()});
  Peer client = Client();
  client.Write(kPost);
  const TestMessage answer = client.ReadMessage();
  EXPECT_EQ(answer.status(), 504);
  EXPECT_EQ(answer.Field("x-pointsman-reason"), "connect_timeout");
  EXPECT_GE(Totals(deaf.port()).connect_failures, 1u);
}

TEST_F(EngineUpstreamTest, AnEndpointCannotSpeakForTheGateway) {
  ScriptedUpstream upstream(Answering([](const TestMessage&) {
    return std::string(
        "HTTP/1.1 503 Busy\r\nX-Pointsman-Reason: no_route\r\nContent-Length: 0\r\n\r\n");
  }));
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(kGet);
  const TestMessage answer = client.ReadMessage();
  EXPECT_EQ(answer.status(), 503);
  EXPECT_FALSE(answer.Has("x-pointsman-reason"));
}

TEST_F(EngineUpstreamTest, NeverRepeatsAfterAResponseByte) {
  const auto half = [](Peer& peer, int) {
    peer.ReadMessage();
    peer.Write("HTTP/1.1 2");
  };
  ScriptedUpstream bad(half);
  ScriptedUpstream other(half);
  Publish({bad.port(), other.port()});
  Peer client = Client();
  client.Write(kGet);
  EXPECT_EQ(client.ReadMessage().status(), 502);
  EXPECT_EQ(bad.connections() + other.connections(), 1);
}

TEST_F(EngineUpstreamTest, ABodyBeyondTheReplayBufferMakesTheTryFinal) {
  limits.replay_bytes_max = 1000;
  ScriptedUpstream bad(Closing());
  ScriptedUpstream other(Closing());
  Publish({bad.port(), other.port()});
  Peer client = Client();
  client.Write(absl::StrCat("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n",
                            std::string(2000, 'x')));
  EXPECT_EQ(client.ReadMessage().status(), 502);
  EXPECT_EQ(bad.connections() + other.connections(), 1);
}

TEST_F(EngineUpstreamTest, ServesOnAfterAnIdleConnectionWasClosed) {
  // Answers once per connection, then closes without having said so.
  ScriptedUpstream upstream([](Peer& peer, int) {
    peer.ReadMessage();
    peer.Write(Ok("x"));
  });
  Publish({upstream.port()});
  Peer client = Client();
  for (int i = 0; i < 50; ++i) {
    client.Write(kGet);
    ASSERT_EQ(client.ReadMessage().status(), 200);
  }
  EXPECT_EQ(Totals(upstream.port()).resets, 0u);
}

TEST_F(EngineUpstreamTest, RepeatsOnAFreshConnectionWhenTheIdleOneDies) {
  // The first connection answers once and dies on the second request.
  ScriptedUpstream upstream([](Peer& peer, int connection) {
    peer.ReadMessage();
    peer.Write(Ok("x"));
    if (connection == 0) {
      peer.ReadMessage();
      return;
    }
    while (peer.ReadMessage().complete) peer.Write(Ok("y"));
  });
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(kGet);
  ASSERT_EQ(client.ReadMessage().status(), 200);
  client.Write(kGet);
  EXPECT_EQ(client.ReadMessage().status(), 200);
  EXPECT_EQ(engine().Stats().stale_retries, 1u);
  EXPECT_EQ(engine().Stats().retries, 0u);
}

TEST_F(EngineUpstreamTest, DestroysAnIdleConnectionThatSpeaks) {
  std::atomic<bool> speak{false};
  ScriptedUpstream upstream([&](Peer& peer, int connection) {
    peer.ReadMessage();
    peer.Write(Ok("good"));
    if (connection == 0) {
      while (!speak.load()) std::this_thread::yield();
      peer.Write(Ok("poison"));
    }
    while (peer.ReadMessage().complete) peer.Write(Ok("good"));
  });
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(kGet);
  ASSERT_EQ(client.ReadMessage().body, "good");
  speak.store(true);
  ASSERT_TRUE(WaitFor([&] { return engine().Stats().upstream_idle_closed == 1; }));
  client.Write(kGet);
  EXPECT_EQ(client.ReadMessage().body, "good");
  EXPECT_EQ(upstream.connections(), 2);
}

TEST_F(EngineUpstreamTest, BytesBehindAnAnswerEndTheConnection) {
  ScriptedUpstream upstream([](Peer& peer, int) {
    while (peer.ReadMessage().complete) peer.Write(absl::StrCat(Ok("good"), Ok("poison")));
  });
  Publish({upstream.port()});
  Peer client = Client();
  for (int i = 0; i < 5; ++i) {
    client.Write(kGet);
    ASSERT_EQ(client.ReadMessage().body, "good");
  }
  EXPECT_EQ(upstream.connections(), 5);
}

struct Hostile {
  std::string what;
  std::string request;
  std::string answer;
};

TEST_F(EngineUpstreamTest, AnswersOfHostileOriginsBecome502) {
  const std::string head = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string get(kGet);
  std::string flood;
  for (int i = 0; i < 20; ++i) flood += "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
  const std::vector<Hostile> rows = {
      {"HEAD with body", head, Ok("body")},
      {"204 with body", get, "HTTP/1.1 204 No Content\r\n\r\nbody"},
      {"304 with body", get, "HTTP/1.1 304 Not Modified\r\n\r\nbody"},
      {"1xx flood", get, flood},
      {"101 unasked", get, "HTTP/1.1 101 Switching Protocols\r\n\r\n"},
      {"split header", get, "HTTP/1.1 200 OK\r\nA: b\rC: d\r\nContent-Length: 0\r\n\r\n"},
      {"two lengths", get, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"},
      {"not HTTP", get, "SSH-2.0-x\r\n\r\n"},
  };
  for (const Hostile& row : rows) {
    ScriptedUpstream upstream([&](Peer& peer, int) {
      while (peer.ReadHead().complete) peer.Write(row.answer);
    });
    Publish({upstream.port()});
    Peer client = Client();
    client.Write(row.request);
    TestMessage answer = client.ReadMessage(row.request[0] == 'H');
    while (answer.status() == 103) answer = client.ReadMessage();
    EXPECT_EQ(answer.status(), 502) << row.what;
    EXPECT_EQ(answer.Field("x-pointsman-reason"), "upstream_protocol") << row.what;
  }
}

TEST_F(EngineUpstreamTest, ACutAnswerEndsTheClientsConnection) {
  ScriptedUpstream upstream([](Peer& peer, int) {
    peer.ReadMessage();
    peer.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  });
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(kGet);
  const TestMessage answer = client.ReadMessage();
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.body, "abc");
  EXPECT_FALSE(answer.complete);
}

TEST_F(EngineUpstreamTest, ForwardsHeadsWithoutBodies) {
  ScriptedUpstream upstream(Answering([](const TestMessage& request) -> std::string {
    if (request.first_line[0] == 'H') return "HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n";
    return "HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n";
  }));
  Publish({upstream.port()});
  Peer client = Client();
  for (int i = 0; i < 3; ++i) {
    client.Write("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    const TestMessage head = client.ReadMessage(/*bodiless=*/true);
    EXPECT_EQ(head.Field("content-length"), "77");
    client.Write(kGet);
    EXPECT_EQ(client.ReadMessage().Field("etag"), "x");
  }
  EXPECT_EQ(upstream.connections(), 1);
}

TEST_F(EngineUpstreamTest, TellsAnotherHostWhenTheServiceSaysSo) {
  policy.authority = "api.internal:8443";
  TestMessage seen;
  ScriptedUpstream upstream(Answering([&seen](const TestMessage& request) {
    seen = request;
    return Ok("x");
  }));
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(kGet);
  ASSERT_EQ(client.ReadMessage().status(), 200);
  EXPECT_EQ(seen.Field("host"), "api.internal:8443");
  EXPECT_EQ(seen.Field("x-forwarded-host"), "a");
  client.Write("GET / HTTP/1.0\r\n\r\n");
  ASSERT_EQ(client.ReadMessage().status(), 200);
  EXPECT_EQ(seen.Field("host"), "api.internal:8443");
  EXPECT_FALSE(seen.Has("x-forwarded-host"));
}

TEST_F(EngineUpstreamTest, ForwardsInterimResponses) {
  ScriptedUpstream upstream(Answering([](const TestMessage&) {
    return absl::StrCat("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", Ok("final"));
  }));
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(kGet);
  const TestMessage interim = client.ReadMessage();
  EXPECT_EQ(interim.status(), 103);
  EXPECT_EQ(interim.Field("link"), "x");
  EXPECT_EQ(client.ReadMessage().body, "final");
}

TEST_F(EngineUpstreamTest, ABodyUntilCloseIsChunkedForTheClient) {
  ScriptedUpstream upstream([](Peer& peer, int) {
    peer.ReadMessage();
    peer.Write("HTTP/1.0 200 OK\r\n\r\nuntil the end");
  });
  Publish({upstream.port()});
  Peer client = Client();
  for (int i = 0; i < 2; ++i) {
    client.Write(kGet);
    const TestMessage answer = client.ReadMessage();
    EXPECT_EQ(answer.Field("transfer-encoding"), "chunked");
    EXPECT_EQ(answer.body, "until the end");
  }
}

TEST_F(EngineUpstreamTest, CountsWhatEndpointsDo) {
  ScriptedUpstream upstream(
      Answering([](const TestMessage&) { return "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"; }));
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(kGet);
  EXPECT_EQ(client.ReadMessage().status(), 500);
  EXPECT_EQ(Totals(upstream.port()).server_errors, 1u);
  EXPECT_EQ(Totals(upstream.port()).latency_count, 1u);
  EXPECT_TRUE(WaitFor([&] { return Totals(upstream.port()).in_flight == 0; }));
}

}  // namespace
}  // namespace pointsman::gateway
