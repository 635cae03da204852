// What routes make of requests and answers, and which requests they take, between real sockets:
// rewrites, redirects, splits, and conditions on cookies, the query and the client.

#include <atomic>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/core/cidr_set.h"
#include "tests/gateway/proxy/engine_fixture.h"
#include "tests/gateway/proxy/http2_peer.h"
#include "tests/gateway/proxy/kept.h"

namespace pointsman::gateway {
namespace {

using Values = std::vector<std::string>;
using PathKind = RouteEntry::PathKind;

PathChange Change(PathChange::Kind kind, std::string text, std::string pattern = "") {
  return {.kind = kind, .text = std::move(text), .pattern_text = std::move(pattern)};
}
PathChange Whole(std::string text) { return Change(PathChange::Kind::kWhole, std::move(text)); }
PathChange Prefix(std::string text) { return Change(PathChange::Kind::kPrefix, std::move(text)); }
PathChange Pattern(std::string pattern, std::string substitution) {
  return Change(PathChange::Kind::kPattern, std::move(substitution), std::move(pattern));
}

std::string Get(absl::string_view target, absl::string_view fields = "") {
  return absl::StrCat("GET ", target, " HTTP/1.1\r\nHost: example.com:8080\r\n", fields, "\r\n");
}

std::shared_ptr<const common::CidrSet> Networks(absl::string_view text) {
  return std::make_shared<const common::CidrSet>(*common::CidrSet::Parse(text));
}

class RouteActionTest : public EngineFixture {
 protected:
  void Match(PathKind kind, const std::string& path) {
    routes[0].path_kind = kind;
    routes[0].path = path;
  }
  TestMessage Ask(const std::string& bytes) {
    Peer client = Client();
    client.Write(bytes);
    return client.ReadMessage();
  }
  H2Message AskHttp2(const H2Fields& fields, const std::string& body = "") {
    Peer socket = Client();
    Http2Peer client(Http2Peer::Side::kClient, &socket);
    return client.Await(client.Request(fields, body));
  }

  RequestLog log_;
};

// ---- Rewrites.

class StreamRewriteTest : public RouteActionTest {
 protected:
  void Use(Rewrite rewrite) {
    routes[0].rewrite = std::make_shared<const Rewrite>(std::move(rewrite));
  }
  void UsePath(PathChange path) {
    Rewrite rewrite;
    rewrite.path = std::move(path);
    Use(std::move(rewrite));
  }
  void Serve() { Publish({endpoint_.port()}); }
  void ServeHttp2() {
    policy.upstream_http2 = true;
    Publish({http2_endpoint_.port()});
  }
  // What the endpoint is asked for when its client asks for this.
  std::string TargetFor(absl::string_view target) {
    if (Ask(Get(target)).status() != 200) return "";
    const std::string line = endpoint_.last().first_line;
    return line.substr(4, line.rfind(' ') - 4);
  }

  KeepingEndpoint endpoint_{
      "HTTP/1.1 200 OK\r\nServer: old\r\nX-Twice: a\r\nx-twice: b\r\nSet-Cookie: a=1\r\n"
      "Content-Length: 2\r\n\r\nok"};
  KeepingHttp2Endpoint http2_endpoint_{H2Answer{{{":status", "200"},
                                                 {"server", "old"},
                                                 {"x-twice", "a"},
                                                 {"x-twice", "b"},
                                                 {"set-cookie", "a=1"}},
                                                "ok",
                                                {{"x-sum", "17"}}}};
};

TEST_F(StreamRewriteTest, APrefixStandsWhereTheRoutesDid) {
  Match(PathKind::kPrefix, "/api");
  UsePath(Prefix("/v2"));
  Serve();
  EXPECT_EQ(TargetFor("/api/x"), "/v2/x");
  EXPECT_EQ(TargetFor("/api"), "/v2");
  EXPECT_EQ(TargetFor("/api/"), "/v2/");
  EXPECT_EQ(TargetFor("/api/%7Ejoe/./y"), "/v2/~joe/y") << "as it was matched";
}

TEST_F(StreamRewriteTest, ThePrefixMayBeTheRootOrBecomeIt) {
  Match(PathKind::kPrefix, "/api");
  UsePath(Prefix("/"));
  Serve();
  EXPECT_EQ(TargetFor("/api/x"), "/x");
  EXPECT_EQ(TargetFor("/api"), "/");
  Match(PathKind::kPrefix, "/");
  UsePath(Prefix("/v2"));
  Serve();
  EXPECT_EQ(TargetFor("/x/y"), "/v2/x/y");
}

TEST_F(StreamRewriteTest, AWholePathIsFilledFromTheTemplate) {
  Match(PathKind::kTemplate, "/users/{id}/orders/{rest=**}");
  UsePath(Whole("/orders/{rest}/of/{id}"));
  Serve();
  EXPECT_EQ(TargetFor("/users/7/orders/a/b"), "/orders/a/b/of/7");
  EXPECT_EQ(TargetFor("/users/%41/orders/c"), "/orders/c/of/A");
  UsePath(Whole("/same/for/all"));
  Serve();
  EXPECT_EQ(TargetFor("/users/7/orders/a"), "/same/for/all");
}

TEST_F(StreamRewriteTest, WhatAPatternFindsIsReplacedOnce) {
  UsePath(Pattern("/v([0-9]+)", "/version-\\1"));
  Serve();
  EXPECT_EQ(TargetFor("/a/v12/v3"), "/a/version-12/v3");
  EXPECT_EQ(TargetFor("/nothing"), "/nothing");
}

TEST_F(StreamRewriteTest, TheQueryStays) {
  Match(PathKind::kPrefix, "/api");
  const std::vector<std::pair<PathChange, std::string>> rows = {
      {Prefix("/v2"), "/v2/x"}, {Whole("/w"), "/w"}, {Pattern("x$", "y"), "/api/y"}};
  for (const auto& [change, path] : rows) {
    UsePath(change);
    Serve();
    EXPECT_EQ(TargetFor("/api/x?q=1&r=%2f?"), path + "?q=1&r=%2f?");
    EXPECT_EQ(TargetFor("/api/./x?q"), path + "?q");
    EXPECT_EQ(TargetFor("/api/x?"), path + "?");
  }
}

TEST_F(StreamRewriteTest, APathThatWouldBeNoneIsRefused) {
  UsePath(Pattern("^/(old|query|slash)", ""));
  Serve();
  const auto expect_refused = [this](const std::string& target) {
    const TestMessage answer = Ask(Get(target));
    EXPECT_EQ(answer.status(), 400) << target;
    EXPECT_EQ(answer.Field("x-pointsman-reason"), "bad_path") << target;
    const H2Message http2 = AskHttp2(Http2Peer::Get(target));
    EXPECT_EQ(http2.status(), 400) << target;
    EXPECT_EQ(http2.Field("x-pointsman-reason"), "bad_path") << target;
  };
  expect_refused("/old");
  expect_refused("/oldest");
  UsePath(Pattern("/query", "/a?b"));
  Serve();
  expect_refused("/query");
  UsePath(Pattern("/slash", "/a%2Fb"));
  Serve();
  expect_refused("/slash");
  EXPECT_EQ(endpoint_.asked(), 0u);
  EXPECT_EQ(TargetFor("/good"), "/good");
  routes[0].path_traits = common::kPathEncodedSlash;
  Serve();
  EXPECT_EQ(TargetFor("/slash"), "/a%2Fb") << "the route allows it";
}

Rewrite RequestHeaderChanges() {
  Rewrite rewrite;
  rewrite.request_headers.remove = {"x-gone", "cookie"};
  rewrite.request_headers.set = {{"authorization", "Bearer new"}, {"x-twice", "one"}};
  rewrite.request_headers.add = {{"x-more", "2"}, {"x-gone", "back"}};
  return rewrite;
}

void ExpectRequestChanges(const H2Fields& fields) {
  EXPECT_EQ(ValuesOf(fields, "authorization"), Values{"Bearer new"});
  EXPECT_EQ(ValuesOf(fields, "x-twice"), Values{"one"});
  EXPECT_EQ(ValuesOf(fields, "x-more"), (Values{"1", "2"}));
  EXPECT_EQ(ValuesOf(fields, "x-gone"), Values{"back"});
  EXPECT_EQ(ValuesOf(fields, "cookie"), Values{});
  EXPECT_EQ(ValuesOf(fields, "x-kept"), Values{"yes"});
}

TEST_F(StreamRewriteTest, FieldsOfRequestsAreRemovedSetAndAdded) {
  Use(RequestHeaderChanges());
  Serve();
  EXPECT_EQ(Ask(Get("/",
                    "Authorization: Basic old\r\nX-Twice: a\r\nX-Gone: 1\r\nx-twice: b\r\n"
                    "X-More: 1\r\nX-Kept: yes\r\nCookie: a=1\r\nX-GONE: 2\r\n"))
                .status(),
            200);
  ExpectRequestChanges(endpoint_.last().fields);
}

TEST_F(StreamRewriteTest, TheSameOverHttp2) {
  Rewrite rewrite = RequestHeaderChanges();
  rewrite.path = Prefix("/v2");
  Match(PathKind::kPrefix, "/api");
  Use(std::move(rewrite));
  H2Fields fields = Http2Peer::Get("/api/x?q=1");
  const H2Fields more = {{"authorization", "Basic old"},
                         {"x-twice", "a"},
                         {"x-gone", "1"},
                         {"x-twice", "b"},
                         {"x-more", "1"},
                         {"x-kept", "yes"},
                         {"cookie", "a=1"},
                         {"cookie", "b=2"}};
  fields.insert(fields.end(), more.begin(), more.end());
  ServeHttp2();
  EXPECT_EQ(AskHttp2(fields).status(), 200);
  ExpectRequestChanges(http2_endpoint_.last().fields);
  EXPECT_EQ(http2_endpoint_.last().Field(":path"), "/v2/x?q=1");
  policy.upstream_http2 = false;
  Serve();
  EXPECT_EQ(AskHttp2(fields).status(), 200);
  ExpectRequestChanges(endpoint_.last().fields);
  EXPECT_EQ(endpoint_.last().first_line, "GET /v2/x?q=1 HTTP/1.1");
}

Rewrite AnswerHeaderChanges() {
  Rewrite rewrite;
  rewrite.response_headers.remove = {"server"};
  rewrite.response_headers.set = {{"x-twice", "one"}, {"cache-control", "no-store"}};
  rewrite.response_headers.add = {{"set-cookie", "b=2"}};
  return rewrite;
}

void ExpectAnswerChanges(const H2Fields& fields) {
  EXPECT_EQ(ValuesOf(fields, "server"), Values{});
  EXPECT_EQ(ValuesOf(fields, "x-twice"), Values{"one"});
  EXPECT_EQ(ValuesOf(fields, "cache-control"), Values{"no-store"});
  EXPECT_EQ(ValuesOf(fields, "set-cookie"), (Values{"a=1", "b=2"}));
}

TEST_F(StreamRewriteTest, FieldsOfAnswersAreChanged) {
  Use(AnswerHeaderChanges());
  Serve();
  Peer client = Client();
  for (int i = 0; i < 2; ++i) {
    client.Write(Get("/"));
    const TestMessage answer = client.ReadMessage();
    ExpectAnswerChanges(answer.fields);
    EXPECT_EQ(answer.body, "ok");
  }
  routes[0].rewrite = nullptr;
  Serve();
  client.Write(Get("/"));
  EXPECT_EQ(client.ReadMessage().Field("server"), "old") << "nothing is left of it";
}

TEST_F(StreamRewriteTest, FieldsOfAnswersWithBodyAndTrailersAreChangedOverHttp2) {
  Use(AnswerHeaderChanges());
  ServeHttp2();
  const H2Message answer = AskHttp2(Http2Peer::Get());
  EXPECT_EQ(answer.status(), 200);
  ExpectAnswerChanges(answer.fields);
  EXPECT_EQ(answer.body, "ok");
  EXPECT_EQ(answer.trailers, (H2Fields{{"x-sum", "17"}}));
  const TestMessage http1 = Ask(Get("/"));
  ExpectAnswerChanges(http1.fields);
  EXPECT_EQ(http1.body, "ok");
  EXPECT_EQ(http1.trailers, (H2Fields{{"x-sum", "17"}}));
}

// The changes are made while a line of the trailers is half here.
TEST_F(StreamRewriteTest, TrailersOfAnswersMayComeInPieces) {
  Use(AnswerHeaderChanges());
  const std::string trailers = "0\r\nx-sum: 17\r\n\r\n";
  for (size_t cut = 0; cut < trailers.size(); ++cut) {
    std::atomic<bool> go_on{false};
    ScriptedUpstream upstream([&](Peer& peer, int) {
      peer.ReadMessage();
      peer.Write(absl::StrCat(
          "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
          trailers.substr(0, cut)));
      if (WaitFor([&] { return go_on.load(); })) peer.Write(trailers.substr(cut));
      peer.ReadMessage();
    });
    Publish({upstream.port()});
    Peer socket = Client();
    Http2Peer client(Http2Peer::Side::kClient, &socket);
    const int32_t id = client.Request(Http2Peer::Get());
    EXPECT_TRUE(client.AwaitHead(id).head);
    go_on.store(true);
    const H2Message& answer = client.Await(id);
    EXPECT_TRUE(answer.ended) << cut;
    ExpectAnswerChanges(answer.fields);
    EXPECT_EQ(answer.body, "ok") << cut;
    EXPECT_EQ(answer.trailers, (H2Fields{{"x-sum", "17"}})) << cut;
  }
}

TEST_F(StreamRewriteTest, TrailersOfRequestsMayComeInPieces) {
  Use(RequestHeaderChanges());
  std::atomic<int> heads{0};
  Kept<TestMessage> kept;
  ScriptedUpstream upstream([&](Peer& peer, int) {
    while (true) {
      TestMessage request = peer.ReadHead();
      if (!request.complete) return;
      ++heads;
      std::string rest;
      // What is left is a chunk of 2, the last one and the trailer.
      if (!peer.ReadExact(absl::string_view("2\r\nok\r\n0\r\nx-sum: 17\r\n\r\n").size(), &rest)) {
        return;
      }
      request.body = rest;
      kept.Add(request);
      peer.Write(Ok("done"));
    }
  });
  Publish({upstream.port()});
  Peer client = Client();
  const std::string trailers = "0\r\nx-sum: 17\r\n\r\n";
  for (size_t cut = 0; cut < trailers.size(); ++cut) {
    const int before = heads.load();
    client.Write(absl::StrCat("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                              "2\r\nok\r\n", trailers.substr(0, cut)));
    ASSERT_TRUE(WaitFor([&] { return heads.load() > before; })) << cut;
    client.Write(trailers.substr(cut));
    ASSERT_EQ(client.ReadMessage().status(), 200) << cut;
    EXPECT_EQ(kept.last().Field("authorization"), "Bearer new") << cut;
    EXPECT_EQ(kept.last().body, "2\r\nok\r\n0\r\nx-sum: 17\r\n\r\n") << cut;
  }
}

TEST_F(StreamRewriteTest, ManyChangesLeaveRoomForTrailers) {
  Rewrite rewrite;
  for (int i = 0; i < 32; ++i) {
    rewrite.response_headers.set.emplace_back(absl::StrCat("x-set-", i), std::string(500, 's'));
    rewrite.response_headers.add.emplace_back(absl::StrCat("x-add-", i), std::string(500, 'a'));
  }
  Use(std::move(rewrite));
  std::atomic<bool> go_on{false};
  ScriptedUpstream upstream([&go_on](Peer& peer, int) {
    peer.ReadMessage();
    peer.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n");
    if (WaitFor([&] { return go_on.load(); })) peer.Write("x-sum: 17\r\n\r\n");
    peer.ReadMessage();
  });
  Publish({upstream.port()});
  Peer socket = Client();
  Http2Peer client(Http2Peer::Side::kClient, &socket);
  const int32_t id = client.Request(Http2Peer::Get());
  client.AwaitHead(id);
  go_on.store(true);
  const H2Message& answer = client.Await(id);
  EXPECT_EQ(answer.Field("x-add-31"), std::string(500, 'a'));
  EXPECT_EQ(answer.Field("x-set-0"), std::string(500, 's'));
  EXPECT_EQ(answer.trailers, (H2Fields{{"x-sum", "17"}}));
}

TEST_F(StreamRewriteTest, TheGatewaysOwnAnswersStayAsTheyAre) {
  Use(AnswerHeaderChanges());
  policy.max_retries = 0;
  Publish({DeadPort()});
  const TestMessage answer = Ask(Get("/"));
  EXPECT_EQ(answer.status(), 503);
  EXPECT_FALSE(answer.Has("cache-control"));
}

TEST_F(StreamRewriteTest, EndpointsAreToldAnotherHost) {
  Rewrite rewrite;
  rewrite.host = "internal:81";
  Use(rewrite);
  policy.authority = "of.the.service";
  Serve();
  EXPECT_EQ(Ask(Get("/")).status(), 200);
  EXPECT_EQ(ValuesOf(endpoint_.last().fields, "host"), Values{"internal:81"});
  EXPECT_EQ(endpoint_.last().Field("x-forwarded-host"), "example.com:8080");
  ServeHttp2();
  EXPECT_EQ(AskHttp2(Http2Peer::Get()).status(), 200);
  EXPECT_EQ(http2_endpoint_.last().Field(":authority"), "internal:81");
  EXPECT_EQ(http2_endpoint_.last().Field("x-forwarded-host"), "a");
  rewrite.host.clear();
  Use(rewrite);
  ServeHttp2();
  EXPECT_EQ(AskHttp2(Http2Peer::Get()).status(), 200);
  EXPECT_EQ(http2_endpoint_.last().Field(":authority"), "of.the.service");
}

TEST_F(StreamRewriteTest, ARetrySendsTheSameRewrittenRequest) {
  Rewrite rewrite = RequestHeaderChanges();
  rewrite.path = Pattern("^/a", "/a/a");
  rewrite.host = "internal";
  Use(std::move(rewrite));
  policy.retry_budget_min_per_second = 1000;
  Kept<TestMessage> failed;
  ScriptedUpstream bad([&failed](Peer& peer, int) { failed.Add(peer.ReadMessage()); });
  Publish({bad.port(), endpoint_.port()});
  // Which of the two is asked first is drawn.
  for (int i = 0; failed.size() == 0; ++i) {
    ASSERT_LT(i, 200);
    ASSERT_EQ(
        Ask("PUT /a?q HTTP/1.1\r\nHost: a\r\nX-Gone: 1\r\nContent-Length: 3\r\n\r\nabc").status(),
        200);
  }
  const TestMessage again = endpoint_.last();
  EXPECT_EQ(again.first_line, "PUT /a/a?q HTTP/1.1");
  EXPECT_EQ(again.first_line, failed.last().first_line);
  EXPECT_EQ(again.fields, failed.last().fields);
  EXPECT_EQ(again.body, "abc");
  EXPECT_EQ(failed.last().body, "abc");
}

TEST_F(StreamRewriteTest, TheAccessLogSeesThePathAsItCame) {
  observer = &log_;
  Match(PathKind::kPrefix, "/api");
  UsePath(Prefix("/v2"));
  Serve();
  EXPECT_EQ(TargetFor("/api/x"), "/v2/x");
  ASSERT_TRUE(WaitFor([&] { return log_.requests().size() == 1; }));
  EXPECT_EQ(log_.requests().last().target, "/api/x");
  EXPECT_EQ(AskHttp2(Http2Peer::Get("/api/y")).status(), 200);
  ASSERT_TRUE(WaitFor([&] { return log_.requests().size() == 2; }));
  EXPECT_EQ(log_.requests().last().target, "/api/y");
}

// ---- Redirects.

class StreamRewriteRedirectTest : public RouteActionTest {
 protected:
  void Use(Redirect redirect) {
    routes[0].service = RouteEntry::kNoService;
    routes[0].redirect = std::make_shared<const Redirect>(std::move(redirect));
    Publish({});
  }
  std::string LocationFor(const std::string& bytes) { return Ask(bytes).Field("location"); }
  std::string LocationOverHttp2(const std::string& target, const H2Fields& more = {}) {
    H2Fields fields = Http2Peer::Get(target);
    fields[2].second = "example.com:8080";
    fields.insert(fields.end(), more.begin(), more.end());
    return AskHttp2(fields).Field("location");
  }
};

TEST_F(StreamRewriteRedirectTest, HasTheStatusOfTheRoute) {
  const std::vector<std::pair<uint16_t, std::string>> rows = {{301, "Moved Permanently"},
                                                              {302, "Found"},
                                                              {303, "See Other"},
                                                              {307, "Temporary Redirect"},
                                                              {308, "Permanent Redirect"}};
  Redirect redirect;
  redirect.host = "new.example";
  Use(redirect);
  Peer client = Client();
  client.Write(Get("/x"));
  EXPECT_EQ(client.ReadMessage().status(), 302) << "where nothing is said";
  for (const auto& [status, text] : rows) {
    redirect.status = status;
    Use(redirect);
    client.Write(Get("/x?q"));
    const TestMessage answer = client.ReadMessage();
    EXPECT_EQ(answer.first_line, absl::StrCat("HTTP/1.1 ", status, " ", text));
    EXPECT_EQ(ValuesOf(answer.fields, "location"), Values{"http://new.example/x?q"});
    EXPECT_EQ(answer.body, "");
    const H2Message http2 = AskHttp2(Http2Peer::Get("/x?q"));
    EXPECT_EQ(http2.status(), status);
    EXPECT_EQ(ValuesOf(http2.fields, "location"), Values{"http://new.example/x?q"});
    EXPECT_TRUE(http2.ended);
  }
}

TEST_F(StreamRewriteRedirectTest, AnotherSchemeLeavesThePortBehind) {
  Redirect redirect;
  redirect.scheme = "https";
  Use(redirect);
  EXPECT_EQ(LocationFor(Get("/x")), "https://example.com/x");
  EXPECT_EQ(LocationOverHttp2("/x"), "https://example.com/x");
  EXPECT_EQ(LocationFor("GET /x HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n"), "https://[::1]/x");
  EXPECT_EQ(LocationFor("GET /x HTTP/1.1\r\nHost: [::1]\r\n\r\n"), "https://[::1]/x");
  redirect.host = "new.example:444";
  Use(redirect);
  EXPECT_EQ(LocationFor(Get("/x")), "https://new.example:444/x") << "the route's own port";
  redirect = Redirect();
  redirect.scheme = "http";
  Use(redirect);
  EXPECT_EQ(LocationFor(Get("/x")), "http://example.com:8080/x") << "the scheme is the same";
}

TEST_F(StreamRewriteRedirectTest, ThePathMayBeAnother) {
  Redirect redirect;
  redirect.path = Prefix("/v2");
  Match(PathKind::kPrefix, "/api");
  Use(redirect);
  EXPECT_EQ(LocationFor(Get("/api/x?q=1")), "http://example.com:8080/v2/x?q=1");
  EXPECT_EQ(LocationOverHttp2("/api"), "http://example.com:8080/v2");
  redirect.path = Whole("/new/{id}");
  Match(PathKind::kTemplate, "/old/{id}");
  Use(redirect);
  EXPECT_EQ(LocationFor(Get("/old/7")), "http://example.com:8080/new/7");
  EXPECT_EQ(LocationOverHttp2("/old/7?q"), "http://example.com:8080/new/7?q");
}

TEST_F(StreamRewriteRedirectTest, TheQueryIsKeptOrLeftOut) {
  Redirect redirect;
  redirect.path = Whole("/new");
  Use(redirect);
  EXPECT_EQ(LocationFor(Get("/x?q=%20&r")), "http://example.com:8080/new?q=%20&r");
  EXPECT_EQ(LocationFor(Get("/x")), "http://example.com:8080/new");
  redirect.strip_query = true;
  Use(redirect);
  EXPECT_EQ(LocationFor(Get("/x?q=%20&r")), "http://example.com:8080/new");
  EXPECT_EQ(LocationOverHttp2("/x?q"), "http://example.com:8080/new");
}

TEST_F(StreamRewriteRedirectTest, ALongQueryStaysWhole) {
  Use(Redirect());
  const std::string target = absl::StrCat("/x?", std::string(25'000, 'q'));
  EXPECT_EQ(LocationFor(Get(target)), absl::StrCat("http://example.com:8080", target));
  EXPECT_EQ(LocationOverHttp2(target), absl::StrCat("http://example.com:8080", target));
}

TEST_F(StreamRewriteRedirectTest, OnlyTrustedProxiesSayWhichSchemeTheClientUsed) {
  Redirect redirect;
  redirect.path = Whole("/new");
  Use(redirect);
  const std::string told = Get("/x", "X-Forwarded-Proto: https\r\n");
  const H2Fields told_http2 = {{"x-forwarded-proto", "https"}};
  EXPECT_EQ(LocationFor(told), "http://example.com:8080/new");
  EXPECT_EQ(LocationOverHttp2("/x", told_http2), "http://example.com:8080/new");
  StartOver();
  limits.trusted_proxies = Networks("127.0.0.0/8");
  Use(redirect);
  EXPECT_EQ(LocationFor(told), "https://example.com:8080/new");
  EXPECT_EQ(LocationOverHttp2("/x", told_http2), "https://example.com:8080/new");
  EXPECT_EQ(LocationFor(Get("/x", "X-Forwarded-Proto: gopher\r\n")), "http://example.com:8080/new");
  redirect.scheme = "https";
  Use(redirect);
  EXPECT_EQ(LocationFor(told), "https://example.com:8080/new") << "nothing changes";
  EXPECT_EQ(LocationFor(Get("/x")), "https://example.com/new");
}

TEST_F(StreamRewriteRedirectTest, AnswersWhoeverAsks) {
  Redirect redirect;
  redirect.path = Whole("/new");
  Use(redirect);
  EXPECT_EQ(LocationFor("GET /x HTTP/1.0\r\n\r\n"), "/new") << "it named no host";
  EXPECT_EQ(LocationFor("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
            "http://a/new");
  Peer client = Client();
  client.Write("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.ReadMessage(/*bodiless=*/true).Field("location"), "http://a/new");
  client.Write(Get("/y"));
  EXPECT_EQ(client.ReadMessage().status(), 302) << "the connection goes on";
  EXPECT_EQ(AskHttp2(Http2Peer::Post("/x"), "hello").Field("location"), "http://a/new");
}

// ---- Which service.

class StreamRewriteSplitTest : public RouteActionTest {
 protected:
  void Split(uint32_t weight, uint32_t canary_weight) {
    routes[0].service = RouteEntry::kNoService;
    routes[0].split = {{0, weight}, {1, canary_weight}};
    PublishServices({{"web", {web_.port()}}, {"web-canary", {canary_.port()}}});
  }
  // How many of the requests went to the canary.
  int CountCanary(int requests) {
    Peer client = Client();
    int count = 0;
    for (int i = 0; i < requests; ++i) {
      client.Write(Get("/"));
      const TestMessage answer = client.ReadMessage();
      EXPECT_EQ(answer.status(), 200);
      count += answer.body == "canary" ? 1 : 0;
    }
    return count;
  }
  // A route beside the other one, whose requests are answered 299.
  RouteEntry& Special() {
    RouteEntry special = AnyRoute();
    special.name = "special";
    special.service = RouteEntry::kNoService;
    special.direct_status = 299;
    routes = {AnyRoute(), special};
    return routes[1];
  }
  static NamedCondition Is(std::string name, std::string value) {
    return {.name = name, .text = {.kind = TextCondition::Kind::kExact, .value = value}};
  }
  int StatusOf(const std::string& bytes) { return Ask(bytes).status(); }
  int StatusOverHttp2(const H2Fields& more) {
    H2Fields fields = Http2Peer::Get();
    fields.insert(fields.end(), more.begin(), more.end());
    return AskHttp2(fields).status();
  }

  KeepingEndpoint web_{Ok("web")};
  KeepingEndpoint canary_{Ok("canary")};
};

TEST_F(StreamRewriteSplitTest, ServicesGetTheirShares) {
  observer = &log_;
  Split(9, 1);
  constexpr int kRequests = 1000;
  const double sigma = std::sqrt(kRequests * 0.1 * 0.9);
  const int canary = CountCanary(kRequests);
  EXPECT_NEAR(canary, kRequests * 0.1, 4 * sigma);
  EXPECT_GT(canary, 0);
  EXPECT_EQ(canary_.asked(), static_cast<size_t>(canary));
  EXPECT_EQ(web_.asked(), static_cast<size_t>(kRequests - canary));
  ASSERT_TRUE(WaitFor([&] { return log_.requests().size() == kRequests; }));
  int logged = 0;
  for (const LoggedRequest& one : log_.requests().all()) logged += one.service == "web-canary";
  EXPECT_EQ(logged, canary);
}

TEST_F(StreamRewriteSplitTest, ThereMayBeMoreThanTwo) {
  KeepingEndpoint third(Ok("third"));
  routes[0].service = RouteEntry::kNoService;
  routes[0].split = {{0, 1}, {1, 1}, {2, 2}};
  PublishServices(
      {{"web", {web_.port()}}, {"web-canary", {canary_.port()}}, {"web-third", {third.port()}}});
  constexpr int kRequests = 400;
  const int canary = CountCanary(kRequests);
  EXPECT_NEAR(canary, kRequests * 0.25, 4 * std::sqrt(kRequests * 0.25 * 0.75));
  EXPECT_NEAR(static_cast<double>(third.asked()), kRequests * 0.5, 4 * std::sqrt(kRequests * 0.25));
  EXPECT_EQ(web_.asked() + canary_.asked() + third.asked(), static_cast<size_t>(kRequests));
}

TEST_F(StreamRewriteSplitTest, NoWeightIsNoShare) {
  Split(1, 0);
  EXPECT_EQ(CountCanary(100), 0);
  Split(0, 1);
  EXPECT_EQ(CountCanary(100), 100);
}

TEST_F(StreamRewriteSplitTest, IsDrawnForEachRequestOverHttp2Too) {
  Split(1, 1);
  Peer socket = Client();
  Http2Peer client(Http2Peer::Side::kClient, &socket);
  constexpr int kRequests = 200;
  int canary = 0;
  for (int i = 0; i < kRequests; ++i) {
    canary += client.Await(client.Request(Http2Peer::Get())).body == "canary" ? 1 : 0;
  }
  EXPECT_NEAR(canary, kRequests * 0.5, 4 * std::sqrt(kRequests * 0.25));
}

TEST_F(StreamRewriteSplitTest, ACookieChoosesTheRoute) {
  Special().cookies = {Is("group", "b")};
  Publish({web_.port()});
  EXPECT_EQ(StatusOf(Get("/", "Cookie: a=1; group=b; c=3\r\n")), 299);
  EXPECT_EQ(StatusOf(Get("/", "Cookie: a=1; group=bb\r\n")), 200);
  EXPECT_EQ(StatusOf(Get("/", "Cookie: agroup=b; Group=b\r\n")), 200);
  EXPECT_EQ(StatusOf(Get("/", "Cookie: group=a; group=b\r\n")), 200) << "the first counts";
  EXPECT_EQ(StatusOf(Get("/", "X-Cookie: group=b\r\n")), 200);
  EXPECT_EQ(StatusOf(Get("/", "Cookie: a=1\r\nCookie: group=b\r\n")), 299) << "in any field";
  EXPECT_EQ(StatusOverHttp2({{"cookie", "a=1"}, {"cookie", "group=b"}, {"cookie", "c=3"}}), 299);
  EXPECT_EQ(StatusOverHttp2({{"cookie", "group=b"}}), 299);
  EXPECT_EQ(StatusOverHttp2({{"cookie", "group=a"}, {"cookie", "group=b"}}), 200);
  EXPECT_EQ(StatusOverHttp2({}), 200);
}

TEST_F(StreamRewriteSplitTest, TheQueryChoosesTheRoute) {
  Special().query = {Is("the name", "a b")};
  Publish({web_.port()});
  EXPECT_EQ(StatusOf(Get("/?x=1&the+name=a%20b&y")), 299);
  EXPECT_EQ(StatusOf(Get("/?the%20name=a+b")), 299);
  EXPECT_EQ(StatusOf(Get("/?the+name=a")), 200);
  EXPECT_EQ(StatusOf(Get("/?the+name=c&the+name=a+b")), 200) << "the first counts";
  EXPECT_EQ(StatusOf(Get("/the+name=a+b")), 200);
  EXPECT_EQ(AskHttp2(Http2Peer::Get("/?the+name=a+b")).status(), 299);
  EXPECT_EQ(AskHttp2(Http2Peer::Get("/?")).status(), 200);
}

TEST_F(StreamRewriteSplitTest, TheClientsAddressChoosesTheRoute) {
  Special().clients = *common::CidrSet::Parse("127.0.0.0/8");
  Publish({web_.port()});
  EXPECT_EQ(StatusOf(Get("/")), 299);
  EXPECT_EQ(StatusOverHttp2({}), 299);
  EXPECT_EQ(StatusOf(Get("/", "X-Forwarded-For: 10.1.2.3\r\n")), 299) << "nobody's word";
  Special().clients = *common::CidrSet::Parse("10.0.0.0/8");
  Publish({web_.port()});
  EXPECT_EQ(StatusOf(Get("/")), 200);
  EXPECT_EQ(StatusOf(Get("/", "X-Forwarded-For: 10.1.2.3\r\n")), 200) << "nobody's word";
  EXPECT_EQ(StatusOverHttp2({{"x-forwarded-for", "10.1.2.3"}}), 200);
}

TEST_F(StreamRewriteSplitTest, TheClientThatATrustedProxyNamesCounts) {
  limits.trusted_proxies = Networks("127.0.0.0/8");
  Special().clients = *common::CidrSet::Parse("10.0.0.0/8,2001:db8::/32");
  Publish({web_.port()});
  EXPECT_EQ(StatusOf(Get("/", "X-Forwarded-For: 10.1.2.3\r\n")), 299);
  EXPECT_EQ(StatusOf(Get("/", "X-Forwarded-For: 10.1.2.3, 192.0.2.1\r\n")), 200)
      << "the nearest that is no proxy";
  EXPECT_EQ(StatusOf(Get("/", "X-Forwarded-For: 192.0.2.1, 10.1.2.3, 127.0.0.9\r\n")), 299);
  EXPECT_EQ(StatusOf(Get("/", "Forwarded: for=\"[2001:db8::1]\"\r\n")), 299);
  EXPECT_EQ(StatusOverHttp2({{"x-forwarded-for", "10.1.2.3"}}), 299);
  EXPECT_EQ(StatusOf(Get("/")), 200) << "the proxy itself";
}

}  // namespace
}  // namespace pointsman::gateway
