// Answers and requests without an end: each piece is passed on before the next exists, whatever
// protocols stand on the two sides. Server-sent events live from this.

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/gateway/proxy/engine_fixture.h"
#include "tests/gateway/proxy/http2_peer.h"

namespace pointsman::gateway {
namespace {

constexpr int kEvents = 20;

std::string Event(int n) { return absl::StrCat("data: ", n, "\n\n"); }

// One promise for each event: the endpoint sends the next when the client has the last.
class Turns {
 public:
  void Give(int n) { promises_[static_cast<size_t>(n)].set_value(); }
  // False when nobody gave it.
  bool Take(int n) {
    return promises_[static_cast<size_t>(n)].get_future().wait_for(
               std::chrono::milliseconds(kPatienceMillis)) == std::future_status::ready;
  }

 private:
  std::vector<std::promise<void>> promises_ = std::vector<std::promise<void>>(kEvents + 1);
};

class StreamingTest : public EngineFixture,
                      public ::testing::WithParamInterface<std::tuple<bool, bool>> {
 protected:
  static bool client_http2() { return std::get<0>(GetParam()); }
  static bool endpoint_http2() { return std::get<1>(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(All, StreamingTest,
                         ::testing::Combine(::testing::Bool(), ::testing::Bool()),
                         [](const auto& info) {
                           return absl::StrCat("Http", std::get<0>(info.param) ? 2 : 1, "ToHttp",
                                               std::get<1>(info.param) ? 2 : 1);
                         });

void SendEventsHttp1(Peer& peer, Turns& turns) {
  peer.ReadHead();
  peer.Write(
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < kEvents && turns.Take(i); ++i) {
    peer.Write(absl::StrCat(absl::Hex(Event(i).size()), "\r\n", Event(i), "\r\n"));
  }
  turns.Take(kEvents);
  peer.Write("0\r\n\r\n");
}

void SendEventsHttp2(Peer& peer, Turns& turns) {
  Http2Peer http2(Http2Peer::Side::kServer, &peer);
  const int32_t id = http2.AwaitRequest();
  http2.RespondOpen(id, {{":status", "200"}, {"content-type", "text/event-stream"}});
  for (int i = 0; i < kEvents && turns.Take(i); ++i) http2.Send(id, Event(i), false);
  turns.Take(kEvents);
  http2.Send(id, "", true);
  http2.AwaitRequest();
}

TEST_P(StreamingTest, EachEventArrivesBeforeTheNextIsSent) {
  policy.upstream_http2 = endpoint_http2();
  Turns turns;
  ScriptedUpstream upstream([&turns](Peer& peer, int) {
    if (endpoint_http2()) {
      SendEventsHttp2(peer, turns);
    } else {
      SendEventsHttp1(peer, turns);
    }
  });
  Publish({upstream.port()});
  Peer socket = Client();
  std::unique_ptr<Http2Peer> http2;
  int32_t id = 0;
  if (client_http2()) {
    http2 = std::make_unique<Http2Peer>(Http2Peer::Side::kClient, &socket);
    id = http2->Request(Http2Peer::Get());
    EXPECT_EQ(http2->AwaitHead(id).Field("content-type"), "text/event-stream");
  } else {
    socket.Write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(socket.ReadHead().Field("content-type"), "text/event-stream");
  }
  for (int i = 0; i < kEvents; ++i) {
    turns.Give(i);
    if (client_http2()) {
      std::string& body = http2->message(id).body;
      ASSERT_TRUE(http2->Until([&] { return body.size() >= Event(i).size(); }));
      EXPECT_EQ(std::exchange(body, ""), Event(i));
    } else {
      const std::string chunk = absl::StrCat(absl::Hex(Event(i).size()), "\r\n", Event(i), "\r\n");
      std::string got;
      ASSERT_TRUE(socket.ReadExact(chunk.size(), &got));
      EXPECT_EQ(got, chunk);
    }
  }
  turns.Give(kEvents);
  if (client_http2()) {
    EXPECT_TRUE(http2->Await(id).ended);
  } else {
    std::string last;
    EXPECT_TRUE(socket.ReadExact(5, &last));
    EXPECT_EQ(last, "0\r\n\r\n");
  }
}

// An HTTP/1 origin whose answer ends with its connection.
using StreamingHttp1Test = EngineFixture;
TEST_F(StreamingHttp1Test, EventsOfAnAnswerUntilCloseArriveOneByOne) {
  Turns turns;
  ScriptedUpstream upstream([&turns](Peer& peer, int) {
    peer.ReadHead();
    peer.Write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
    for (int i = 0; i < kEvents && turns.Take(i); ++i) peer.Write(Event(i));
  });
  Publish({upstream.port()});
  Peer client = Client();
  client.Write("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.ReadHead().status(), 200);
  for (int i = 0; i < kEvents; ++i) {
    turns.Give(i);
    std::string got;
    ASSERT_TRUE(client.ReadExact(Event(i).size(), &got));
    EXPECT_EQ(got, Event(i));
  }
  EXPECT_TRUE(client.Closed());
}

}  // namespace
}  // namespace pointsman::gateway
