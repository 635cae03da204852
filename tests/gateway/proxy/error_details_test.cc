// Who is told why a request failed.

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/gateway/proxy/engine_fixture.h"
#include "tests/gateway/proxy/gated.h"
#include "tests/gateway/proxy/kept.h"

namespace pointsman::gateway {
namespace {

std::shared_ptr<const common::CidrSet> Networks(absl::string_view text) {
  return std::make_shared<const common::CidrSet>(*common::CidrSet::Parse(text));
}

class ErrorDetailsTest : public EngineFixture {
 protected:
  // A request that no endpoint can be reached for.
  std::string Ask(absl::string_view fields = "") {
    policy.max_retries = 0;
    dead_ = DeadPort();
    Publish({dead_});
    Peer client = Client();
    client.Write(absl::StrCat("GET / HTTP/1.1\r\nHost: a\r\n", fields, "\r\n"));
    return client.ReadMessage().body;
  }
  uint16_t dead_ = 0;
};

TEST_F(ErrorDetailsTest, StrangersAreToldTheReasonOnly) { EXPECT_EQ(Ask(), "connect_failed\n"); }

TEST_F(ErrorDetailsTest, ThoseWhoMayKnowAreToldWhere) {
  limits.error_details_to = Networks("127.0.0.0/8");
  const std::string body = Ask();
  EXPECT_TRUE(absl::StartsWith(body, "connect_failed\nservice: ")) << body;
  EXPECT_TRUE(absl::StrContains(body, "\ntries: 1\n")) << body;
  EXPECT_TRUE(absl::StrContains(body, absl::StrCat("\nlast endpoint: 127.0.0.1:", dead_, "\n")))
      << body;
}

TEST_F(ErrorDetailsTest, WhoIsRefusedAtAServicesLimitIsToldWhichServiceThatIs) {
  limits.error_details_to = Networks("127.0.0.0/8");
  policy.max_in_flight = 1;
  RequestLog log;
  observer = &log;
  GatedEndpoint endpoint;
  Publish({endpoint.port()});
  Peer first = Client();
  first.Write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(WaitFor([&] { return endpoint.asked() == 1; }));
  Peer second = Client();
  second.Write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const std::string body = second.ReadMessage().body;
  EXPECT_TRUE(absl::StartsWith(body, "too_many_requests\nservice: web\ntries: 0\n")) << body;
  ASSERT_TRUE(WaitFor([&] { return log.requests().size() == 1; }));
  EXPECT_EQ(log.requests().last().service, "web");
  endpoint.Open();
  EXPECT_EQ(first.ReadMessage().status(), 200);
  ASSERT_TRUE(WaitFor([&] { return log.requests().size() == 2; })) << "nobody looks at it later";
}

TEST_F(ErrorDetailsTest, AProxysClientIsWhoCounts) {
  limits.error_details_to = Networks("127.0.0.0/8");
  limits.trusted_proxies = Networks("127.0.0.0/8");
  EXPECT_EQ(Ask("X-Forwarded-For: 192.0.2.1\r\n"), "connect_failed\n");
  EXPECT_TRUE(absl::StrContains(Ask(), "last endpoint: "));
}

}  // namespace
}  // namespace pointsman::gateway
