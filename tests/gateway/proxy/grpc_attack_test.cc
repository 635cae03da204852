// Row H15: gRPC's answers and requests as no good library makes them, and streams that are cut in
// the middle. What good ones do is in grpc_test.cc.

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/gateway/proxy/http2_attack_fixture.h"
#include "tests/gateway/proxy/http2_peer.h"

namespace pointsman::gateway {
namespace {

const std::string kHi("\0\0\0\0\2hi", 7);
const H2Fields kAnswerHead = {{":status", "200"}, {"content-type", "application/grpc"}};

H2Fields Call() {
  return {{":method", "POST"},         {":scheme", "http"}, {":authority", "a"},
          {":path", "/pkg.Service/M"}, {"te", "trailers"},  {"content-type", "application/grpc"}};
}

// What clients were told, also those that do not read.
class StatusLog final : public RequestObserver {
 public:
  void OnRequest(const RequestRecord& record) override {
    std::lock_guard<std::mutex> lock(mutex_);
    if (record.target != "/good") statuses_.push_back(record.grpc_status);
  }
  std::vector<int> statuses() {
    std::lock_guard<std::mutex> lock(mutex_);
    return statuses_;
  }

 private:
  std::mutex mutex_;
  std::vector<int> statuses_;
};

class GrpcAttackTest : public Http2AttackTest {
 protected:
  GrpcAttackTest() {
    policy.upstream_http2 = true;
    observer = &log_;
  }

  // An endpoint that answers good requests, and all others with what `answer` makes.
  void Serve(std::function<H2Answer(const H2Message&)> answer) {
    upstream_ = std::make_unique<ScriptedUpstream>(
        Http2Answering([answer = std::move(answer)](const H2Message& request) {
          return request.Field(":path") == kGoodPath ? H2Answer{{{":status", "200"}}, "good"}
                                                     : answer(request);
        }));
    Publish({upstream_->port()});
    BeginRow();
  }
  // One that answers calls with these frames of their stream.
  void ServeRaw(std::function<std::string(uint32_t stream)> frames) {
    upstream_ = std::make_unique<ScriptedUpstream>([frames = std::move(frames)](Peer& peer, int) {
      Http2Peer http2(Http2Peer::Side::kServer, &peer);
      while (const int32_t id = http2.AwaitRequest()) {
        if (http2.message(id).Field(":path") == kGoodPath) {
          http2.Respond(id, {{":status", "200"}}, "good");
        } else {
          peer.Write(frames(static_cast<uint32_t>(id)));
        }
      }
    });
    Publish({upstream_->port()});
    BeginRow();
  }
  H2Message Ask(const std::string& body = kHi) {
    Peer socket = Client();
    Http2Peer client(Http2Peer::Side::kClient, &socket);
    return client.Await(client.Request(Call(), body));
  }
  // Nothing of gRPC's was added to what the endpoint said, and nothing is held against it.
  void ExpectPassedOn(const H2Message& answer) {
    EXPECT_EQ(answer.status(), 200);
    EXPECT_EQ(answer.Field("x-pointsman-reason"), "");
    EXPECT_TRUE(answer.ended);
    EXPECT_EQ(answer.reset, 0u);
    EXPECT_EQ(Totals(upstream_->port()).server_errors, 0u);
  }

  StatusLog log_;
};

TEST_F(GrpcAttackTest, AnAnswerWithoutAStatusPassesAsItIs) {
  const H2Answer rows[] = {
      {kAnswerHead},                        // A head that ends.
      {kAnswerHead, kHi},                   // Messages that end.
      {kAnswerHead, kHi, {{"x", "y"}}},     // Trailers, but not this one.
      {kAnswerHead, kHi.substr(0, 6), {}},  // Within a message.
      {kAnswerHead, "\xff"},                // No message at all.
  };
  for (const H2Answer& row : rows) {
    Serve([&row](const H2Message&) { return row; });
    const H2Message answer = Ask();
    ExpectPassedOn(answer);
    EXPECT_EQ(answer.body, row.body);
    EXPECT_EQ(answer.trailers, row.trailers);
    EXPECT_EQ(answer.Field("grpc-status") + answer.Trailer("grpc-status"), "");
    ExpectUnharmed();
  }
}

TEST_F(GrpcAttackTest, TrailersOnlyStayTrailersOnly) {
  Serve([](const H2Message&) {
    H2Fields head = kAnswerHead;
    head.emplace_back("grpc-status", "5");
    head.emplace_back("grpc-message", "no such thing");
    return H2Answer{head};
  });
  const H2Message answer = Ask();
  ExpectPassedOn(answer);
  EXPECT_EQ(answer.Field("grpc-status"), "5");
  EXPECT_EQ(answer.Field("grpc-message"), "no such thing");
  EXPECT_TRUE(answer.trailers.empty());
  EXPECT_EQ(answer.body, "");
  ExpectUnharmed();
}

// A prefix is believed by nobody: 4 GiB are not made room for.
TEST_F(GrpcAttackTest, AMessageThatSaysItIsHugeHoldsNothing) {
  const std::string huge = std::string("\0\xff\xff\xff\xff", 5) + "only this";
  Serve([&huge](const H2Message&) { return H2Answer{kAnswerHead, huge, {{"grpc-status", "0"}}}; });
  MemoryWatch watch;
  const H2Message answer = Ask(huge);
  ExpectProportion(watch.Stop(), 1, limits.http2.streams_max);
  ExpectPassedOn(answer);
  EXPECT_EQ(answer.body, huge);
  EXPECT_EQ(answer.Trailer("grpc-status"), "0");
  ExpectUnharmed();
}

TEST_F(GrpcAttackTest, AStreamOfMessagesBeyondTheLimitEndsInItsTerms) {
  policy.max_request_body_bytes = 1'000;
  std::atomic<bool> asked{false};
  std::atomic<bool> reset{false};
  ScriptedUpstream upstream([&](Peer& peer, int) {
    Http2Peer http2(Http2Peer::Side::kServer, &peer);
    const int32_t id = http2.AwaitRequestHead();
    asked.store(true);
    http2.Until([&] { return http2.message(id).closed; });
    reset.store(http2.message(id).reset != 0);
  });
  Publish({upstream.port()});
  Peer socket = Client();
  Http2Peer client(Http2Peer::Side::kClient, &socket);
  const int32_t id = client.Open(Call());
  client.Send(id, kHi, /*end=*/false);
  ASSERT_TRUE(WaitFor([&] { return asked.load(); }));
  client.Send(id, std::string(2'000, 'x'), /*end=*/false);
  const H2Message& answer = client.Await(id);
  EXPECT_EQ(answer.Field("grpc-status"), "8");
  EXPECT_EQ(answer.Field("grpc-message"), "body_too_large");
  EXPECT_TRUE(WaitFor([&] { return reset.load(); })) << "the endpoint is told";
}

// Frames of one head, which may be longer than a frame.
std::string LongHead(uint32_t stream, const std::string& block, bool end) {
  constexpr size_t kFrame = 16'384;
  std::string frames;
  for (size_t at = 0; at < block.size(); at += kFrame) {
    const bool last = at + kFrame >= block.size();
    const auto flags =
        static_cast<uint8_t>((last ? kFlagEndHeaders : 0) | (at == 0 && end ? kFlagEndStream : 0));
    frames += RawFrame(at == 0 ? kFrameHeaders : kFrameContinuation, flags, stream,
                       block.substr(at, kFrame));
  }
  return frames;
}

// 10,000 entries, once written out, once as one byte each that names an entry of the table.
std::vector<std::string> ManyEntries() {
  return {RawBlock(RawFields(10'000, {"x-1", "1"})),
          absl::StrCat("\x40\x03x-1\x01", "1", std::string(10'000, '\xbe'))};
}

TEST_F(GrpcAttackTest, TenThousandEntriesOfARequestAreRefusedInItsTerms) {
  Serve([](const H2Message&) { return H2Answer{kAnswerHead, "", {{"grpc-status", "0"}}}; });
  RawFields call;
  for (const auto& [name, value] : Call()) call.emplace_back(name, value);
  std::vector<int> told;
  for (const std::string& entries : ManyEntries()) {
    const Ending ending = Attack(LongHead(1, RawBlock(call) + entries, false) +
                                 RawFrame(kFrameData, kFlagEndStream, 1, kHi));
    EXPECT_EQ(ending.heads.count(1), 1u) << "it is answered, not cut";
    EXPECT_FALSE(ending.goaway);
    told.push_back(8);
    EXPECT_EQ(log_.statuses(), told);
    ExpectUnharmed();
  }
  EXPECT_EQ(Totals(upstream_->port()).resets, 0u);
}

TEST_F(GrpcAttackTest, TenThousandEntriesOfAnAnswersHeadAre14) {
  RawFields head;
  for (const auto& [name, value] : kAnswerHead) head.emplace_back(name, value);
  for (const std::string& entries : ManyEntries()) {
    const std::string block = RawBlock(head) + entries;
    ServeRaw([&block](uint32_t stream) { return LongHead(stream, block, true); });
    MemoryWatch watch;
    const H2Message answer = Ask();
    ExpectProportion(watch.Stop(), 1, limits.http2.streams_max, block.size());
    EXPECT_EQ(answer.status(), 200);
    EXPECT_EQ(answer.Field("grpc-status"), "14");
    EXPECT_EQ(answer.Field("x-1"), "");
    ExpectUnharmed();
  }
}

TEST_F(GrpcAttackTest, TenThousandEntriesOfTrailersEndInAReset) {
  RawFields head;
  for (const auto& [name, value] : kAnswerHead) head.emplace_back(name, value);
  for (const std::string& entries : ManyEntries()) {
    const std::string block = RawBlock({{"grpc-status", "0"}}) + entries;
    ServeRaw([&](uint32_t stream) {
      return absl::StrCat(RawHeaders(stream, head, false), RawFrame(kFrameData, 0, stream, kHi),
                          LongHead(stream, block, true));
    });
    const H2Message answer = Ask();
    EXPECT_FALSE(answer.ended) << "half a call must not look whole";
    EXPECT_NE(answer.reset, 0u);
    EXPECT_TRUE(answer.trailers.empty());
    ExpectUnharmed();
  }
}

TEST_F(GrpcAttackTest, CancellingInMidStreamReachesTheEndpoint) {
  std::atomic<uint32_t> code{0};
  ScriptedUpstream upstream([&code](Peer& peer, int) {
    Http2Peer http2(Http2Peer::Side::kServer, &peer);
    const int32_t id = http2.AwaitRequestHead();
    http2.RespondOpen(id, kAnswerHead);
    http2.Send(id, kHi, /*end=*/false);
    http2.Until([&] { return http2.message(id).closed; });
    code.store(http2.message(id).reset);
  });
  Publish({upstream.port()});
  Peer socket = Client();
  Http2Peer client(Http2Peer::Side::kClient, &socket);
  const int32_t id = client.Open(Call());
  client.Send(id, kHi, /*end=*/false);
  ASSERT_TRUE(client.Until([&] { return client.message(id).body == kHi; }));
  client.Reset(id, NGHTTP2_CANCEL);
  EXPECT_TRUE(WaitFor([&] { return code.load() == NGHTTP2_CANCEL; })) << code.load();
  EXPECT_TRUE(WaitFor([this] { return Quiet(); }));
  // The connection is for others.
  EXPECT_FALSE(client.goaway());
}

// Between two messages there is room for a status; half a message must not look whole.
TEST_F(GrpcAttackTest, AnEndpointThatBreaksOffInMidStreamIsNotTakenForItsEnd) {
  for (const bool whole : {true, false}) {
    const std::string sent = whole ? kHi : kHi.substr(0, 6);
    std::promise<void> received;
    ScriptedUpstream upstream([&](Peer& peer, int) {
      Http2Peer http2(Http2Peer::Side::kServer, &peer);
      const int32_t id = http2.AwaitRequestHead();
      http2.RespondOpen(id, kAnswerHead);
      http2.Send(id, sent, /*end=*/false);
      received.get_future().wait();
      http2.Reset(id, NGHTTP2_INTERNAL_ERROR);
      http2.AwaitRequest();
    });
    Publish({upstream.port()});
    Peer socket = Client();
    Http2Peer client(Http2Peer::Side::kClient, &socket);
    const int32_t id = client.Open(Call());
    client.Send(id, kHi, /*end=*/false);
    EXPECT_TRUE(client.Until([&] { return client.message(id).body == sent; }));
    received.set_value();
    const H2Message& answer = client.Await(id);
    EXPECT_EQ(answer.Trailer("grpc-status"), whole ? "14" : "");
    EXPECT_EQ(answer.ended, whole);
    EXPECT_EQ(answer.reset != 0, !whole);
    socket.Close();
    upstream.Stop();
  }
}

}  // namespace
}  // namespace pointsman::gateway
