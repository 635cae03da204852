// What a peer may say that carries nothing, at the limits as they are by default: what honest
// clients do has no end, what floods do has one.

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/gateway/http2/session_fixture.h"

namespace pointsman::gateway {
namespace {

class GlitchBudgetTest : public SessionFixture {
 protected:
  static constexpr int kMany = 20'000;

  static std::string Ping() { return RawFrame(kFramePing, 0, 0, "abcdefgh"); }
  static std::string OpenWindow(uint32_t stream, uint32_t bytes) {
    return RawFrame(kFrameWindowUpdate, 0, stream, Big32(bytes));
  }
  static std::string Get(uint32_t stream) { return RawHeaders(stream, RawGet()); }
  static std::string Repeated(const std::string& frame, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) all += frame;
    return all;
  }
  // Asks, is answered with `body` and says `behind`. False: the session has enough.
  bool AskAndSay(uint32_t stream, absl::string_view body, absl::string_view behind) {
    if (!Receive(Get(stream))) return false;
    Answer(streams.back().get(), body);
    Sent();
    DropClosed();
    return Receive(behind);
  }
  // How many requests were answered before it had enough.
  int RequestsSaying(absl::string_view body, absl::string_view behind) {
    for (int i = 0; i < kMany; ++i) {
      if (!AskAndSay(static_cast<uint32_t>(2 * i + 1), body, behind)) return i;
    }
    return kMany;
  }
};

// gRPC's: to measure the way to the server, at most once a round trip.
TEST_F(GlitchBudgetTest, SmallRequestsWithAPingAndAnOpenedWindowEachHaveNoEnd) {
  Serve();
  EXPECT_EQ(RequestsSaying("reply", Ping() + OpenWindow(0, 5)), kMany);
}

TEST_F(GlitchBudgetTest, AnswersWithoutABodyCountAsWell) {
  Serve();
  EXPECT_EQ(RequestsSaying("", Ping() + OpenWindow(0, 1)), kMany);
}

TEST_F(GlitchBudgetTest, SmallMessagesOnOneStreamHaveNoEnd) {
  Http2Session& session = Serve();
  ASSERT_TRUE(Receive(RawHeaders(1, RawGet(), /*end=*/false)));
  ResponseHead head;
  head.status = 200;
  session.SendHead(streams[0].get(), head, /*end=*/false);
  for (int i = 0; i < kMany; ++i) {
    session.SendData(streams[0].get(), Data("tick"));
    ASSERT_NE(Find(Sent(), kFrameData), nullptr) << i;
    ASSERT_TRUE(Receive(Ping() + OpenWindow(0, 4) + OpenWindow(1, 4))) << i;
  }
}

// The same from an endpoint that we send small messages to.
TEST_F(GlitchBudgetTest, EndpointsMayAnswerMessagesWithPings) {
  Http2Session& session = Ask();
  RecordingStream* stream = NewStream(/*client=*/true);
  RequestHead head;
  head.method_text = head.block.Keep("POST");
  head.target = head.block.Keep("/");
  ForwardedFacts facts;
  facts.default_host = "a";
  ASSERT_TRUE(session.SendRequest(stream, head, facts, /*end=*/false));
  for (int i = 0; i < kMany; ++i) {
    session.SendData(stream, Data("tick"));
    Sent();
    ASSERT_TRUE(Receive(Ping() + OpenWindow(0, 4) + OpenWindow(1, 4))) << i;
  }
}

TEST_F(GlitchBudgetTest, FloodsEnd) {
  const std::string floods[] = {
      Ping(),
      RawFrame(kFrameSettings, 0, 0, ""),
      RawFrame(kFramePriority, 0, 3, Big32(0) + std::string(1, '\0')),
      RawFrame(kFrameData, 0, 1, ""),
      OpenWindow(0, 1),
      RawFrame(0x42, 0, 0, ""),
  };
  for (const std::string& frame : floods) {
    Serve();
    ASSERT_TRUE(Receive(RawHeaders(1, RawGet(), /*end=*/false)));
    EXPECT_FALSE(Receive(Repeated(frame, kMany))) << static_cast<int>(frame[3]);
    EXPECT_EQ(GoawayCode(Sent()), kEnhanceYourCalm) << static_cast<int>(frame[3]);
    streams.clear();
  }
}

// The budget that requests give is small beside what a flood takes.
TEST_F(GlitchBudgetTest, FloodsBetweenRequestsEnd) {
  Serve();
  EXPECT_LT(RequestsSaying("reply", Repeated(Ping(), 100)), 50);
  EXPECT_EQ(GoawayCode(Sent()), kEnhanceYourCalm);
}

// Each opens the window by a byte and is sent a frame for it.
TEST_F(GlitchBudgetTest, AWindowThatIsOpenedByteByByteEnds) {
  Serve();
  ASSERT_TRUE(Receive(RawFrame(kFrameSettings, 0, 0, std::string("\0\x04\0\0\0\0", 6)) + Get(1)));
  Answer(streams[0].get(), std::string(10'000, 'x'));
  int frames = 0;
  while (frames < 10'000 && Receive(OpenWindow(1, 1))) {
    if (Find(Sent(), kFrameData) != nullptr) ++frames;
  }
  EXPECT_GT(frames, 1'000);
  EXPECT_LT(frames, 3'000);
  EXPECT_EQ(GoawayCode(Sent()), kEnhanceYourCalm);
}

// Cancelling is ordinary for gRPC's clients, up to a limit of its own.
TEST_F(GlitchBudgetTest, RapidResetHasALimitOfItsOwn) {
  Serve();
  int cancelled = 0;
  int64_t code = -1;
  for (; cancelled < 100'000 && code < 0; ++cancelled) {
    const auto id = static_cast<uint32_t>(2 * cancelled + 1);
    Receive(RawHeaders(id, RawGet()) + RawFrame(kFrameRstStream, 0, id, Big32(8)));
    code = GoawayCode(Sent());
    DropClosed();
  }
  EXPECT_GE(cancelled, static_cast<int>(limits.resets_burst));
  EXPECT_LT(cancelled, static_cast<int>(limits.resets_burst) + 2);
  EXPECT_EQ(code, kEnhanceYourCalm);
}

TEST_F(GlitchBudgetTest, RequestsThatAreResetForgiveNothing) {
  Serve();
  int rounds = 0;
  for (; rounds < kMany; ++rounds) {
    const auto id = static_cast<uint32_t>(2 * rounds + 1);
    // NO_ERROR: the code of a regular end.
    const std::string both =
        RawHeaders(id, RawGet()) + RawFrame(kFrameRstStream, 0, id, Big32(0)) + Ping();
    if (!Receive(both)) break;
    Sent();
    DropClosed();
  }
  EXPECT_LT(rounds, 3'000);
}

}  // namespace
}  // namespace pointsman::gateway
