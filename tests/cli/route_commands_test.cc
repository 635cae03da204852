// `pointsman route test` over files: which route wins, why others do not, what becomes of the
// request, how it ends.

#include "cli/route_commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "cli/cli.h"

namespace pointsman::cli {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

constexpr char kRoutes[] = R"(
services:
- {name: users}
- {name: next}
- {name: small}
- {name: greeter, protocol: http2}
routes:
- {name: users, match: {template: "/v1/users/{id}"}, service: users, rewrite: {path: "/users/{id}"}}
- {name: beta, match: {template: "/v1/users/{id}", cookies: [{name: beta, exact: "1"}]}, service: next}
- {name: writes, match: {template: "/v1/users/{id}", methods: [PUT]}, service: users}
- {name: office, match: {prefix: /admin, client_addresses: [10.0.0.0/8]}, service: users}
- {name: old, match: {prefix: /old}, redirect: {prefix: /v1, scheme: https, status: 308}}
- {name: model, match: {prefix: /chat, json: [{pointer: /model, exact: small}]}, service: small}
- {name: chat, match: {prefix: /chat}, split: {shares: [{service: users, weight: 9}, {service: next, weight: 1}]}, mirror: {service: small, share: 0.5}}
- {name: hello, match: {grpc_service: helloworld.Greeter}, service: greeter}
- {name: search, match: {exact: /search, query: [{name: q, prefix: a}]}, service: users}
- {name: only-here, hosts: [one.example.com], match: {prefix: /one}, direct_response: {status: 204}}
)";

struct Outcome {
  ExitCode code;
  std::string out;
  std::string err;
};

class RouteTestCommandTest : public ::testing::Test {
 protected:
  RouteTestCommandTest() {
    std::string name = (std::filesystem::temp_directory_path() / "pm-route-XXXXXX").string();
    folder_ = mkdtemp(name.data());
    Write("routes.yaml", kRoutes);
  }
  ~RouteTestCommandTest() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text) {
    std::string path = absl::StrCat(folder_, "/", name);
    std::ofstream(path) << text;
    return path;
  }
  Outcome Test(std::vector<std::string> words) {
    words.insert(words.end(), {"-f", absl::StrCat(folder_, "/routes.yaml")});
    return Run(std::move(words));
  }
  Outcome Run(std::vector<std::string> words) {
    words.insert(words.begin(), {"route", "test"});
    std::ostringstream out;
    std::ostringstream err;
    const CliEnvironment environment{.out = out, .err = err, .variable = [](const std::string&) {
                                       return std::optional<std::string>();
                                     }};
    const ExitCode code = RunCli(words, environment);
    return {code, out.str(), err.str()};
  }

  std::string folder_;
};

TEST_F(RouteTestCommandTest, TheWinnerAndWhyNotTheOthers) {
  const Outcome outcome =
      Test({"GET", "https://a.example.com/v1/users/7?x=1", "-H", "Cookie: a=1; beta=0"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("GET a.example.com/v1/users/7?x=1"), ContainsRegex("Route: +users\n"),
                    HasSubstr("/users/7"), HasSubstr("cookie beta is \"0\", wants \"1\""),
                    HasSubstr("method is GET, wants PUT"),
                    ContainsRegex("users +all +/v1/users/\\{id\\} +wins")));
}

TEST_F(RouteTestCommandTest, FilesMayComeBeforeTheRequest) {
  const std::string more =
      Write("more.yaml", "routes: [{name: more, match: {exact: /more}, service: users}]");
  const Outcome outcome = Test({"-f", more, "GET", "/more"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_THAT(outcome.out, ContainsRegex("Route: +more\n"));
}

TEST_F(RouteTestCommandTest, AGatewaysOwnFileWithItsLimits) {
  const std::string own = Write("gw.yaml",
                                "services: [{name: users}]\nlimits: {head_fields: 200}\n"
                                "routes: [{name: own, match: {exact: /own}, service: users}]");
  const Outcome outcome = Run({"--static", own, "GET", "/own"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_THAT(outcome.out, ContainsRegex("Route: +own\n"));
}

TEST_F(RouteTestCommandTest, MoreConditionsWinAndTheOthersAreShown) {
  const Outcome outcome = Test({"GET", "/v1/users/7", "-H", "cookie: beta=1"});
  EXPECT_THAT(outcome.out,
              AllOf(ContainsRegex("Route: +beta\n"), ContainsRegex("Action: +services/next"),
                    HasSubstr("would take it, but is less specific")));
}

TEST_F(RouteTestCommandTest, ClientsAreAskedForAndLookedAt) {
  EXPECT_EQ(Test({"GET", "/admin/x"}).code, ExitCode::kNotFound);
  EXPECT_THAT(Test({"GET", "/admin/x"}).out, HasSubstr("--client ADDRESS"));
  EXPECT_THAT(Test({"GET", "/admin/x", "--client", "192.0.2.1"}).out,
              HasSubstr("in none of its networks"));
  EXPECT_EQ(Test({"GET", "/admin/x", "--client", "10.1.2.3"}).code, ExitCode::kOk);
  EXPECT_EQ(Test({"GET", "/admin/x", "--client", "ten"}).code, ExitCode::kInvalid);
}

TEST_F(RouteTestCommandTest, BodiesDecide) {
  const std::string small = Write("small.json", R"({"model":"small"})");
  EXPECT_THAT(Test({"POST", "/chat", "--body", small}).out, ContainsRegex("Route: +model\n"));
  const std::string large = Write("large.json", R"({"model":"large"})");
  const Outcome outcome = Test({"POST", "/chat", "--body", large});
  EXPECT_THAT(outcome.out,
              AllOf(ContainsRegex("Route: +chat\n"), HasSubstr("split users 9, next 1"),
                    HasSubstr("mirror small 50.0%"),
                    HasSubstr("the body's /model does not match, wants \"small\"")));
  const std::string twice = Write("twice.json", R"({"model":"small","model":"large"})");
  EXPECT_THAT(Test({"POST", "/chat", "--body", twice}).out, HasSubstr("400 ambiguous_body"));
  EXPECT_THAT(Test({"POST", "/chat", "-H", "content-type: application/json"}).out,
              HasSubstr("give it with --body FILE"));
}

TEST_F(RouteTestCommandTest, RedirectsShowTheirUrl) {
  EXPECT_THAT(Test({"GET", "http://a.example.com:8080/old/x?y=z"}).out,
              HasSubstr("redirect 308 https://a.example.com/v1/x?y=z"));
}

TEST_F(RouteTestCommandTest, GrpcAndQueries) {
  EXPECT_THAT(
      Test({"POST", "/helloworld.Greeter/SayHello", "-H", "content-type: application/grpc"}).out,
      ContainsRegex("Route: +hello\n"));
  EXPECT_THAT(Test({"POST", "/helloworld.Greeter/SayHello"}).out,
              HasSubstr("header content-type is absent"));
  EXPECT_THAT(Test({"GET", "/search?q=%61b"}).out, ContainsRegex("Route: +search\n"));
  EXPECT_THAT(Test({"GET", "/search?q=b"}).out, HasSubstr("parameter q is \"b\", wants \"a...\""));
}

TEST_F(RouteTestCommandTest, NothingForThisHostAndPath) {
  const Outcome outcome = Test({"GET", "http://two.example.com/one"});
  EXPECT_EQ(outcome.code, ExitCode::kNotFound);
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("none takes it"), HasSubstr("no route is for this")));
}

TEST_F(RouteTestCommandTest, PathsThatGatewaysRefuseAreTold) {
  EXPECT_THAT(Test({"GET", "/chat%2Fx"}).out, HasSubstr("400 ambiguous_path"));
  const Outcome outcome = Test({"GET", "/a%00b"});
  EXPECT_EQ(outcome.code, ExitCode::kInvalid);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("400, bad_path"), HasSubstr("next: ")));
}

TEST_F(RouteTestCommandTest, ScriptsGetJson) {
  const Outcome outcome = Test({"GET", "/v1/users/7", "-o", "json"});
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("\"route\": \"users\""), HasSubstr("\"wins\": true"),
                                 HasSubstr("\"forwarded_path\": \"/users/7\"")));
}

TEST_F(RouteTestCommandTest, WhatIsNoHeaderIsRefused) {
  EXPECT_EQ(Test({"GET", "/", "-H", "nothing"}).code, ExitCode::kInvalid);
}

}  // namespace
}  // namespace pointsman::cli
