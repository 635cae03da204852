// Rows P3 and P4 (docs/design/clients.md) over sockets, in both protocols: who may say where a
// request came from, and what an endpoint is told.

#include <mutex>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/gateway/proxy/attack_fixture.h"
#include "tests/gateway/proxy/http2_peer.h"

namespace pointsman::gateway {
namespace {

class ClientLog final : public RequestObserver {
 public:
  void OnRequest(const RequestRecord& record) override {
    std::lock_guard<std::mutex> lock(mutex_);
    client_ = std::string(record.client);
    ++requests_;
  }
  std::string client() {
    std::lock_guard<std::mutex> lock(mutex_);
    return client_;
  }
  int requests() {
    std::lock_guard<std::mutex> lock(mutex_);
    return requests_;
  }

 private:
  std::mutex mutex_;
  std::string client_;
  int requests_ = 0;
};

class ForwardedAttackTest : public AttackFixture, public ::testing::WithParamInterface<bool> {
 protected:
  void Serve() {
    observer = &log_;
    RouteEntry claimed = AnyRoute();
    claimed.name = "claimed";
    claimed.service = RouteEntry::kNoService;
    claimed.direct_status = 299;
    claimed.headers.push_back({.name = "x-forwarded-for",
                               .text = {.kind = TextCondition::Kind::kExact, .value = "1.1.1.1"}});
    routes = {AnyRoute(), claimed};
    upstream_ = std::make_unique<ScriptedUpstream>(Answering([this](const TestMessage& request) {
      seen_ = request;
      return Ok("x");
    }));
    Publish({upstream_->port()});
  }
  void Trust(absl::string_view networks) {
    limits.trusted_proxies =
        std::make_shared<const common::CidrSet>(*common::CidrSet::Parse(networks));
  }
  int Ask(const H2Fields& fields) {
    const int before = log_.requests();
    Peer socket = Client();
    int status = 0;
    if (GetParam()) {
      Http2Peer client(Http2Peer::Side::kClient, &socket);
      H2Fields head = Http2Peer::Get();
      head.insert(head.end(), fields.begin(), fields.end());
      status = client.Await(client.Request(head)).status();
    } else {
      std::string request = "GET / HTTP/1.1\r\nHost: a\r\n";
      for (const auto& [name, value] : fields) {
        absl::StrAppend(&request, name, ": ", value, "\r\n");
      }
      socket.Write(request + "\r\n");
      status = socket.ReadMessage().status();
    }
    EXPECT_TRUE(WaitFor([&] { return log_.requests() > before; }));
    return status;
  }

  ClientLog log_;
  TestMessage seen_;
  std::unique_ptr<ScriptedUpstream> upstream_;
};

INSTANTIATE_TEST_SUITE_P(Both, ForwardedAttackTest, ::testing::Values(false, true),
                         [](const auto& info) { return info.param ? "Http2" : "Http1"; });

const H2Fields& Lies() {
  static const H2Fields lies = {{"x-forwarded-for", "1.1.1.1"},  {"x-forwarded-proto", "https"},
                                {"x-forwarded-host", "evil"},    {"x-forwarded-prefix", "/admin"},
                                {"x-forwarded-port", "1"},       {"x-forwarded-server", "s"},
                                {"x-forwarded-scheme", "https"}, {"x-real-ip", "1.1.1.1"},
                                {"forwarded", "for=1.1.1.1"},    {"x-request-id", "mine"},
                                {"x-pointsman-reason", "x"},     {"x_forwarded_for", "1.1.1.1"},
                                {"x-forwarded_proto", "https"},  {"x_real_ip", "1.1.1.1"},
                                {"x_pointsman_reason", "x"},     {"x_forwarded_prefix", "/admin"},
                                {"x-original-url", "/admin"},    {"x_original_url", "/admin"}};
  return lies;
}

// P3.
TEST_P(ForwardedAttackTest, ClientsCannotSayWhereTheyComeFrom) {
  Serve();
  EXPECT_EQ(Ask(Lies()), 200) << "and no route is matched by it";
  EXPECT_EQ(log_.client(), "127.0.0.1");
  EXPECT_EQ(seen_.Field("x-forwarded-for"), "127.0.0.1");
  EXPECT_EQ(seen_.Field("x-forwarded-proto"), "http");
  EXPECT_EQ(seen_.Field("x-forwarded-host"), "a");
  EXPECT_EQ(seen_.Field("x-request-id").size(), 16u);
  for (const auto& [name, value] : seen_.fields) {
    EXPECT_NE(value, "1.1.1.1") << name;
    EXPECT_NE(value, "/admin") << name;
    EXPECT_NE(value, "https") << name;
    EXPECT_EQ(name.find('_'), std::string::npos) << name;
  }
  EXPECT_FALSE(seen_.Has("forwarded"));
  EXPECT_FALSE(seen_.Has("x-pointsman-reason"));
  BeginRow();
  constexpr size_t kTimes = 50;
  MemoryWatch watch;
  for (size_t i = 0; i < kTimes; ++i) EXPECT_EQ(Ask(Lies()), 200);
  ExpectProportion(watch.Stop(), 1, kTimes);
  ExpectUnharmed();
}

TEST_P(ForwardedAttackTest, OthersThanThisPeerAreTrusted) {
  Trust("10.0.0.0/8,::1");
  Serve();
  EXPECT_EQ(Ask(Lies()), 200);
  EXPECT_EQ(seen_.Field("x-forwarded-for"), "127.0.0.1");
}

TEST_P(ForwardedAttackTest, TrustedProxiesAreBelieved) {
  Trust("127.0.0.0/8,10.0.0.0/8");
  Serve();
  EXPECT_EQ(Ask({{"x-forwarded-for", "9.9.9.9, 192.0.2.1"},
                 {"x-forwarded-for", "10.0.0.3"},
                 {"x-forwarded-proto", "https"},
                 {"x-forwarded-host", "example.com"},
                 {"forwarded", "for=8.8.8.8"},
                 {"x-request-id", "theirs"},
                 {"x_forwarded_for", "7.7.7.7"},
                 {"x-pointsman-reason", "x"}}),
            200);
  EXPECT_EQ(log_.client(), "192.0.2.1");
  EXPECT_EQ(seen_.Field("x-forwarded-for"), "9.9.9.9, 192.0.2.1, 10.0.0.3, 127.0.0.1");
  EXPECT_EQ(seen_.Field("x-forwarded-proto"), "https");
  EXPECT_EQ(seen_.Field("x-forwarded-host"), "example.com");
  EXPECT_EQ(seen_.Field("x-request-id"), "theirs");
  EXPECT_FALSE(seen_.Has("forwarded")) << "it tells of another client";
  EXPECT_FALSE(seen_.Has("x_forwarded_for"));
  EXPECT_FALSE(seen_.Has("x-pointsman-reason"));
}

TEST_P(ForwardedAttackTest, ForwardedIsExtended) {
  Trust("127.0.0.0/8");
  Serve();
  EXPECT_EQ(Ask({{"forwarded", "for=\"[2001:db8::1]\";proto=https"}}), 200);
  EXPECT_EQ(log_.client(), "2001:db8::1");
  EXPECT_EQ(seen_.Field("forwarded"),
            "for=\"[2001:db8::1]\";proto=https, for=127.0.0.1;host=\"a\";proto=http");
  EXPECT_EQ(seen_.Field("x-forwarded-for"), "2001:db8::1, 127.0.0.1");
  EXPECT_EQ(seen_.Field("x-forwarded-proto"), "https");
}

// P4. (HTTP/2 has no Connection.)
TEST_P(ForwardedAttackTest, ConnectionCannotNameFieldsAway) {
  if (GetParam()) return;
  Serve();
  EXPECT_EQ(Ask({{"connection", "X-Forwarded-For, x-forwarded-proto, Authorization, x-request-id"},
                 {"authorization", "Basic eA=="}}),
            200);
  EXPECT_EQ(seen_.Field("x-forwarded-for"), "127.0.0.1");
  EXPECT_EQ(seen_.Field("x-forwarded-proto"), "http");
  EXPECT_TRUE(seen_.Has("x-request-id"));
  EXPECT_FALSE(seen_.Has("authorization"));
}

// P4: a field that does not go on is not decided by either.
TEST_P(ForwardedAttackTest, WhatConnectionNamesIsNotMatched) {
  if (GetParam()) return;
  RouteEntry known = AnyRoute();
  known.name = "known";
  known.service = RouteEntry::kNoService;
  known.direct_status = 299;
  known.headers.push_back(
      {.name = "authorization", .text = {.kind = TextCondition::Kind::kPresent, .value = ""}});
  routes = {AnyRoute(), known};
  upstream_ =
      std::make_unique<ScriptedUpstream>(Answering([](const TestMessage&) { return Ok("x"); }));
  observer = &log_;
  Publish({upstream_->port()});
  EXPECT_EQ(Ask({{"authorization", "Basic eA=="}}), 299);
  EXPECT_EQ(Ask({{"connection", "authorization"}, {"authorization", "Basic eA=="}}), 200);
}

}  // namespace
}  // namespace pointsman::gateway
