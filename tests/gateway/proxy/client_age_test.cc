// Clients' connections that end by their age. Over real sockets.

#include <atomic>
#include <future>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/gateway/proxy/engine_fixture.h"
#include "tests/gateway/proxy/http2_peer.h"

namespace pointsman::gateway {
namespace {

using Side = Http2Peer::Side;

constexpr absl::string_view kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

class ClientAgeTest : public EngineFixture {
 protected:
  bool AgedAre(uint64_t count) {
    return WaitFor([&] { return engine().Stats().clients_aged == count; });
  }
};

TEST_F(ClientAgeTest, AnOldClientIsToldWithItsNextAnswer) {
  limits.client_connection_age = absl::Milliseconds(20);
  ScriptedUpstream upstream(AnsweringX());
  for (const bool own : {false, true}) {
    own ? Publish({}) : Publish({upstream.port()});
    Peer client = Client();
    ASSERT_TRUE(WaitFor([&] { return engine().Stats().connections == 1; }));
    Outlast(absl::Milliseconds(20));
    client.Write(kGet);
    const TestMessage answer = client.ReadMessage();
    EXPECT_EQ(answer.status(), own ? 503 : 200);
    EXPECT_EQ(answer.Field("connection"), "close");
    EXPECT_TRUE(client.Closed());
    EXPECT_EQ(engine().Stats().clients_aged, 1u);
    StartOver();
  }
}

TEST_F(ClientAgeTest, AYoungClientStays) {
  limits.client_connection_age = absl::Hours(1);
  ScriptedUpstream upstream(AnsweringX());
  Publish({upstream.port()});
  Peer client = Client();
  for (int i = 0; i < 20; ++i) {
    client.Write(kGet);
    EXPECT_EQ(client.ReadMessage().Field("connection"), "");
  }
  EXPECT_EQ(engine().Stats().clients_aged, 0u);
}

TEST_F(ClientAgeTest, AnIdleClientIsClosedAtItsAge) {
  limits.client_connection_age = absl::Milliseconds(100);
  limits.drain_first_request_wait = absl::Milliseconds(1);
  ScriptedUpstream upstream(AnsweringX());
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(kGet);
  ASSERT_EQ(client.ReadMessage().status(), 200);
  EXPECT_TRUE(client.Closed());
  EXPECT_EQ(engine().Stats().clients_aged, 1u);
}

// Between two requests of a client that asks often it is not closed: it would lose one.
TEST_F(ClientAgeTest, AClientThatAsksOftenLosesNothing) {
  limits.client_connection_age = absl::Milliseconds(100);
  limits.drain_first_request_wait = absl::Hours(1);
  ScriptedUpstream upstream(AnsweringX());
  Publish({upstream.port()});
  Peer client = Client();
  TestMessage answer;
  do {
    client.Write(kGet);
    answer = client.ReadMessage();
    ASSERT_EQ(answer.status(), 200);
    Outlast(absl::Milliseconds(2));
  } while (answer.Field("connection") != "close");
  EXPECT_TRUE(client.Closed());
}

TEST_F(ClientAgeTest, AnAnswerThatBeganBeforeItsClientWasOldTellsNothing) {
  limits.client_connection_age = absl::Milliseconds(200);
  limits.drain_first_request_wait = absl::Hours(1);
  std::promise<void> go;
  ScriptedUpstream upstream([ready = go.get_future().share()](Peer& peer, int) {
    while (peer.ReadMessage().complete) {
      peer.Write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na");
      ready.wait();
      peer.Write("b");
    }
  });
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(kGet);
  const bool told = client.ReadHead().Field("connection") == "close";
  Outlast(absl::Milliseconds(200));
  go.set_value();
  std::string body;
  ASSERT_TRUE(client.ReadExact(2, &body));
  if (!told) {
    client.Write(kGet);
    EXPECT_EQ(client.ReadMessage().Field("connection"), "close");
  }
  EXPECT_TRUE(client.Closed());
}

TEST_F(ClientAgeTest, ASlowClientGetsTheRestOfItsLastAnswer) {
  limits.client_connection_age = absl::Milliseconds(100);
  limits.drain_first_request_wait = absl::Milliseconds(1);
  const std::string piece(size_t{32} << 10, 'x');
  std::atomic<size_t> pieces{0};
  // Ends once the kernel takes no more: the gateway holds the rest.
  ScriptedUpstream upstream([&](Peer& peer, int) {
    peer.ReadMessage();
    peer.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    bool taken = true;
    while (taken) {
      peer.Write(absl::StrCat("8000\r\n", piece, "\r\n"));
      ++pieces;
      const absl::Time late = absl::Now() + absl::Milliseconds(50);
      const auto left = [&] { return engine().Stats().sent_bytes > pieces * piece.size(); };
      WaitFor([&] { return left() || absl::Now() > late; });
      taken = left();
    }
    peer.Write("0\r\n\r\n");
    std::string end;
    peer.ReadToEnd(&end);
  });
  Publish({upstream.port()});
  Peer client = Client(/*receive_buffer=*/16'384);
  client.Write(kGet);
  ASSERT_TRUE(AgedAre(1));
  const TestMessage answer = client.ReadMessage();
  EXPECT_TRUE(answer.complete);
  EXPECT_EQ(answer.body.size(), pieces * piece.size());
  EXPECT_TRUE(client.Closed());
}

TEST_F(ClientAgeTest, AnOldHttp2ClientIsToldAndItsRequestsAreFinished) {
  limits.client_connection_age = absl::Milliseconds(50);
  limits.http2_goaway_wait = absl::Milliseconds(1);
  std::promise<void> go;
  ScriptedUpstream upstream([ready = go.get_future().share()](Peer& peer, int) {
    peer.ReadMessage();
    ready.wait();
    peer.Write(Ok("x"));
  });
  Publish({upstream.port()});
  Peer socket = Client();
  Http2Peer client(Side::kClient, &socket);
  const int32_t id = client.Request(Http2Peer::Get());
  ASSERT_TRUE(client.Until([&] { return client.goaway(); }));
  EXPECT_EQ(client.goaway_code(), 0u);
  ASSERT_TRUE(AgedAre(1));
  EXPECT_EQ(engine().Stats().connections, 1u);
  go.set_value();
  EXPECT_EQ(client.Await(id).status(), 200);
  while (client.Pump()) {
  }
  EXPECT_TRUE(WaitFor([&] { return engine().Stats().connections == 0; }));
  EXPECT_EQ(engine().Stats().clients_aged, 1u);
}

TEST_F(ClientAgeTest, AnIdleHttp2ClientIsToldAndClosed) {
  limits.client_connection_age = absl::Milliseconds(50);
  limits.http2_goaway_wait = absl::Milliseconds(1);
  ScriptedUpstream upstream(AnsweringX());
  Publish({upstream.port()});
  Peer socket = Client();
  Http2Peer client(Side::kClient, &socket);
  EXPECT_EQ(client.Await(client.Request(Http2Peer::Get())).status(), 200);
  while (client.Pump()) {
  }
  EXPECT_TRUE(client.goaway());
  EXPECT_TRUE(WaitFor([&] { return engine().Stats().connections == 0; }));
  EXPECT_EQ(engine().Stats().clients_aged, 1u);
}

// The wait for what a client sent before it was told ends, whatever it goes on to send.
TEST_F(ClientAgeTest, AnHttp2ClientThatGoesOnIsClosedToo) {
  limits.client_connection_age = absl::Milliseconds(50);
  limits.http2_goaway_wait = absl::Milliseconds(50);
  ScriptedUpstream upstream(AnsweringX());
  Publish({upstream.port()});
  Peer socket = Client();
  Http2Peer client(Side::kClient, &socket);
  EXPECT_TRUE(WaitFor([&] {
    const H2Message& answer = client.Await(client.Request(Http2Peer::Get()));
    return answer.status() != 200;
  }));
  EXPECT_TRUE(WaitFor([&] { return engine().Stats().connections == 0; }));
}

}  // namespace
}  // namespace pointsman::gateway
