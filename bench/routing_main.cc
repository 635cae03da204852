// pm-bench-routing: what it costs to find a request's route, with few routes and with many, and to
// read a JSON body that decides it. Google Benchmark's own options apply.

#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/core/check.h"
#include "gateway/core/json_body.h"
#include "gateway/core/router.h"

namespace pointsman::bench {
namespace {

using gateway::JsonBody;
using gateway::RouteEntry;
using gateway::Router;

// Routes of 10 hosts, every other by a prefix, the rest by an exact path.
std::shared_ptr<const Router> RouterOf(int count) {
  std::vector<RouteEntry> routes;
  routes.reserve(count);
  for (int i = 0; i < count; ++i) {
    RouteEntry route;
    route.name = absl::StrCat("r", i);
    route.hosts = {absl::StrCat("h", i % 10, ".example.com")};
    route.path_kind = i % 20 < 10 ? RouteEntry::PathKind::kPrefix : RouteEntry::PathKind::kExact;
    route.path = absl::StrCat("/service/", i);
    route.service = 0;
    routes.push_back(std::move(route));
  }
  auto router = Router::Build(std::move(routes));
  PM_CHECK(router.ok());
  return *std::move(router);
}

void Match(benchmark::State& state) {
  const int count = static_cast<int>(state.range(0));
  const std::shared_ptr<const Router> router = RouterOf(count);
  std::vector<std::pair<std::string, std::string>> requests;
  for (int i = 0; i < 256; ++i) {
    const int route = static_cast<int>((i * int64_t{7919}) % count);
    requests.emplace_back(absl::StrCat("h", route % 10, ".example.com"),
                          absl::StrCat("/service/", route, route % 20 < 10 ? "/a/b" : ""));
  }
  const auto header = [](absl::string_view) { return std::optional<absl::string_view>(); };
  size_t next = 0;
  for (auto _ : state) {
    const auto& [host, path] = requests[next++ % requests.size()];
    const gateway::RouteChoice choice = router->Match({host, path, "GET", header});
    PM_CHECK(choice.route != nullptr);
  }
}
BENCHMARK(Match)->Arg(10)->Arg(100)->Arg(1'000)->Arg(10'000);

// The same by templates with a part that differs from request to request, and by patterns.
void MatchOther(benchmark::State& state, RouteEntry::PathKind kind) {
  const int count = static_cast<int>(state.range(0));
  std::vector<RouteEntry> routes;
  for (int i = 0; i < count; ++i) {
    RouteEntry route;
    route.name = absl::StrCat("r", i);
    route.hosts = {absl::StrCat("h", i % 10, ".example.com")};
    route.path_kind = kind;
    route.path = kind == RouteEntry::PathKind::kTemplate
                     ? absl::StrCat("/service/", i, "/{id}/b")
                     : absl::StrCat("/service/", i, "/[a-z]+/b");
    route.service = 0;
    routes.push_back(std::move(route));
  }
  auto router = Router::Build(std::move(routes));
  PM_CHECK(router.ok());
  std::vector<std::pair<std::string, std::string>> requests;
  for (int i = 0; i < 256; ++i) {
    const int route = static_cast<int>((i * int64_t{7919}) % count);
    requests.emplace_back(absl::StrCat("h", route % 10, ".example.com"),
                          absl::StrCat("/service/", route, "/a/b"));
  }
  const auto header = [](absl::string_view) { return std::optional<absl::string_view>(); };
  size_t next = 0;
  for (auto _ : state) {
    const auto& [host, path] = requests[next++ % requests.size()];
    PM_CHECK((*router)->Match({host, path, "GET", header}).route != nullptr);
  }
}
BENCHMARK_CAPTURE(MatchOther, template, RouteEntry::PathKind::kTemplate)
    ->Arg(10)
    ->Arg(1'000)
    ->Arg(10'000);
BENCHMARK_CAPTURE(MatchOther, pattern, RouteEntry::PathKind::kPattern)
    ->Arg(10)
    ->Arg(1'000)
    ->Arg(10'000);

// As a chat has it: the field that decides comes first, its history follows.
std::string ChatOf(size_t bytes) {
  std::string body = R"({"model":"small","stream":true,"messages":[)";
  const std::string message =
      absl::StrCat(R"({"role":"user","content":")", std::string(200, 'x'), "\"},");
  while (body.size() + message.size() < bytes) body += message;
  return absl::StrCat(body, R"({"role":"user","content":""}]})");
}

void ReadJson(benchmark::State& state) {
  const std::string text = ChatOf(state.range(0));
  const JsonBody::Pointer pointer{.steps = gateway::PointerSteps("/model")};
  JsonBody body;
  for (auto _ : state) {
    PM_CHECK(body.Read({text}) && body.Find(pointer).text == "small");
    body.Forget();
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}
BENCHMARK(ReadJson)->Arg(1 << 10)->Arg(16 << 10)->Arg(120 << 10)->Arg(1 << 20);

// 300 routes that ask for fields of a body with 24,000 names, the worst that a client can send.
void MatchWidestJson(benchmark::State& state) {
  const auto fields = static_cast<int>(state.range(0));
  std::vector<RouteEntry> routes;
  for (int i = 0; i < 300; ++i) {
    RouteEntry route;
    route.name = absl::StrCat("r", i);
    route.service = 0;
    route.json = {{{.steps = {absl::StrCat("field", i % fields)}},
                   {.kind = gateway::TextCondition::Kind::kExact, .value = "x"}}};
    routes.push_back(std::move(route));
  }
  auto router = Router::Build(std::move(routes));
  PM_CHECK(router.ok());
  std::string text = "{";
  while (text.size() < 120 << 10) text += R"("":0,)";
  text += R"("":0})";
  const auto header = [](absl::string_view) { return std::optional<absl::string_view>(); };
  JsonBody body;
  for (auto _ : state) {
    PM_CHECK(body.Read({text}));
    const gateway::RouteChoice choice =
        (*router)->Match({"h", "/", "POST", header, /*body_known=*/true, &body});
    PM_CHECK(choice.kind == gateway::RouteChoice::Kind::kNone);
    body.Forget();
  }
}
BENCHMARK(MatchWidestJson)->Arg(1)->Arg(10);

}  // namespace
}  // namespace pointsman::bench

BENCHMARK_MAIN();
