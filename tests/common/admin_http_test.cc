#include "common/admin_http.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>

#include "absl/strings/numbers.h"
#include "common/core/address.h"
#include "httplib.h"

namespace pointsman::common {
namespace {

httplib::Client ClientOf(const AdminServer& server) {
  const Address address = *ParseAddress(server.address());
  return httplib::Client(HostOf(address), address.port);
}

TEST(AdminHttpTest, ServesMetricsHealthAndReadinessOnAnActualPort) {
  Registry metrics;
  metrics.AddCounter({"a_total", "A."}).Add(7);
  std::atomic<bool> ready = false;
  auto server = AdminServer::Start(
      {.listen = "127.0.0.1:0", .metrics = &metrics, .ready = [&] { return ready.load(); }});
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_NE(ParseAddress((*server)->address())->port, 0);
  auto client = ClientOf(**server);
  const auto scrape = client.Get("/metrics");
  ASSERT_TRUE(scrape);
  EXPECT_EQ(scrape->status, 200);
  EXPECT_NE(scrape->body.find("a_total 7\n"), std::string::npos);
  EXPECT_EQ(client.Get("/healthz")->status, 200);
  EXPECT_EQ(client.Get("/readyz")->status, 503);
  ready = true;
  EXPECT_EQ(client.Get("/readyz")->status, 200);
  EXPECT_EQ(client.Get("/nothing")->status, 404);
}

TEST(AdminHttpTest, ServesPagesByExactPathWithQuery) {
  auto server = AdminServer::Start(
      {.listen = "[::1]:0", .pages = {{"/a.b", [](const AdminRequest& request) {
                                         const auto found = request.query.find("q");
                                         return AdminResponse{.status = 201,
                                                              .content_type = "application/json",
                                                              .body = found == request.query.end()
                                                                          ? "none"
                                                                          : found->second};
                                       }}}});
  ASSERT_TRUE(server.ok()) << server.status();
  auto client = ClientOf(**server);
  const auto page = client.Get("/a.b?q=x%20y&q=z");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->status, 201);
  EXPECT_EQ(page->body, "x y");
  EXPECT_EQ(page->get_header_value("Content-Type"), "application/json");
  EXPECT_EQ(client.Get("/aXb")->status, 404);
  EXPECT_EQ(client.Get("/metrics")->status, 404);
}

TEST(AdminHttpTest, RefusesLongTargetsAndBodies) {
  auto server = AdminServer::Start({.listen = "127.0.0.1:0"});
  ASSERT_TRUE(server.ok());
  auto client = ClientOf(**server);
  EXPECT_EQ(client.Get("/" + std::string(5000, 'a'))->status, 414);
  const auto posted = client.Post("/healthz", std::string(100'000, 'a'), "text/plain");
  if (posted) {
    EXPECT_GE(posted->status, 400);
  }
  EXPECT_EQ(client.Get("/healthz")->status, 200);
}

TEST(AdminHttpTest, SaysWhyItDoesNotStart) {
  EXPECT_EQ(AdminServer::Start({.listen = "nonsense"}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(AdminServer::Start({.listen = "unix:/tmp/a"}).status().code(),
            absl::StatusCode::kInvalidArgument);
  auto first = AdminServer::Start({.listen = "127.0.0.1:0"});
  ASSERT_TRUE(first.ok());
  const auto second = AdminServer::Start({.listen = (*first)->address()});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
}

AdminPage Page(const std::string& path, bool changes, std::atomic<int>* asked) {
  return {path,
          [asked](const AdminRequest&) {
            ++*asked;
            return AdminResponse{.body = "x"};
          },
          changes};
}

TEST(AdminHttpTest, PagesAreAskedForByAddressOrAsLocalhost) {
  std::atomic<int> asked = 0;
  auto server = AdminServer::Start({.listen = "127.0.0.1:0",
                                    .pages = {Page("/a", false, &asked), Page("/b", false, &asked)},
                                    .any_host_paths = {"/b"}});
  ASSERT_TRUE(server.ok());
  auto client = ClientOf(**server);
  const auto status = [&](const std::string& path, const std::string& host) {
    return client.Get(path, httplib::Headers{{"Host", host}})->status;
  };
  for (const char* host : {"10.0.0.1", "10.0.0.1:80", "[::1]:80", "localhost", "LocalHost:7421"}) {
    EXPECT_EQ(status("/a", host), 200) << host;
  }
  for (const char* host : {"evil.test", "evil.test:80", "127.0.0.1.evil.test", "[evil]", "", "["}) {
    EXPECT_EQ(status("/a", host), 421) << host;
    EXPECT_EQ(status("/b", host), 200) << host;
    EXPECT_EQ(status("/healthz", host), 200) << host;
  }
}

TEST(AdminHttpTest, ChangesAreAskedByPostAndByNoPageOfAnotherSite) {
  std::atomic<int> asked = 0;
  auto server = AdminServer::Start({.listen = "127.0.0.1:0", .pages = {Page("/c", true, &asked)}});
  ASSERT_TRUE(server.ok());
  auto client = ClientOf(**server);
  EXPECT_EQ(client.Get("/c")->status, 404);
  EXPECT_EQ(client.Post("/c", {{"Origin", "http://evil.test"}}, "", "text/plain")->status, 403);
  EXPECT_EQ(client.Post("/c", {{"Host", "evil.test"}}, "", "text/plain")->status, 421);
  EXPECT_EQ(asked, 0);
  EXPECT_EQ(client.Post("/c?level=x")->status, 200);
  EXPECT_EQ(asked, 1);
}

TEST(AdminHttpTest, AnotherServerGoesOnWithTheSocket) {
  auto first = AdminServer::Start({.listen = "127.0.0.1:0"});
  ASSERT_TRUE(first.ok());
  std::atomic<int> asked = 0;
  auto second = AdminServer::Start(
      {.inherited_fd = (*first)->DuplicateListener(), .pages = {Page("/second", false, &asked)}});
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ((*second)->address(), (*first)->address());
  auto client = ClientOf(**first);
  (*first)->StopListening();
  (*first)->StopListening();
  EXPECT_EQ(client.Get("/second")->status, 200);
  first->reset();
  EXPECT_EQ(client.Get("/second")->status, 200);
}

TEST(AdminHttpTest, RefusesToInheritWhatDoesNotListen) {
  const int mute = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_GE(mute, 0);
  EXPECT_EQ(AdminServer::Start({.inherited_fd = mute}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(AdminHttpTest, StartsAndStopsAgainAndAgain) {
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(AdminServer::Start({.listen = "127.0.0.1:0"}).ok());
  }
}

}  // namespace
}  // namespace pointsman::common
