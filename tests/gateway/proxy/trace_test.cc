// Traces over real sockets: what endpoints are told of them.

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gateway/http/trace_context.h"
#include "tests/gateway/proxy/engine_fixture.h"
#include "tests/gateway/proxy/http2_peer.h"

namespace pointsman::gateway {
namespace {

constexpr char kValid[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

class TraceTest : public EngineFixture {
 protected:
  void Serve() {
    upstream_ = std::make_unique<ScriptedUpstream>(Answering([](const TestMessage& request) {
      return Ok(absl::StrCat(request.Field("traceparent"), "|", request.Field("tracestate")));
    }));
    Publish({upstream_->port()});
  }
  std::string Ask(absl::string_view fields) {
    Peer client = Client();
    client.Write(absl::StrCat("GET / HTTP/1.1\r\nHost: a\r\n", fields, "\r\n"));
    return client.ReadMessage().body;
  }
  static std::string Fields(absl::string_view parent) {
    return absl::StrCat("traceparent: ", parent, "\r\ntracestate: a=b\r\n");
  }
  std::unique_ptr<ScriptedUpstream> upstream_;
};

TEST_F(TraceTest, PassesValidOnesAndDropsOthers) {
  Serve();
  EXPECT_EQ(Ask(Fields(kValid)), absl::StrCat(kValid, "|a=b"));
  EXPECT_EQ(Ask(Fields("00-bad")), "|");
  EXPECT_EQ(Ask(""), "|");
}

TEST_F(TraceTest, BeginsOneWhereThereIsNone) {
  limits.trace_sample = 1;
  Serve();
  EXPECT_EQ(Ask(Fields(kValid)), absl::StrCat(kValid, "|a=b"));
  const std::string first = Ask(Fields("00-bad"));
  const std::string second = Ask("");
  EXPECT_NE(first, second);
  for (const std::string& told : {first, second}) {
    ASSERT_EQ(told.size(), kTraceParentBytes + 1) << told;
    const auto parent = ParseTraceParent(absl::string_view(told).substr(0, kTraceParentBytes));
    ASSERT_TRUE(parent.has_value()) << told;
    EXPECT_TRUE(parent->sampled);
  }
}

TEST_F(TraceTest, SaysSampledOnlyOfTheShare) {
  limits.trace_sample = 0;
  Serve();
  const std::string told = Ask("");
  EXPECT_EQ(told.substr(kTraceParentBytes - 3), "-00|");
}

TEST_F(TraceTest, BeginsOneOverHttp2Too) {
  limits.trace_sample = 1;
  policy.upstream_http2 = true;
  ScriptedUpstream upstream(Http2Answering([](const H2Message& request) {
    return H2Answer{{{":status", "200"}}, request.Field("traceparent"), {}};
  }));
  Publish({upstream.port()});
  Peer socket = Client();
  Http2Peer client(Http2Peer::Side::kClient, &socket);
  const H2Message answer = client.Await(client.Request(Http2Peer::Get()));
  EXPECT_TRUE(ParseTraceParent(answer.body).has_value()) << answer.body;
}

}  // namespace
}  // namespace pointsman::gateway
