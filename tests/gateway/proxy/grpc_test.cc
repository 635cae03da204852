// What the gateway adds for gRPC, frame by frame over real sockets.

#include <string>

#include "tests/gateway/proxy/engine_fixture.h"
#include "tests/gateway/proxy/http2_peer.h"

namespace pointsman::gateway {
namespace {

const char kMessage[] = "\0\0\0\0\2hi";
const std::string kHi(kMessage, 7);

H2Fields Call(H2Fields more = {}) {
  H2Fields fields = {{":method", "POST"},         {":scheme", "http"},
                     {":authority", "a.example"}, {":path", "/pkg.Service/Method"},
                     {"te", "trailers"},          {"content-type", "application/grpc+proto"}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

class GrpcTest : public EngineFixture {
 protected:
  GrpcTest() { policy.upstream_http2 = true; }

  // One call; the connection goes with it.
  H2Message Ask(const H2Fields& fields) {
    Peer socket = Client();
    Http2Peer client(Http2Peer::Side::kClient, &socket);
    return client.Await(client.Request(fields, kHi));
  }
  static void ExpectStatus(const H2Message& answer, const std::string& code,
                           const std::string& reason) {
    EXPECT_EQ(answer.status(), 200);
    EXPECT_EQ(answer.Field("content-type"), "application/grpc");
    EXPECT_EQ(answer.Field("grpc-status"), code);
    EXPECT_EQ(answer.Field("grpc-message"), reason);
    EXPECT_EQ(answer.Field("x-pointsman-reason"), reason);
    EXPECT_TRUE(answer.body.empty());
    EXPECT_TRUE(answer.ended);
  }
};

TEST_F(GrpcTest, PassesMessagesAndTrailers) {
  ScriptedUpstream upstream(Http2Answering([](const H2Message& request) {
    EXPECT_EQ(request.Field("te"), "trailers");
    return H2Answer{{{":status", "200"}, {"content-type", "application/grpc"}},
                    request.body,
                    {{"grpc-status", "0"}}};
  }));
  Publish({upstream.port()});
  const H2Message answer = Ask(Call());
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.body, kHi);
  EXPECT_EQ(answer.Trailer("grpc-status"), "0");
}

TEST_F(GrpcTest, AnswersInItsTerms) {
  policy.max_retries = 0;
  Publish({DeadPort()});
  ExpectStatus(Ask(Call()), "14", "connect_failed");
  Publish({});
  ExpectStatus(Ask(Call()), "14", "no_endpoint");
  ExpectStatus(Ask(Call({{"grpc-timeout", "soon"}})), "13", "bad_grpc_timeout");
  policy.max_request_body_bytes = 3;
  ScriptedUpstream upstream(Http2Answering([](const H2Message&) { return H2Answer(); }));
  Publish({upstream.port()});
  ExpectStatus(Ask(Call()), "8", "body_too_large");
  H2Fields bad_path = Call();
  bad_path[3].second = "/a%zz";
  ExpectStatus(Ask(bad_path), "13", "bad_path");
  H2Fields many = Call();
  for (int i = 0; i < 200; ++i) many.emplace_back(absl::StrCat("x-", i), "1");
  ExpectStatus(Ask(many), "8", "too_many_fields");
  // Others are told as ever.
  H2Fields plain = Call();
  plain.back().second = "text/plain";
  EXPECT_EQ(Ask(plain).status(), 413);
}

TEST_F(GrpcTest, NeedsAServiceThatSpeaksHttp2) {
  policy.upstream_http2 = false;
  ScriptedUpstream upstream([](Peer& peer, int) { peer.ReadMessage(); });
  Publish({upstream.port()});
  ExpectStatus(Ask(Call()), "12", "grpc_needs_http2");
}

TEST_F(GrpcTest, MapsHttpErrorsOfEndpoints) {
  ScriptedUpstream upstream(Http2Answering([](const H2Message& request) {
    return H2Answer{{{":status", request.Field("want")}, {"content-type", "text/html"}}, "<html>"};
  }));
  Publish({upstream.port()});
  ExpectStatus(Ask(Call({{"want", "503"}})), "14", "not_grpc");
  ExpectStatus(Ask(Call({{"want", "404"}})), "12", "not_grpc");
  ExpectStatus(Ask(Call({{"want", "403"}})), "7", "not_grpc");
}

TEST_F(GrpcTest, TellsEachTryWhatIsLeftOfTheDeadline) {
  std::atomic<int> calls{0};
  ScriptedUpstream upstream(Http2Answering([&](const H2Message& request) {
    ++calls;
    return H2Answer{{{":status", "200"}, {"content-type", "application/grpc"}},
                    "",
                    {{"grpc-status", "0"}, {"told", request.Field("grpc-timeout")}}};
  }));
  Publish({upstream.port()});
  const std::string told = Ask(Call({{"grpc-timeout", "60S"}})).Trailer("told");
  int64_t micros = 0;
  ASSERT_TRUE(told.size() > 1 && told.back() == 'u' &&
              absl::SimpleAtoi(told.substr(0, told.size() - 1), &micros))
      << told;
  EXPECT_LT(micros, 60'000'000);
  EXPECT_GT(micros, 50'000'000);
  // Nothing is left: nobody is asked.
  ExpectStatus(Ask(Call({{"grpc-timeout", "1n"}})), "4", "deadline_exceeded");
  EXPECT_EQ(calls.load(), 1);
}

TEST_F(GrpcTest, EndsAtTheDeadline) {
  ScriptedUpstream upstream([](Peer& peer, int) {
    Http2Peer http2(Http2Peer::Side::kServer, &peer);
    while (http2.AwaitRequest() != 0) {
    }
  });
  Publish({upstream.port()});
  ExpectStatus(Ask(Call({{"grpc-timeout", "50m"}})), "4", "deadline_exceeded");
}

TEST_F(GrpcTest, EndsABegunAnswerBetweenMessagesOnly) {
  std::atomic<bool> whole{true};
  ScriptedUpstream upstream([&](Peer& peer, int) {
    Http2Peer http2(Http2Peer::Side::kServer, &peer);
    while (const int32_t id = http2.AwaitRequest()) {
      http2.RespondOpen(id, {{":status", "200"}, {"content-type", "application/grpc"}});
      http2.Send(id, whole.load() ? kHi : kHi.substr(0, 6), /*end=*/false);
    }
  });
  Publish({upstream.port()});
  const H2Message between = Ask(Call({{"grpc-timeout", "100m"}}));
  EXPECT_EQ(between.body, kHi);
  EXPECT_EQ(between.Trailer("grpc-status"), "4");
  EXPECT_EQ(between.reset, 0u);
  whole.store(false);
  const H2Message within = Ask(Call({{"grpc-timeout", "100m"}}));
  EXPECT_FALSE(within.ended);
  EXPECT_NE(within.reset, 0u);
}

TEST_F(GrpcTest, CountsUnavailableAsTheEndpointsFailure) {
  std::atomic<const char*> code{"5"};
  ScriptedUpstream upstream(Http2Answering([&](const H2Message&) {
    return H2Answer{
        {{":status", "200"}, {"content-type", "application/grpc"}, {"grpc-status", code.load()}}};
  }));
  Publish({upstream.port()});
  EXPECT_EQ(Ask(Call()).Field("grpc-status"), "5");
  EXPECT_EQ(Totals(upstream.port()).server_errors, 0u);
  code.store("14");
  EXPECT_EQ(Ask(Call()).Field("grpc-status"), "14");
  EXPECT_EQ(Totals(upstream.port()).server_errors, 1u);
}

TEST_F(GrpcTest, CancellationReachesTheEndpoint) {
  std::atomic<bool> asked{false};
  std::atomic<bool> cancelled{false};
  ScriptedUpstream upstream([&](Peer& peer, int) {
    Http2Peer http2(Http2Peer::Side::kServer, &peer);
    const int32_t id = http2.AwaitRequest();
    asked.store(true);
    http2.Until([&] { return http2.message(id).closed; });
    cancelled.store(http2.message(id).closed);
  });
  Publish({upstream.port()});
  Peer socket = Client();
  Http2Peer client(Http2Peer::Side::kClient, &socket);
  const int32_t id = client.Request(Call(), kHi);
  client.Flush();
  ASSERT_TRUE(WaitFor([&] { return asked.load(); }));
  client.Reset(id, NGHTTP2_CANCEL);
  client.Flush();
  EXPECT_TRUE(WaitFor([&] { return cancelled.load(); }));
}

}  // namespace
}  // namespace pointsman::gateway
