// Clients and endpoints that play with windows, tables and settings (rows H2, H5, H7, H8 and H14 of
// docs/design/attacks.md).

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/gateway/http2/session_fixture.h"
#include "tests/gateway/proxy/http2_attack_fixture.h"
#include "tests/gateway/proxy/http2_peer.h"

namespace pointsman::gateway {
namespace {

constexpr uint32_t kEnhanceYourCalm = 11;

std::string Setting(uint8_t id, uint32_t value) {
  return RawFrame(kFrameSettings, 0, 0, std::string{'\0', static_cast<char>(id)} + Big32(value));
}
std::string Window(uint32_t stream, uint32_t bytes) {
  return RawFrame(kFrameWindowUpdate, 0, stream, Big32(bytes));
}

class Http2WindowAttackTest : public Http2AttackTest {
 protected:
  static constexpr size_t kHuge = 4 << 20;

  // Answers good requests and those for /huge.
  void ServeHuge() {
    upstream_ = std::make_unique<ScriptedUpstream>(Answering([](const TestMessage& request) {
      return Ok(absl::StrContains(request.first_line, "/huge") ? std::string(kHuge, 'x') : "good");
    }));
    Publish({upstream_->port()});
  }
  static std::string GetHuge(uint32_t stream) {
    RawFields fields = RawGet();
    fields[3].second = "/huge";
    return RawHeaders(stream, fields);
  }
};

// Each makes us reset its stream, and count that as if the client had.
TEST_F(Http2WindowAttackTest, AllWaysToMakeUsResetEndTheConnection) {
  Serve();
  const auto priority = [](uint32_t id, const std::string& payload) {
    return RawFrame(kFramePriority, 0, id, payload);
  };
  for (int way = 0; way < 6; ++way) {
    std::string bytes;
    for (uint32_t id = 1; id < 4'001; id += 2) {
      const bool ended = way >= 4;
      bytes += RawHeaders(id, RawGet(), ended);
      if (way == 0) bytes += Window(id, 0);
      if (way == 1) bytes += Window(id, 0x7fffffff);
      if (way == 2) bytes += priority(id, "abcd");
      if (way == 3) bytes += priority(id, Big32(id) + "x");
      if (way == 4) bytes += RawHeaders(id, RawGet());
      if (way == 5) bytes += RawFrame(kFrameData, 0, id, "x");
    }
    requests_ = 0;
    const Ending ending = Attack(bytes);
    EXPECT_TRUE(ending.goaway) << way;
    EXPECT_TRUE(ending.closed) << way;
    ExpectUnharmed(absl::StrCat("way ", way));
    EXPECT_LT(requests_, 250) << way;
  }
}

TEST_F(Http2WindowAttackTest, ATrickledWindowDoesNotPinAnAnswer) {
  limits.http2_stuck_timeout = absl::Milliseconds(100);
  const std::string body(1'000, 'x');
  ScriptedUpstream upstream(Answering([&body](const TestMessage&) { return Ok(body); }));
  Publish({upstream.port()});
  BeginRow();
  Peer socket = Client();
  socket.Write(absl::StrCat(kHttp2Preface, Setting(4, 0), RawHeaders(1, RawGet())));
  std::string seen;
  Ending ending;
  absl::Time next = absl::Now();
  const auto trickle = [&] {
    if (absl::Now() >= next) {
      socket.Write(Window(1, 1));
      next += absl::Milliseconds(5);
    }
    pollfd more{socket.fd(), POLLIN, 0};
    if (poll(&more, 1, 1) == 1) socket.ReadSome(&seen);
    Parse(seen, &ending);
    return !ending.resets.empty() || ending.goaway;
  };
  EXPECT_TRUE(WaitFor(trickle));
  EXPECT_EQ(ending.heads[1], 1);
  EXPECT_EQ(ending.resets[1], static_cast<uint32_t>(NGHTTP2_CANCEL));
  EXPECT_FALSE(ending.goaway);
  EXPECT_TRUE(WaitFor([&] { return Quiet(); }));
  socket.ShutdownBoth();
  ExpectUnharmed();
}

TEST_F(Http2WindowAttackTest, AWindowOfOneByteEndsTheConnection) {
  ServeHuge();
  std::string bytes = Setting(4, 1) + GetHuge(1);
  for (int i = 0; i < 20'000; ++i) bytes += Window(1, 1);
  const Ending ending = Attack(bytes);
  EXPECT_TRUE(ending.goaway);
  EXPECT_EQ(ending.goaway_code, kEnhanceYourCalm);
  ExpectUnharmed();
  EXPECT_LT(engine().Stats().buffer_bytes_peak, kHuge / 4);
}

TEST_F(Http2WindowAttackTest, AWindowBelowZeroHoldsTheEndpointBack) {
  ServeHuge();
  BeginRow();
  Peer socket = Client();
  std::string seen;
  const auto body_bytes = [&seen] {
    size_t bytes = 0;
    for (const SeenFrame& frame : FramesOf(seen)) {
      if (frame.type == kFrameData && frame.stream == 1) bytes += frame.payload.size();
    }
    return bytes;
  };
  socket.Write(absl::StrCat(kHttp2Preface, Setting(4, 30'000), GetHuge(1)));
  while (body_bytes() < 30'000 && socket.ReadSome(&seen)) {
  }
  // Others are served meanwhile, and nothing more comes.
  socket.Write(Setting(4, 0) + RawHeaders(3, RawGet()));
  Ending ending;
  for (Parse(seen, &ending); ending.heads.count(3) == 0; Parse(seen, &ending)) {
    ASSERT_TRUE(socket.ReadSome(&seen));
  }
  EXPECT_TRUE(GoodRequest());
  EXPECT_EQ(body_bytes(), 30'000u);
  EXPECT_LT(engine().Stats().buffer_bytes_peak, kHuge / 4);
  socket.ShutdownBoth();
  ExpectUnharmed();
}

// From nothing to the most and back, before each head.
TEST_F(Http2WindowAttackTest, TablesThatGrowAndShrinkHoldNothing) {
  Serve();
  const auto round = [](uint32_t id) {
    return Setting(1, 0xffffffff) + RawHeaders(id, RawGet()) + Setting(1, 0);
  };
  {
    BeginRow();
    Peer socket = Client();
    Http2Peer client(Http2Peer::Side::kClient, &socket);
    for (const uint32_t size : {0u, 0xffffffffu, 0u, 4'096u, 1u, 0xffffffffu}) {
      const nghttp2_settings_entry table{NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, size};
      nghttp2_submit_settings(client.session(), 0, &table, 1);
      EXPECT_EQ(client.Await(client.Request(Http2Peer::Get())).status(), 200) << size;
    }
  }
  ExpectUnharmed("few");
  std::string many;
  for (uint32_t id = 1; id < 10'001; id += 2) many += round(id) + Setting(1, 4'096);
  const Ending flood = Attack(many);
  EXPECT_TRUE(flood.goaway);
  ExpectUnharmed("many");
}

TEST_F(Http2WindowAttackTest, HugeSettingsOfAnEndpointCostItItsConnection) {
  policy.upstream_http2 = true;
  policy.max_retries = 0;
  ScriptedUpstream upstream([](Peer& peer, int connection) {
    if (connection > 0) {
      Http2Peer http2(Http2Peer::Side::kServer, &peer);
      while (const int32_t id = http2.AwaitRequest()) http2.Respond(id, {{":status", "200"}});
      return;
    }
    std::string some;
    peer.ReadExact(24, &some);
    std::string entries;
    for (uint32_t i = 0; i < 2'700; ++i) entries += std::string{'\0', '\3'} + Big32(i);
    peer.Write(RawFrame(kFrameSettings, 0, 0, entries));
    peer.ReadToEnd(&some);
  });
  Publish({upstream.port()});
  Peer client = Client();
  client.Write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(client.ReadMessage().status(), 502);
  client.Write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(client.ReadMessage().status(), 200);
  EXPECT_EQ(upstream.connections(), 2);
}

}  // namespace
}  // namespace pointsman::gateway
