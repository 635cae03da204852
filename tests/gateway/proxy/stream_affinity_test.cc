// Requests that a part of them or a cookie leads to an endpoint, between real sockets.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/gateway/proxy/engine_fixture.h"
#include "tests/gateway/proxy/http2_peer.h"

namespace pointsman::gateway {
namespace {

std::string Get(absl::string_view target, absl::string_view fields = "") {
  return absl::StrCat("GET ", target, " HTTP/1.1\r\nHost: a\r\n", fields, "\r\n");
}

class StreamAffinityTest : public EngineFixture {
 protected:
  // Endpoints that answer with their number.
  void Serve(size_t endpoints) {
    std::vector<uint16_t> ports;
    for (size_t i = 0; i < endpoints; ++i) {
      upstreams_.push_back(std::make_unique<ScriptedUpstream>([i](Peer& peer, int) {
        while (peer.ReadHead().complete) {
          peer.Write(absl::StrCat("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", i));
        }
      }));
      ports.push_back(upstreams_.back()->port());
    }
    Publish(ports);
  }
  TestMessage Ask(const std::string& request) {
    Peer client = Client();
    client.Write(request);
    return client.ReadMessage();
  }
  // Who answered `times` such requests.
  std::set<std::string> Answering(const std::string& request, int times) {
    std::set<std::string> who;
    for (int i = 0; i < times; ++i) who.insert(Ask(request).body);
    return who;
  }
  void HashOn(HashPart::Kind kind, const std::string& name) {
    picker.kind = PickerPolicy::Kind::kMaglev;
    picker.hash_on.push_back({kind, name});
  }
  static std::string CookieOf(const TestMessage& answer) {
    const std::string field = answer.Field("set-cookie");
    return field.substr(0, field.find(';'));
  }

  std::vector<std::unique_ptr<ScriptedUpstream>> upstreams_;
};

TEST_F(StreamAffinityTest, EqualHeadersMeetOneEndpoint) {
  HashOn(HashPart::Kind::kHeader, "x-tenant");
  Serve(4);
  std::set<std::string> all;
  for (int tenant = 0; tenant < 16; ++tenant) {
    const auto who = Answering(Get("/", absl::StrCat("X-Tenant: ", tenant, "\r\n")), 4);
    EXPECT_EQ(who.size(), 1u) << tenant;
    all.insert(who.begin(), who.end());
  }
  EXPECT_EQ(all.size(), 4u);
}

TEST_F(StreamAffinityTest, EqualCookiesParametersAndClientsMeetOneEndpoint) {
  HashOn(HashPart::Kind::kCookie, "session");
  HashOn(HashPart::Kind::kQuery, "user");
  HashOn(HashPart::Kind::kClientAddress, "");
  Serve(4);
  std::set<std::string> by_cookie;
  std::set<std::string> by_query;
  for (int i = 0; i < 12; ++i) {
    // The first of the list that the request has decides.
    const auto cookie = Answering(Get(absl::StrCat("/?user=", i), "Cookie: a=1; session=s\r\n"), 1);
    by_cookie.insert(cookie.begin(), cookie.end());
    const auto query = Answering(Get(absl::StrCat("/x?user=%3", i % 10)), 3);
    EXPECT_EQ(query.size(), 1u);
    by_query.insert(query.begin(), query.end());
  }
  EXPECT_EQ(by_cookie.size(), 1u);
  EXPECT_GE(by_query.size(), 3u);
  EXPECT_EQ(Answering(Get("/"), 8).size(), 1u) << "one client";
}

TEST_F(StreamAffinityTest, WithoutAKeyRequestsSpread) {
  HashOn(HashPart::Kind::kHeader, "x-tenant");
  Serve(4);
  EXPECT_EQ(Answering(Get("/"), 100).size(), 4u);
}

TEST_F(StreamAffinityTest, AKeyOfAnEndpointThatIsGoneGoesElsewhere) {
  HashOn(HashPart::Kind::kHeader, "x-tenant");
  Serve(3);
  const std::string request = Get("/", "X-Tenant: 7\r\n");
  const std::string home = Ask(request).body;
  std::vector<uint16_t> ports;
  for (auto& upstream : upstreams_) ports.push_back(upstream->port());
  ports[std::stoi(home)] = DeadPort();
  Publish(ports);
  const auto others = Answering(request, 5);
  EXPECT_EQ(others.size(), 1u);
  EXPECT_FALSE(others.contains(home));
}

TEST_F(StreamAffinityTest, AClientStaysByItsCookie) {
  picker.affinity = {.name = "at", .ttl = absl::Hours(1)};
  Serve(4);
  const TestMessage first = Ask(Get("/"));
  const std::string cookie = CookieOf(first);
  EXPECT_THAT(first.Field("set-cookie"),
              ::testing::MatchesRegex("at=[0-9a-f]{16}; Path=/; Max-Age=3600; HttpOnly; .*Lax"));
  for (int i = 0; i < 20; ++i) {
    const TestMessage again = Ask(Get("/", absl::StrCat("Cookie: x=y; ", cookie, "\r\n")));
    EXPECT_EQ(again.body, first.body);
    EXPECT_EQ(again.Field("set-cookie"), "") << "it has it";
  }
}

TEST_F(StreamAffinityTest, ACookieOfAnEndpointThatIsGoneIsReplaced) {
  picker.affinity.name = "at";
  Serve(3);
  const TestMessage first = Ask(Get("/"));
  const std::string cookie = absl::StrCat("Cookie: ", CookieOf(first), "\r\n");
  std::vector<uint16_t> ports;
  for (auto& upstream : upstreams_) ports.push_back(upstream->port());
  ports[std::stoi(first.body)] = DeadPort();
  Publish(ports);
  const TestMessage second = Ask(Get("/", cookie));
  EXPECT_EQ(second.status(), 200);
  EXPECT_NE(second.body, first.body);
  EXPECT_NE(CookieOf(second), "");
  EXPECT_NE(CookieOf(second), CookieOf(first));
  EXPECT_NE(Ask(Get("/", "Cookie: at=nonsense\r\n")).Field("set-cookie"), "");
}

TEST_F(StreamAffinityTest, TheGatewaysOwnAnswersSetNoCookie) {
  picker.affinity.name = "at";
  Publish({DeadPort()});
  const TestMessage answer = Ask(Get("/"));
  EXPECT_EQ(answer.status(), 503);
  EXPECT_EQ(answer.Field("set-cookie"), "");
}

TEST_F(StreamAffinityTest, CookiesThatHttp2SendsApartAreFound) {
  picker.affinity.name = "at";
  Serve(4);
  const TestMessage first = Ask(Get("/"));
  Peer socket = Client();
  Http2Peer client(Http2Peer::Side::kClient, &socket);
  for (int i = 0; i < 10; ++i) {
    const H2Message answer = client.Await(client.Request({{":method", "GET"},
                                                          {":scheme", "http"},
                                                          {":authority", "a"},
                                                          {":path", "/"},
                                                          {"cookie", "x=y"},
                                                          {"cookie", CookieOf(first)}}));
    EXPECT_EQ(answer.body, first.body);
  }
}

}  // namespace
}  // namespace pointsman::gateway
