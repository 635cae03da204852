// Path tricks and methods (docs/design/paths.md) over sockets, in both protocols: what an origin
// gets to see, and that the route that let a request pass is the route of what it sees.

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/gateway/proxy/attack_fixture.h"
#include "tests/gateway/proxy/http2_peer.h"

namespace pointsman::gateway {
namespace {

enum class Protocol { kHttp1, kHttp2 };

class PathAttackTest : public AttackFixture, public ::testing::WithParamInterface<Protocol> {
 protected:
  // "/admin" is answered 403 by the gateway, everything else by an origin that says what it saw.
  void Serve() {
    routes = {Prefix("all", "/", 0), Direct("admin", "/admin", 403)};
    ServeRoutes();
  }
  void ServeRoutes() {
    upstream_ = std::make_unique<ScriptedUpstream>(Answering([](const TestMessage& request) {
      std::string said = request.first_line;
      for (const auto& [name, value] : request.fields) {
        if (absl::StartsWith(name, "x-") && absl::StrContains(name, "method")) {
          absl::StrAppend(&said, " ", name, "=", value);
        }
      }
      return Ok(said);
    }));
    Publish({upstream_->port()});
  }
  static RouteEntry Prefix(const std::string& name, const std::string& prefix,
                           common::PathTraits traits) {
    RouteEntry route = AnyRoute();
    route.name = name;
    route.path_kind = RouteEntry::PathKind::kPrefix;
    route.path = prefix;
    route.path_traits = traits;
    return route;
  }
  static RouteEntry Direct(const std::string& name, const std::string& prefix, uint16_t status) {
    RouteEntry route = Prefix(name, prefix, 0);
    route.service = RouteEntry::kNoService;
    route.direct_status = status;
    return route;
  }

  // What the origin saw of the request; else "STATUS" or "STATUS REASON" of the gateway's answer.
  std::string Ask(const std::string& path, const std::string& method = "GET",
                  const H2Fields& fields = {}) {
    Peer socket = Client();
    if (GetParam() == Protocol::kHttp1) {
      std::string request = absl::StrCat(method, " ", path, " HTTP/1.1\r\nHost: a\r\n");
      for (const auto& [name, value] : fields) {
        absl::StrAppend(&request, name, ": ", value, "\r\n");
      }
      socket.Write(request + "\r\n");
      const TestMessage answer = socket.ReadMessage();
      return Told(answer.status(), answer.Field("x-pointsman-reason"), answer.body);
    }
    Http2Peer client(Http2Peer::Side::kClient, &socket);
    H2Fields head = Http2Peer::Get(path);
    head[0].second = method;
    head.insert(head.end(), fields.begin(), fields.end());
    const H2Message& answer = client.Await(client.Request(head));
    return Told(answer.status(), answer.Field("x-pointsman-reason"), answer.body);
  }
  static std::string Told(int status, const std::string& reason, const std::string& body) {
    if (status == 200) return absl::StrReplaceAll(body, {{" HTTP/1.1", ""}});
    return reason.empty() ? absl::StrCat(status) : absl::StrCat(status, " ", reason);
  }

  // Nothing is left of what `attack` did before, and in proportion to what it said little is held
  // meanwhile. It was done once already: what is kept for use again is there.
  void ExpectNothingKept(const std::function<void()>& attack, size_t requests) {
    BeginRow();
    MemoryWatch watch;
    attack();
    ExpectProportion(watch.Stop(), 1, requests);
    ExpectUnharmed();
  }

  std::unique_ptr<ScriptedUpstream> upstream_;
};

INSTANTIATE_TEST_SUITE_P(Both, PathAttackTest,
                         ::testing::Values(Protocol::kHttp1, Protocol::kHttp2),
                         [](const auto& info) {
                           return info.param == Protocol::kHttp1 ? "Http1" : "Http2";
                         });

struct Row {
  std::string path;
  std::string told;
};

// P1: whatever is written for "/admin" comes to its route, or nowhere.
TEST_P(PathAttackTest, NoSpellingLeadsAroundARoute) {
  Serve();
  const std::vector<Row> rows = {
      {"/admin", "403"},
      {"/admin/x", "403"},
      {"//admin", "403"},
      {"/a/..//admin", "403"},
      {"/./admin", "403"},
      {"/a/../admin", "403"},
      {"/a/%2e%2e/admin", "403"},
      {"/a/.%2E/admin", "403"},
      {"/%61dmin", "403"},
      {"/%61%64%6d%69%6e/", "403"},
      {"/admin?x", "403"},
      {"/admin;x", "400 ambiguous_path"},
      {"/admin%2fx", "400 ambiguous_path"},
      {"/admin%3bx", "400 ambiguous_path"},
      {"/admin%252fx", "400 ambiguous_path"},
      {"/a;/admin", "400 ambiguous_path"},
      {"/x%2f%2fadmin", "400 ambiguous_path"},
      {"/%2fadmin", "400 ambiguous_path"},
      {"/%2561dmin", "400 ambiguous_path"},
      {"/admin%3f", "400 ambiguous_path"},
      {"/admin%23", "400 ambiguous_path"},
      {"/a/..%2fadmin", "400 bad_path"},
      {"/a/%2e%2e%2fadmin", "400 bad_path"},
      {"/a/..;/admin", "400 bad_path"},
      {"/a/..%3b/admin", "400 bad_path"},
      {"/a/%252e%252e/admin", "400 bad_path"},
      {"/a\\..\\admin", "400 bad_path"},
      {"/\\admin", "400 bad_path"},
      {"/%5cadmin", "400 bad_path"},
      {"/admin%00", "400 bad_path"},
      {"/%00/../admin", "400 bad_path"},
      {"/%c0%afadmin", "400 bad_path"},
      {"/%c0%ae%c0%ae/admin", "400 bad_path"},
      {"/%e0%80%afadmin", "400 bad_path"},
      {"/admin%0d%0ax", "400 bad_path"},
      {"/admin%7f", "400 bad_path"},
      {"/%u002fadmin", "400 bad_path"},
      {"/%", "400 bad_path"},
      {"/..", "400 bad_path"},
      {"/../admin", "400 bad_path"},
      {"/%2e%2e/admin", "400 bad_path"},
      {"/a/../../admin", "400 bad_path"},
  };
  const auto ask_all = [&] {
    for (const Row& row : rows) EXPECT_EQ(Ask(row.path), row.told) << row.path;
  };
  ask_all();
  EXPECT_EQ(upstream_->connections(), 0);
  ExpectNothingKept(ask_all, rows.size());
  EXPECT_EQ(Ask("/next"), "GET /next");
}

// P1, P2: what an origin sees is what was matched.
TEST_P(PathAttackTest, OriginsSeeTheCanonicalPath) {
  Serve();
  const std::vector<Row> rows = {
      {"/a/b?c=%2f..//;%00", "GET /a/b?c=%2f..//;%00"},
      {"/a/./b/../c", "GET /a/c"},
      {"//a///b//", "GET /a/b/"},
      {"/%7euser/%c3%a4%20x", "GET /~user/%C3%A4%20x"},
      {"/x/..?y=/../..", "GET /?y=/../.."},
      {"/api../admin", "GET /api../admin"},
      {"/.well-known/acme", "GET /.well-known/acme"},
  };
  for (const Row& row : rows) EXPECT_EQ(Ask(row.path), row.told) << row.path;
}

// P2: a route's leave lets bytes pass untouched, and no other route's.
TEST_P(PathAttackTest, ARouteMayAllowWhatIsAmbiguous) {
  using common::kPathEmptySegment;
  using common::kPathEncodedPercent;
  using common::kPathEncodedQuery;
  using common::kPathEncodedSlash;
  using common::kPathSemicolon;
  routes = {Prefix("all", "/", 0),
            Prefix("npm", "/npm", kPathEncodedSlash),
            Prefix("percent", "/percent", kPathEncodedPercent),
            Prefix("java", "/java", kPathSemicolon),
            Prefix("query", "/query", kPathEncodedQuery),
            Prefix("store", "/store", kPathEmptySegment | kPathEncodedSlash),
            Direct("secret", "/store/secret", 403)};
  ServeRoutes();
  const std::vector<Row> rows = {
      {"/npm/@scope%2fname", "GET /npm/@scope%2fname"},
      {"/npm/@scope%2Fname/%7ex?y", "GET /npm/@scope%2Fname/~x?y"},
      {"/npm%2fx", "GET /npm%2fx"},
      {"/npm/a%2fb;c", "400 ambiguous_path"},
      {"/npm/..%2fx", "400 bad_path"},
      {"/npm/a%2f..%2f..%2fx", "400 bad_path"},
      {"/npm/%252f", "400 ambiguous_path"},
      {"/x/@scope%2fname", "400 ambiguous_path"},
      // Out of the route by dots that everybody sees: another route decides.
      {"/npm/../x%2fy", "400 ambiguous_path"},
      {"/percent/100%25", "GET /percent/100%25"},
      {"/percent/%252e", "400 bad_path"},
      {"/java/a;v=1/b%3bc", "GET /java/a;v=1/b%3bc"},
      {"/java/..;/x", "400 bad_path"},
      {"/query/what%3f%23", "GET /query/what%3f%23"},
      {"/store/a//b%2f//c", "GET /store/a//b%2f//c"},
      {"/store//a/../b", "GET /store//b"},
      {"//store/a", "400 ambiguous_path"},
      {"/store//secret", "403"},
      {"/store/secret//x", "403"},
      // Merged, dots lead to another route: it decides, and it keeps no empty segments.
      {"/store//../x//y", "GET /x/y"},
      // Merged, this is "/store/x"; kept, "/store//x", and with it another route's path.
      {"/store/secret/..//x", "GET /store//x"},
      {"/store/secret//../x", "400 ambiguous_path"},
      {"/store/a/..//../store/b", "GET /store/store/b"},
  };
  for (const Row& row : rows) EXPECT_EQ(Ask(row.path), row.told) << row.path;
}

// S11, P8.
TEST_P(PathAttackTest, MethodsThatShowOrTunnelAre405) {
  Serve();
  const auto ask_all = [&] {
    for (const char* method : {"TRACE", "trace", "TRACK"}) {
      EXPECT_EQ(Ask("/", method), "405 trace_refused") << method;
    }
    EXPECT_EQ(Ask("/", "cOnNeCt"), "405 connect_refused");
    EXPECT_EQ(Ask("*", "OPTIONS"), "404 no_route") << "no prefix covers it";
  };
  ask_all();
  EXPECT_EQ(upstream_->connections(), 0);
  ExpectNothingKept(ask_all, 5);
  EXPECT_EQ(Ask("/a", "OPTIONS"), "OPTIONS /a");
}

TEST_P(PathAttackTest, AsteriskIsForOptionsAlone) {
  ServeRoutes();
  EXPECT_EQ(Ask("*", "OPTIONS"), "OPTIONS *");
  EXPECT_NE(Ask("*", "GET").substr(0, 3), "GET");
}

// P8: the method the gateway decides by is the one the origin acts on.
TEST_P(PathAttackTest, MethodOverridesReachNobody) {
  RouteEntry deletes = AnyRoute();
  deletes.name = "deletes";
  deletes.headers.push_back({.name = "x-http-method-override",
                             .text = {.kind = TextCondition::Kind::kPresent, .value = ""}});
  deletes.service = RouteEntry::kNoService;
  deletes.direct_status = 299;
  routes = {AnyRoute(), deletes};
  ServeRoutes();
  const auto ask_all = [&] {
    for (const char* name : {"x-http-method-override", "x-http-method", "x-method-override",
                             "x_http_method_override", "x-http_method"}) {
      EXPECT_EQ(Ask("/", "POST", {{name, "DELETE"}}), "POST /") << name;
    }
  };
  ask_all();
  ExpectNothingKept(ask_all, 5);
  EXPECT_EQ(Ask("/", "POST", {{"x-methods", "kept"}}), "POST / x-methods=kept");
}

}  // namespace
}  // namespace pointsman::gateway
