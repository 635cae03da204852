// gRPC-Web in front of endpoints that speak gRPC, over real sockets.

#include <future>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/gateway/proxy/engine_fixture.h"
#include "tests/gateway/proxy/http2_peer.h"

namespace pointsman::gateway {
namespace {

const std::string kHi("\0\0\0\0\2hi", 7);
const std::string kTrailerLines = "grpc-status: 0\r\ngrpc-message: fine\r\n";

std::string TrailerFrame() {
  return absl::StrCat(std::string("\x80\0\0\0", 4),
                      std::string(1, static_cast<char>(kTrailerLines.size())), kTrailerLines);
}

H2Fields Call(const std::string& type) {
  return {{":method", "POST"},
          {":scheme", "http"},
          {":authority", "a.example"},
          {":path", "/pkg.Service/Method"},
          {"content-type", type}};
}

std::string Http1Call(absl::string_view type, absl::string_view body) {
  return absl::StrCat("POST /pkg.Service/Method HTTP/1.1\r\nHost: a.example\r\nContent-Type: ",
                      type, "\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
}

class GrpcWebTest : public EngineFixture {
 protected:
  GrpcWebTest() { policy.upstream_http2 = true; }
  // Repeats the message, as gRPC, and says that all is fine.
  void Serve() {
    upstream_ = std::make_unique<ScriptedUpstream>(Http2Answering([](const H2Message& request) {
      EXPECT_EQ(request.Field("content-type"), "application/grpc+proto");
      EXPECT_EQ(request.Field("te"), "trailers");
      EXPECT_EQ(request.body, kHi);
      return H2Answer{{{":status", "200"}, {"content-type", "application/grpc+proto"}},
                      request.body,
                      {{"grpc-status", "0"}, {"grpc-message", "fine"}}};
    }));
    Publish({upstream_->port()});
  }

  std::unique_ptr<ScriptedUpstream> upstream_;
};

TEST_F(GrpcWebTest, BinaryOverBothProtocols) {
  Serve();
  Peer http1 = Client();
  http1.Write(Http1Call("application/grpc-web+proto", kHi));
  const TestMessage answer = http1.ReadMessage();
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.Field("content-type"), "application/grpc-web+proto");
  EXPECT_EQ(answer.body, kHi + TrailerFrame());
  Peer socket = Client();
  Http2Peer client(Http2Peer::Side::kClient, &socket);
  const H2Message over2 = client.Await(client.Request(Call("application/grpc-web+proto"), kHi));
  EXPECT_EQ(over2.Field("content-type"), "application/grpc-web+proto");
  EXPECT_EQ(over2.body, kHi + TrailerFrame());
  EXPECT_EQ(over2.Trailer("grpc-status"), "");
  EXPECT_TRUE(over2.ended);
}

TEST_F(GrpcWebTest, TextOverBothProtocols) {
  Serve();
  const std::string wanted =
      absl::StrCat(absl::Base64Escape(kHi), absl::Base64Escape(TrailerFrame()));
  Peer http1 = Client();
  http1.Write(Http1Call("application/grpc-web-text+proto", absl::Base64Escape(kHi)));
  const TestMessage answer = http1.ReadMessage();
  EXPECT_EQ(answer.Field("content-type"), "application/grpc-web-text+proto");
  EXPECT_EQ(answer.body, wanted);
  // The connection serves another.
  http1.Write(Http1Call("application/grpc-web-text+proto", absl::Base64Escape(kHi)));
  EXPECT_EQ(http1.ReadMessage().body, wanted);
  Peer socket = Client();
  Http2Peer client(Http2Peer::Side::kClient, &socket);
  const auto type = Call("application/grpc-web-text+proto");
  EXPECT_EQ(client.Await(client.Request(type, absl::Base64Escape(kHi))).body, wanted);
}

// The second message is only sent when the first has reached the client.
TEST_F(GrpcWebTest, MessagesOfAStreamAreNotHeldBack) {
  std::promise<void> seen;
  ScriptedUpstream upstream([&seen](Peer& peer, int) {
    Http2Peer server(Http2Peer::Side::kServer, &peer);
    const int32_t id = server.AwaitRequest();
    server.RespondOpen(id, {{":status", "200"}, {"content-type", "application/grpc"}});
    server.Send(id, kHi, false);
    seen.get_future().wait();
    server.Send(id, kHi, true);
    server.Until([] { return false; });
  });
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(Http1Call("application/grpc-web-text", absl::Base64Escape(kHi)));
  std::string got;
  while (!absl::StrContains(got, absl::Base64Escape(kHi)) && client.ReadSome(&got)) {
  }
  EXPECT_TRUE(absl::StrContains(got, absl::Base64Escape(kHi)));
  seen.set_value();
  while (!absl::EndsWith(got, "0\r\n\r\n") && client.ReadSome(&got)) {
  }
  EXPECT_TRUE(absl::EndsWith(got, "0\r\n\r\n"));
}

TEST_F(GrpcWebTest, ErrorsAreToldInItsTerms) {
  Publish({});
  Peer client = Client();
  client.Write(Http1Call("application/grpc-web-text", absl::Base64Escape(kHi)));
  const TestMessage answer = client.ReadMessage();
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.Field("content-type"), "application/grpc-web-text");
  EXPECT_EQ(answer.Field("grpc-status"), "14");
  EXPECT_EQ(answer.Field("x-pointsman-reason"), "no_endpoint");
}

TEST_F(GrpcWebTest, RefusesBodiesThatAreNoBase64) {
  ScriptedUpstream upstream(Http2Answering([](const H2Message&) { return H2Answer(); }));
  Publish({upstream.port()});
  for (const std::string& body : {std::string("AA*A"), std::string("AAAAA")}) {
    Peer client = Client();
    client.Write(Http1Call("application/grpc-web-text", body));
    const TestMessage answer = client.ReadMessage();
    EXPECT_EQ(answer.Field("grpc-status"), "13") << body;
    EXPECT_EQ(answer.Field("x-pointsman-reason"), "bad_grpc_web") << body;
  }
}

}  // namespace
}  // namespace pointsman::gateway
