// What no honest HTTP/2 client or endpoint does. After each: the engine lives, the endpoint saw at
// most what it may, and the next good request is answered.

#include <future>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/gateway/proxy/http2_attack_fixture.h"
#include "tests/gateway/proxy/http2_peer.h"

namespace pointsman::gateway {
namespace {

TEST_F(Http2AttackTest, RapidResetIsCalmedDown) {
  Serve();
  std::string bytes;
  for (uint32_t id = 1; id < 20'001; id += 2) {
    bytes += RawHeaders(id, RawGet(), false) + RawFrame(kFrameRstStream, 0, id, Big32(8));
  }
  const Ending ending = Attack(bytes);
  EXPECT_TRUE(ending.goaway);
  EXPECT_EQ(ending.goaway_code, 11u) << "ENHANCE_YOUR_CALM";
  EXPECT_TRUE(ending.closed);
  ExpectUnharmed();
  EXPECT_LT(requests_, 200);
}

TEST_F(Http2AttackTest, ResetsTheClientProvokesCountAsItsOwn) {
  Serve();
  std::string bytes;
  for (uint32_t id = 1; id < 2'001; id += 2) {
    bytes += RawHeaders(id, RawGet(), false) + RawFrame(kFrameWindowUpdate, 0, id, Big32(0));
  }
  const Ending ending = Attack(bytes);
  EXPECT_TRUE(ending.goaway);
  EXPECT_TRUE(ending.closed);
  ExpectUnharmed();
  EXPECT_LT(requests_, 200);
}

TEST_F(Http2AttackTest, FloodsOfEmptyFramesEnd) {
  Serve();
  const std::string open = RawHeaders(1, RawGet(), false);
  const std::string floods[] = {
      RawFrame(kFramePing, 0, 0, "abcdefgh"),
      RawFrame(kFrameSettings, 0, 0, ""),
      RawFrame(kFramePriority, 0, 3, Big32(0) + std::string(1, '\0')),
      RawFrame(kFrameData, 0, 1, ""),
      RawFrame(kFrameWindowUpdate, 0, 0, Big32(1)),
  };
  for (const std::string& frame : floods) {
    std::string bytes = open;
    for (int i = 0; i < 20'000; ++i) bytes += frame;
    const Ending ending = Attack(bytes);
    EXPECT_TRUE(ending.goaway) << static_cast<int>(frame[3]);
    EXPECT_TRUE(ending.closed) << static_cast<int>(frame[3]);
    ExpectUnharmed();
  }
}

TEST_F(Http2AttackTest, HeadsWithoutEndAreCut) {
  Serve();
  for (const std::string& piece : {std::string(), std::string(1, '\0')}) {
    std::string bytes = RawFrame(kFrameHeaders, kFlagEndStream, 1, RawBlock(RawGet()));
    for (int i = 0; i < 20'000; ++i) bytes += RawFrame(kFrameContinuation, 0, 1, piece);
    const Ending ending = Attack(bytes);
    EXPECT_TRUE(ending.goaway);
    EXPECT_EQ(ending.goaway_code, 11u) << "ENHANCE_YOUR_CALM";
    EXPECT_TRUE(ending.closed);
    ExpectUnharmed();
  }
  EXPECT_EQ(requests_, 0);
}

TEST_F(Http2AttackTest, ASmallBlockDoesNotBecomeALargeHead) {
  Serve();
  // One entry into the table, then thousands of one-byte references to it.
  std::string block = RawBlock(RawGet());
  const std::string value(100, 'v');
  block += std::string("\x40\x06") + "cookie" + static_cast<char>(value.size()) + value;
  for (int i = 0; i < 8'000; ++i) block.push_back(static_cast<char>(0x80 | 62));
  const Ending ending = Attack(RawFrame(kFrameHeaders, kFlagEndHeaders | kFlagEndStream, 1, block));
  EXPECT_EQ(ending.heads.count(1) + ending.resets.count(1), 1u) << "431, or a reset";
  ExpectUnharmed();
  EXPECT_EQ(requests_, 0);
}

TEST_F(Http2AttackTest, WhatWouldSplitAnHttp1MessageNeverLeaves) {
  Serve();
  const RawFields injected[] = {
      {{"x", "a\r\nb: c"}},
      {{"x", std::string("a\0b", 3)}},
      {{"x\r\ny", "a"}},
      {{"x:y", "a"}},
      {{"X-Upper", "a"}},
      {{"", "a"}},
      {{"x", " a"}},
      {{"x", "a "}},
      {{"transfer-encoding", "chunked"}},
      {{"connection", "close"}},
      {{"te", "gzip"}},
      {{"upgrade", "h2c"}},
      {{":path", "/two"}},
      {{":unknown", "a"}},
      {{"host", "other"}},
      {{"content-length", "x"}},
      {{"content-length", "5"}},
  };
  for (const RawFields& fields : injected) {
    const Ending ending = Attack(RawHeaders(1, RawGet(fields)));
    EXPECT_EQ(requests_, 0) << fields[0].first << ": " << fields[0].second;
    EXPECT_TRUE(ending.resets.count(1) == 1 || ending.heads.count(1) == 1 || ending.goaway)
        << fields[0].first;
    ExpectUnharmed(fields[0].first);
  }
}

TEST_F(Http2AttackTest, PseudoFieldsThatMakeNoRequest) {
  Serve();
  const RawFields wrong[] = {
      {{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}},
      {{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", ""}},
      {{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", "svc/M"}},
      {{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/a b"}},
      {{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/a#b"}},
      {{":method", "GET"}, {":scheme", "x y"}, {":authority", "a"}, {":path", "/"}},
      {{":method", "G T"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}},
      {{":method", "GET"}, {":scheme", "http"}, {":authority", "a/b"}, {":path", "/"}},
      {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}},
      {{"x", "y"}, {":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}},
  };
  for (const RawFields& fields : wrong) {
    Attack(RawHeaders(1, fields));
    ExpectUnharmed();
  }
  EXPECT_EQ(requests_, 0);
}

TEST_F(Http2AttackTest, DataForAStreamThatWasResetIsNobodys) {
  Serve();
  const Ending ending =
      Attack(RawHeaders(1, RawGet(), false) + RawFrame(kFrameRstStream, 0, 1, Big32(8)) +
             RawFrame(kFrameData, kFlagEndStream, 1, "late"));
  EXPECT_EQ(ending.heads.count(1), 0u);
  ExpectUnharmed();
}

TEST_F(Http2AttackTest, ABodyThatIsNotAsLongAsItSaysIsReset) {
  Serve();
  RawFields fields = RawGet({{"content-length", "10"}});
  fields[0].second = "POST";
  const Ending ending =
      Attack(RawHeaders(1, fields, false) + RawFrame(kFrameData, kFlagEndStream, 1, "short"));
  EXPECT_EQ(ending.resets.count(1), 1u);
  ExpectUnharmed();
  EXPECT_EQ(requests_, 0);
}

TEST_F(Http2AttackTest, MoreStreamsThanAllowedAreRefused) {
  limits.http2.streams_max = 10;
  ScriptedUpstream silent(AnsweringGoodOnly());
  Publish({silent.port()});
  std::string bytes;
  for (uint32_t id = 1; id < 61; id += 2) bytes += RawHeaders(id, RawGet());
  const Ending ending = Attack(bytes);
  EXPECT_EQ(ending.resets.size(), 20u);
  for (const auto& [id, code] : ending.resets) EXPECT_EQ(code, 7u) << id;
  ExpectUnharmed();
}

// RFC 7541 7.3: an entry of the table, named by one byte each time, is decoded into 4,000.
TEST_F(Http2AttackTest, ATableEntryNamedAgainAndAgainMakesNoMemory) {
  // The origin reads nothing meanwhile: its memory is this process's too.
  std::promise<void> attacked;
  ScriptedUpstream deaf([good = AnsweringGoodOnly(), over = attacked.get_future().share()](
                            Peer& peer, int connection) {
    if (connection > 0) over.wait();
    good(peer, connection);
  });
  Publish({deaf.port()});
  // Literal with indexing; the value's length in the integer form of RFC 7541 5.1.
  const std::string entry = absl::StrCat("\x40\x01x\x7f\xa1\x1e", std::string(4000, 'v'));
  const auto flags = static_cast<uint8_t>(kFlagEndHeaders);
  std::string bytes = RawFrame(kFrameHeaders, flags, 1, RawBlock(RawGet()) + entry);
  for (uint32_t id = 3; id < 201; id += 2) {
    bytes += RawFrame(kFrameHeaders, flags, id, RawBlock(RawGet()) + std::string(7, '\xbe'));
  }
  const Ending ending = Attack(bytes);
  attacked.set_value();
  // What runs would hold 3 MB for 11 KB.
  EXPECT_GT(ending.resets.size(), 50u);
  for (const auto& [id, code] : ending.resets) EXPECT_EQ(code, 7u) << "REFUSED_STREAM";
  EXPECT_FALSE(ending.goaway);
  ExpectUnharmed();
}

TEST_F(Http2AttackTest, ManyOpenStreamsEndInTimeLinearInThem) {
  limits.http2.streams_max = 10'000;
  ScriptedUpstream silent(AnsweringGoodOnly());
  policy.max_in_flight_per_endpoint = 10;
  Publish({silent.port()});
  std::string bytes;
  for (uint32_t id = 1; id < 20'001; id += 2) bytes += RawHeaders(id, RawGet(), false);
  Attack(bytes);
  ExpectUnharmed();
  EXPECT_TRUE(WaitFor([&] { return engine().Stats().connections == 0; }));
}

TEST_F(Http2AttackTest, HostileEndpointsBecome502) {
  policy.upstream_http2 = true;
  policy.max_retries = 0;
  const std::string settings = RawFrame(kFrameSettings, 0, 0, "");
  const std::string answers[] = {
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
      settings + RawHeaders(1, {{"x", "y"}}),
      settings + RawHeaders(1, {{":status", "2000"}}),
      settings + RawHeaders(1, {{":status", "101"}}),
      settings + RawHeaders(1, {{":status", "200"}, {"x", "a\r\nb"}}),
      settings + RawHeaders(1, {{":status", "200"}, {"connection", "close"}}),
      settings + RawFrame(kFrameSettings, 0, 0, "x"),
  };
  for (const std::string& bytes : answers) {
    ScriptedUpstream hostile([&bytes](Peer& peer, int) {
      std::string some;
      peer.ReadExact(24, &some);
      peer.Write(bytes);
      peer.ReadToEnd(&some);
    });
    Publish({hostile.port()});
    Peer client = Client();
    client.Write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(client.ReadMessage().status(), 502) << bytes;
    hostile.Stop();
  }
}

TEST_F(Http2AttackTest, APushIsRefusedAndTheAnswerStillCounts) {
  policy.upstream_http2 = true;
  ScriptedUpstream pushing([](Peer& peer, int) {
    std::string some;
    peer.ReadExact(24, &some);
    peer.Write(absl::StrCat(RawFrame(kFrameSettings, 0, 0, ""),
                            RawFrame(5, kFlagEndHeaders, 1, Big32(2) + RawBlock(RawGet())),
                            RawHeaders(2, {{":status", "200"}}),
                            RawHeaders(1, {{":status", "204"}})));
    peer.ReadToEnd(&some);
  });
  Publish({pushing.port()});
  Peer client = Client();
  client.Write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.ReadMessage().status(), 204);
}

TEST_F(Http2AttackTest, EndlessInterimResponsesEnd) {
  policy.upstream_http2 = true;
  ScriptedUpstream hostile([](Peer& peer, int) {
    Http2Peer http2(Http2Peer::Side::kServer, &peer);
    const int32_t id = http2.AwaitRequest();
    for (int i = 0; i < 100; ++i) http2.Interim(id, {{":status", "103"}});
    http2.AwaitRequest();
  });
  Publish({hostile.port()});
  Peer socket = Client();
  Http2Peer client(Http2Peer::Side::kClient, &socket);
  const H2Message& answer = client.Await(client.Request(Http2Peer::Post(), "x"));
  EXPECT_EQ(answer.status(), 502);
  EXPECT_LE(answer.interims.size(), 8u);
}

}  // namespace
}  // namespace pointsman::gateway
