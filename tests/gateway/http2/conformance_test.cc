// RFC 9113 and RFC 7541: what each breach by a client must become, a connection error or a stream
// error with its code, and what must be taken. At the seam of bytes; each row has a fresh session.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/gateway/http2/session_fixture.h"

namespace pointsman::gateway {
namespace {

constexpr uint32_t kProtocolError = 1;
constexpr uint32_t kFlowControlError = 3;
constexpr uint32_t kStreamClosed = 5;
constexpr uint32_t kFrameSizeError = 6;
constexpr uint32_t kCompressionError = 9;

constexpr uint8_t kFramePushPromise = 5;
constexpr uint8_t kFlagAck = 1;
constexpr uint8_t kFlagPadded = 8;
constexpr uint8_t kFlagPriority = 32;

struct Row {
  const char* name;
  std::string bytes;
  uint32_t code = 0;
  // What is named by its section is an error of this stream; 0: of the connection.
  uint32_t stream = 0;
};

std::string Setting(uint16_t id, uint32_t value) {
  return std::string{static_cast<char>(id >> 8), static_cast<char>(id)} + Big32(value);
}
std::string Settings(const std::string& payload) { return RawFrame(kFrameSettings, 0, 0, payload); }
std::string Get(uint32_t stream) { return RawHeaders(stream, RawGet()); }
std::string Open(uint32_t stream) { return RawHeaders(stream, RawGet(), /*end=*/false); }
std::string Window(uint32_t stream, uint32_t bytes) {
  return RawFrame(kFrameWindowUpdate, 0, stream, Big32(bytes));
}
std::string Body(uint32_t stream, size_t bytes, uint8_t flags = 0) {
  return RawFrame(kFrameData, flags, stream, std::string(bytes, 'x'));
}
std::string Block(const std::string& more) {
  return RawFrame(kFrameHeaders, kFlagEndHeaders | kFlagEndStream, 1, RawBlock(RawGet()) + more);
}
// A frame of its head alone, which says that it is so long.
std::string Claiming(uint8_t type, uint32_t stream, uint32_t length) {
  return RawFrame(type, 0, stream, "").replace(0, 3, Big32(length).substr(1));
}

class ConformanceTest : public SessionFixture {
 protected:
  // The codes that were sent: of the connection's end, or of the stream's.
  struct Said {
    int64_t goaway = -1;
    int64_t reset = -1;
  };
  Said Say(const std::string& bytes, uint32_t stream) {
    Serve();
    alive_ = Receive(bytes);
    Said said;
    for (const SeenFrame& frame : Sent()) {
      if (frame.type == kFrameGoaway) said.goaway = frame.Number(4);
      if (frame.type == kFrameRstStream && frame.stream == stream) said.reset = frame.Number(0);
    }
    return said;
  }
  void ExpectErrors(const std::vector<Row>& rows) {
    for (const Row& row : rows) {
      const Said said = Say(row.bytes, row.stream);
      if (row.stream == 0) {
        EXPECT_EQ(said.goaway, row.code) << row.name;
      } else {
        // 5.4.1: an endpoint may treat any stream error as one of the connection.
        EXPECT_EQ(said.reset >= 0 ? said.reset : said.goaway, row.code) << row.name;
      }
      streams.clear();
    }
  }
  bool alive_ = false;
};

TEST_F(ConformanceTest, TakesWhatItMust) {
  const Row rows[] = {
      {"4.1 unknown type", RawFrame(0x77, 0xff, 0, "abc") + RawFrame(0x78, 0, 1, "")},
      {"4.1 unused flags", RawFrame(kFramePing, 0xfe, 0, "12345678")},
      {"4.1 reserved bit", RawFrame(kFramePing, 0, 0x80000000, "12345678")},
      {"5.1 priority of an idle stream", RawFrame(kFramePriority, 0, 9, Big32(0) + "x")},
      {"5.1 window of an ended stream",
       Open(1) + RawFrame(kFrameRstStream, 0, 1, Big32(8)) + Window(1, 1)},
      {"5.1 reset of an ended stream", Open(1) + RawFrame(kFrameRstStream, 0, 1, Big32(8)) +
                                           RawFrame(kFrameRstStream, 0, 1, Big32(8))},
      {"5.1.1 skipped ids", Get(1) + Get(101)},
      {"6.1 padding", Open(1) + RawFrame(kFrameData, kFlagPadded, 1, std::string("\2ab\0\0", 5))},
      {"6.1 nothing but padding", Open(1) + RawFrame(kFrameData, kFlagPadded, 1, {"\1\0", 2})},
      {"6.2 padding and priority",
       RawFrame(kFrameHeaders, kFlagEndHeaders | kFlagEndStream | kFlagPadded | kFlagPriority, 1,
                absl::StrCat("\1", Big32(0), "\x10", RawBlock(RawGet()), std::string(1, '\0')))},
      {"6.5.2 unknown setting", Settings(Setting(0xabcd, 7))},
      {"6.7 unasked acknowledgement", RawFrame(kFramePing, kFlagAck, 0, "12345678")},
      {"6.10 pieces of a head",
       RawFrame(kFrameHeaders, kFlagEndStream, 1, RawBlock(RawGet()).substr(0, 5)) +
           RawFrame(kFrameContinuation, kFlagEndHeaders, 1, RawBlock(RawGet()).substr(5))},
      {"HPACK 4.2 smaller table", RawFrame(kFrameHeaders, kFlagEndHeaders | kFlagEndStream, 1,
                                           std::string("\x20\x3f\xe1\x1f") + RawBlock(RawGet()))},
  };
  for (const Row& row : rows) {
    const Said said = Say(row.bytes, 1);
    EXPECT_TRUE(alive_) << row.name;
    EXPECT_EQ(said.goaway, -1) << row.name;
    EXPECT_EQ(said.reset, -1) << row.name;
    streams.clear();
  }
}

TEST_F(ConformanceTest, FramesThatEndTheConnection) {
  ExpectErrors({
      {"4.2 longer than allowed", Open(1) + Claiming(kFrameData, 1, 16'385), kFrameSizeError},
      {"4.2 longer head", Claiming(kFrameHeaders, 1, 16'385), kFrameSizeError},
      {"6.1 data of the connection", RawFrame(kFrameData, 0, 0, "x"), kProtocolError},
      {"6.1 padding beyond the data",
       Open(1) + RawFrame(kFrameData, kFlagPadded, 1, std::string("\5ab\0\0", 5)), kProtocolError},
      {"6.2 head of the connection", Get(0), kProtocolError},
      {"6.2 padding beyond the head",
       RawFrame(kFrameHeaders, kFlagEndHeaders | kFlagPadded, 1, "\xff" + RawBlock(RawGet())),
       kProtocolError},
      {"6.3 priority of the connection", RawFrame(kFramePriority, 0, 0, Big32(1) + "x"),
       kProtocolError},
      {"6.4 reset of the connection", RawFrame(kFrameRstStream, 0, 0, Big32(8)), kProtocolError},
      {"6.4 reset of wrong length", Open(1) + RawFrame(kFrameRstStream, 0, 1, "abc"),
       kFrameSizeError},
      {"6.4 reset of an idle stream", RawFrame(kFrameRstStream, 0, 1, Big32(8)), kProtocolError},
      {"6.5 settings of wrong length", Settings("abcde"), kFrameSizeError},
      {"6.5 settings of a stream", RawFrame(kFrameSettings, 0, 1, ""), kProtocolError},
      {"6.5 acknowledgement with settings", RawFrame(kFrameSettings, kFlagAck, 0, Setting(1, 4096)),
       kFrameSizeError},
      {"6.5.2 push that is neither", Settings(Setting(2, 2)), kProtocolError},
      {"6.5.2 window too large", Settings(Setting(4, 0x80000000)), kFlowControlError},
      {"6.5.2 frames too small", Settings(Setting(5, 16'383)), kProtocolError},
      {"6.5.2 frames too large", Settings(Setting(5, 1 << 24)), kProtocolError},
      {"6.6 push by a client", RawFrame(kFramePushPromise, kFlagEndHeaders, 1, Big32(2)),
       kProtocolError},
      {"6.7 ping of wrong length", RawFrame(kFramePing, 0, 0, "1234567"), kFrameSizeError},
      {"6.7 ping of a stream", RawFrame(kFramePing, 0, 1, "12345678"), kProtocolError},
      {"6.8 goaway of a stream", RawFrame(kFrameGoaway, 0, 1, std::string(8, '\0')),
       kProtocolError},
      {"6.8 goaway of wrong length", RawFrame(kFrameGoaway, 0, 0, "1234567"), kFrameSizeError},
      {"6.9 window of wrong length", RawFrame(kFrameWindowUpdate, 0, 0, "abc"), kFrameSizeError},
      {"6.9 window by nothing", Window(0, 0), kProtocolError},
      {"6.9 window of an idle stream", Window(1, 1), kProtocolError},
      {"6.9.1 window of the connection over its end", Window(0, 0x7fffffff), kFlowControlError},
  });
}

TEST_F(ConformanceTest, StreamsAndHeadsThatEndTheConnection) {
  ExpectErrors({
      {"5.1 data of an idle stream", RawFrame(kFrameData, 0, 1, "x"), kProtocolError},
      {"5.1.1 even", Get(2), kProtocolError},
      {"6.10 continuation of nothing", RawFrame(kFrameContinuation, kFlagEndHeaders, 1, ""),
       kProtocolError},
      {"6.10 a frame between", RawFrame(kFrameHeaders, 0, 1, "") + Window(0, 1), kProtocolError},
      {"6.10 an unknown frame between",
       RawFrame(kFrameHeaders, 0, 1, "") + RawFrame(0x77, 0, 0, ""), kProtocolError},
      {"6.10 another stream's",
       RawFrame(kFrameHeaders, 0, 1, "") + RawFrame(kFrameContinuation, kFlagEndHeaders, 3, ""),
       kProtocolError},
      {"HPACK 6.1 index of nothing", Block("\x80"), kCompressionError},
      {"HPACK 2.3.3 index behind the table", Block("\xfe"), kCompressionError},
      {"HPACK 5.1 number without end", Block(std::string(20, '\xff')), kCompressionError},
      {"HPACK 5.2 text without end", Block(std::string("\x00\x7f", 2) + "x"), kCompressionError},
      {"HPACK 5.2 Huffman with its own end", Block(std::string("\x00\x84\xff\xff\xff\xff", 6)),
       kCompressionError},
      {"HPACK 5.2 Huffman padded by zeros", Block(std::string("\x00\x81\x18\x01x", 5)),
       kCompressionError},
      {"HPACK 4.2 table larger than allowed",
       RawFrame(kFrameHeaders, kFlagEndHeaders, 1, "\x3f\xff\xff\x03" + RawBlock(RawGet())),
       kCompressionError},
      {"HPACK 4.2 change of the table behind a field", Block("\x20"), kCompressionError},
      {"HPACK 6.1 trailers are decoded too",
       Open(1) + RawFrame(kFrameHeaders, kFlagEndHeaders | kFlagEndStream, 1, "\x80"),
       kCompressionError},
  });
}

// 5.1.1 wants a connection error. The library keeps no record of which ids were skipped and which
// are over, and what was sent before a reset came must be taken: all of it is decoded and ignored.
TEST_F(ConformanceTest, FallingIdsAreNobodys) {
  const Said said = Say(Open(5) + Get(3), 3);
  EXPECT_EQ(said.goaway, -1);
  EXPECT_EQ(streams.size(), 1u);
}

TEST_F(ConformanceTest, WhatEndsTheStream) {
  const std::string itself = Big32(1) + "x";
  ExpectErrors({
      {"5.1 data behind the end", Get(1) + Body(1, 1), kStreamClosed, 1},
      {"5.1 head behind the end", Get(1) + Get(1), kStreamClosed, 1},
      {"6.3 priority of wrong length", Open(1) + RawFrame(kFramePriority, 0, 1, "abcd"),
       kFrameSizeError, 1},
      {"6.9 window by nothing", Open(1) + Window(1, 0), kProtocolError, 1},
      {"6.9.1 window over its end", Open(1) + Window(1, 0x7fffffff), kFlowControlError, 1},
      {"6.9.2 window over its end by a setting",
       Open(1) + Window(1, 1) + Settings(Setting(4, 0x7fffffff)), kFlowControlError, 1},
      {"8.1 trailers that do not end", Open(1) + RawHeaders(1, {{"a", "b"}}, false), kProtocolError,
       1},
      {"8.1.1 more than its length",
       RawHeaders(1, RawGet({{"content-length", "1"}}), false) + Body(1, 2), kProtocolError, 1},
      {"8.3 pseudo-fields in trailers", Open(1) + RawHeaders(1, {{":path", "/"}}), kProtocolError,
       1},
  });
}

TEST_F(ConformanceTest, DataBeyondTheWindows) {
  const std::string acknowledged = RawFrame(kFrameSettings, kFlagAck, 0, "");
  limits.stream_window_bytes = 20'000;
  ExpectErrors({{"6.9.1 of the stream", acknowledged + Open(1) + Body(1, 16'384) + Body(1, 16'384),
                 kFlowControlError, 1}});
  limits.stream_window_bytes = 1 << 20;
  limits.connection_window_bytes = 65'535;
  std::string bytes = acknowledged + Open(1);
  for (int i = 0; i < 5; ++i) bytes += Body(1, 16'384);
  ExpectErrors({{"6.9.1 of the connection", bytes, kFlowControlError}});
}

// The other direction: what the client allows is never exceeded, also when it takes it back.
TEST_F(ConformanceTest, SendsWithinTheWindows) {
  Serve();
  const auto sent_bytes = [this] {
    size_t bytes = 0;
    for (const SeenFrame& frame : Sent()) {
      if (frame.type == kFrameData) bytes += frame.payload.size();
    }
    return bytes;
  };
  ASSERT_TRUE(Receive(Settings(Setting(4, 1'000)) + Get(1)));
  Answer(streams[0].get(), std::string(100'000, 'x'));
  EXPECT_EQ(sent_bytes(), 1'000u);
  // 6.9.2: below zero by 900, and to be paid back first.
  ASSERT_TRUE(Receive(Settings(Setting(4, 100))));
  EXPECT_EQ(sent_bytes(), 0u);
  ASSERT_TRUE(Receive(Window(1, 900)));
  EXPECT_EQ(sent_bytes(), 0u);
  ASSERT_TRUE(Receive(Window(1, 1)));
  EXPECT_EQ(sent_bytes(), 1u);
  // The connection's window, as it is in the beginning.
  ASSERT_TRUE(Receive(Window(1, 200'000)));
  EXPECT_EQ(sent_bytes(), 65'535u - 1'001u);
  ASSERT_TRUE(Receive(Window(0, 10)));
  EXPECT_EQ(sent_bytes(), 10u);
}

TEST_F(ConformanceTest, TheGreetingIsDemanded) {
  Serve(/*greeted=*/false);
  EXPECT_FALSE(Receive("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  Serve(/*greeted=*/false);
  Receive(absl::StrCat(kHttp2Preface, RawFrame(kFramePing, 0, 0, "12345678")));
  EXPECT_EQ(GoawayCode(Sent()), kProtocolError) << "3.4: settings come first";
}

// 4.3: what is refused is decoded all the same, or every later head would be another.
TEST_F(ConformanceTest, TheTableStaysInStepBehindARefusedHead) {
  Serve();
  const auto flags = static_cast<uint8_t>(kFlagEndHeaders | kFlagEndStream);
  // A field into the table, in a head that breaks a rule: upper case.
  const std::string entry = "\x40\x02xa\x05value";
  ASSERT_TRUE(Receive(RawFrame(kFrameHeaders, flags, 1, RawBlock(RawGet({{"X", "y"}})) + entry)));
  ASSERT_TRUE(Receive(RawFrame(kFrameHeaders, flags, 3, RawBlock(RawGet()) + "\xbe")));
  ASSERT_EQ(streams.size(), 2u);
  ASSERT_TRUE(streams[1]->head);
  EXPECT_EQ(streams[1]->request.block.Value("xa"), "value");
}

}  // namespace
}  // namespace pointsman::gateway
