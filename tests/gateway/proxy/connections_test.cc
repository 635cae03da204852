// What an engine tells of its connections.

#include <future>
#include <string>

#include "tests/gateway/proxy/engine_fixture.h"

namespace pointsman::gateway {
namespace {

class ConnectionsTest : public EngineFixture {
 protected:
  Engine::Connections List(size_t max = 100) {
    return engine().ListConnections(max, absl::Seconds(20));
  }
};

constexpr absl::string_view kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

TEST_F(ConnectionsTest, ShowsBothSidesOfARequest) {
  std::promise<void> go;
  auto ready = go.get_future().share();
  ScriptedUpstream upstream([ready](Peer& peer, int) {
    if (!peer.ReadMessage().complete) return;
    ready.wait();
    peer.Write(Ok("x"));
  });
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(kGet);
  ASSERT_TRUE(WaitFor([&] { return List().upstreams == 1; }));
  const Engine::Connections all = List();
  EXPECT_EQ(all.clients, 1u);
  EXPECT_EQ(all.mute, 0u);
  ASSERT_EQ(all.shown.size(), 2u);
  EXPECT_FALSE(all.shown[0].upstream);
  EXPECT_EQ(all.shown[0].protocol, "http1");
  EXPECT_EQ(all.shown[0].requests, 1u);
  EXPECT_EQ(all.shown[0].remote.substr(0, 10), "127.0.0.1:");
  EXPECT_TRUE(all.shown[1].upstream);
  EXPECT_EQ(all.shown[1].requests, 1u);
  EXPECT_EQ(all.shown[1].remote, absl::StrCat("127.0.0.1:", upstream.port()));
  go.set_value();
  EXPECT_EQ(client.ReadMessage().status(), 200);
}

TEST_F(ConnectionsTest, ShowsNoMoreThanAsked) {
  Publish({});
  std::vector<Peer> clients;
  clients.reserve(5);
  for (int i = 0; i < 5; ++i) clients.push_back(Client());
  ASSERT_TRUE(WaitFor([&] { return List().clients == 5; }));
  const Engine::Connections all = List(2);
  EXPECT_EQ(all.clients, 5u);
  EXPECT_EQ(all.shown.size(), 2u);
}

TEST_F(ConnectionsTest, WorkersThatHaveEndedAreMissing) {
  Publish({});
  engine().Drain(absl::ZeroDuration());
  const Engine::Connections all = engine().ListConnections(10, absl::Milliseconds(1));
  EXPECT_EQ(all.mute, 1u);
  EXPECT_TRUE(all.shown.empty());
}

}  // namespace
}  // namespace pointsman::gateway
