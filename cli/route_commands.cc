#include "cli/route_commands.h"

#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "cli/config_commands.h"
#include "cli/next_step.h"
#include "cli/print_route.h"
#include "cli/table.h"
#include "common/core/names.h"
#include "common/core/request_path.h"
#include "common/core/status_macros.h"
#include "common/files.h"
#include "gateway/core/json_body.h"
#include "gateway/core/parameters.h"
#include "gateway/core/rewrite.h"
#include "gateway/core/route_convert.h"
#include "gateway/core/router.h"
#include "pointsman/v1/route_test.pb.h"

namespace pointsman::cli {
namespace {

using gateway::ConditionResult;
using gateway::RouteEntry;
using gateway::TextCondition;

constexpr int kCandidatesMax = 50;

// A request as it was typed.
struct Request {
  std::string method;
  std::string scheme = "http";
  std::string host;
  std::string path;  // Canonical.
  common::PathTraits traits = 0;
  std::optional<std::string> query;
  std::map<std::string, std::string> headers;  // By name in lower case; several joined.
  std::optional<common::IpAddress> client;
  std::optional<std::string> body;

  std::optional<absl::string_view> Header(absl::string_view name) const {
    const auto it = headers.find(std::string(name));
    if (it == headers.end()) return std::nullopt;
    return absl::string_view(it->second);
  }
};

absl::Status ReadUrl(absl::string_view url, Request* request) {
  const size_t scheme = url.find("://");
  if (scheme != absl::string_view::npos) {
    request->scheme = absl::AsciiStrToLower(url.substr(0, scheme));
    url.remove_prefix(scheme + 3);
    const size_t slash = std::min(url.find_first_of("/?"), url.size());
    request->host = std::string(url.substr(0, slash));
    url.remove_prefix(slash);
  }
  const size_t mark = url.find('?');
  if (mark != absl::string_view::npos) request->query = std::string(url.substr(mark + 1));
  std::string path(url.substr(0, mark));
  if (path.empty()) path = "/";
  std::string canonical(path.size(), '\0');
  const common::CanonicalPath result =
      common::CanonicalizePath(path, common::EmptySegments::kMerge, canonical.data());
  if (result.error != common::PathError::kNone) {
    return WithNext(
        absl::InvalidArgumentError(
            absl::StrCat("\"", absl::Utf8SafeCHexEscape(path),
                         "\" is refused by gateways (400, bad_path): it has ",
                         common::PathErrorText(result.error))),
        "write the URL as in \"https://api.example.com/v1/users?id=7\" or \"/v1/users\"");
  }
  canonical.resize(result.size);
  request->path = std::move(canonical);
  request->traits = result.traits;
  return absl::OkStatus();
}

absl::Status ReadHeaders(const std::vector<std::string>& lines, Request* request) {
  for (const std::string& line : lines) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(line, absl::MaxSplits(':', 1));
    const std::string name = absl::AsciiStrToLower(absl::StripAsciiWhitespace(parts.first));
    if (name.empty() || !absl::StrContains(line, ':')) {
      return WithNext(absl::InvalidArgumentError(absl::StrCat("-H \"", line, "\" is no header")),
                      "write it as in -H 'x-canary: yes'");
    }
    const std::string value(absl::StripAsciiWhitespace(parts.second));
    if (name == "host") {
      request->host = value;
      continue;
    }
    std::string& joined = request->headers[name];
    absl::StrAppend(&joined, joined.empty() ? "" : (name == "cookie" ? "; " : ","), value);
  }
  return absl::OkStatus();
}

absl::StatusOr<Request> ReadRequest(const RouteTestArguments& arguments) {
  Request request;
  request.method = arguments.method;
  PM_RETURN_IF_ERROR(ReadUrl(arguments.url, &request));
  PM_RETURN_IF_ERROR(ReadHeaders(arguments.headers, &request));
  if (!arguments.client.empty()) {
    request.client = common::ParseIpAddress(arguments.client);
    if (!request.client.has_value()) {
      return WithNext(absl::InvalidArgumentError(
                          absl::StrCat("--client ", arguments.client, " is no IP address")),
                      "write it as in --client 10.0.0.7");
    }
  }
  if (!arguments.body.empty()) {
    PM_ASSIGN_OR_RETURN(request.body, common::ReadFile(arguments.body, kFileBytesMax));
    // As curl and browsers' scripts say it of JSON; the gateway only looks into bodies that say so.
    request.headers.try_emplace("content-type", "application/json");
  }
  return request;
}

absl::StatusOr<v1::Config> ConfigOf(const RouteTestArguments& arguments,
                                    const CommandContext& context) {
  if (arguments.static_file.has_value()) return LoadStaticFile(*arguments.static_file);
  if (!arguments.files.empty()) return LoadFiles(arguments.files);
  v1::Config config;
  PM_ASSIGN_OR_RETURN(v1::ListServicesResponse services, context.client->ListServices());
  config.mutable_services()->Swap(services.mutable_services());
  PM_ASSIGN_OR_RETURN(v1::ListRoutesResponse routes, context.client->ListRoutes());
  config.mutable_routes()->Swap(routes.mutable_routes());
  return config;
}

absl::StatusOr<std::shared_ptr<const gateway::Router>> RouterOf(const v1::Config& config) {
  std::map<std::string, uint32_t> indexes;
  for (const v1::Service& service : config.services()) {
    const auto next = static_cast<uint32_t>(indexes.size());
    indexes.emplace(common::BareId(service.name(), "services"), next);
  }
  PM_ASSIGN_OR_RETURN(std::vector<RouteEntry> routes, gateway::RoutesOf(config, indexes));
  return gateway::Router::Build(std::move(routes));
}

std::string WantedText(const TextCondition& condition) {
  switch (condition.kind) {
    case TextCondition::Kind::kExact:
      return absl::StrCat("\"", condition.value, "\"");
    case TextCondition::Kind::kPrefix:
      return absl::StrCat("\"", condition.value, "...\"");
    case TextCondition::Kind::kPattern:
      return absl::StrCat("a match of ", condition.value);
    case TextCondition::Kind::kPresent:
      return "any value";
    case TextCondition::Kind::kAbsent:
      return "none";
  }
  return "";
}

std::string MissText(absl::string_view what, const gateway::NamedCondition& condition,
                     std::optional<absl::string_view> value) {
  return absl::StrCat(what, " ", condition.name, " is ",
                      value.has_value() ? absl::StrCat("\"", *value, "\"") : "absent", ", wants ",
                      WantedText(condition.text));
}

std::string BodyText(const RouteEntry& route, size_t index, const Request& request) {
  const auto& steps = route.json[index].pointer.steps;
  if (!request.body.has_value()) return "the request has no JSON body";
  return absl::StrCat("the body's /", absl::StrJoin(steps, "/"), " does not match, wants ",
                      WantedText(route.json[index].text));
}

// Why the route does not take the request; empty: it would.
std::string WhyNot(const RouteEntry& route, const ConditionResult& result, const Request& request) {
  std::string scratch;
  switch (result.kind) {
    case ConditionResult::Kind::kHolds:
      return "";
    case ConditionResult::Kind::kMethod:
      return absl::StrCat("method is ", request.method, ", wants ",
                          absl::StrJoin(route.methods, "|"));
    case ConditionResult::Kind::kHeader: {
      const gateway::NamedCondition& header = route.headers[result.index];
      return MissText("header", header, request.Header(header.name));
    }
    case ConditionResult::Kind::kQuery: {
      const gateway::NamedCondition& parameter = route.query[result.index];
      const auto value =
          gateway::FindParameter(request.query.value_or(""), parameter.name, &scratch);
      return MissText("parameter", parameter, value);
    }
    case ConditionResult::Kind::kCookie: {
      const gateway::NamedCondition& cookie = route.cookies[result.index];
      const auto value = gateway::FindCookie(request.Header("cookie").value_or(""), cookie.name);
      return MissText("cookie", cookie, value);
    }
    case ConditionResult::Kind::kClient:
      return request.client.has_value() ? "the client is in none of its networks"
                                        : "wants certain clients: give one with --client ADDRESS";
    case ConditionResult::Kind::kScheme:
      return absl::StrCat("the request comes by ", request.scheme, " already");
    case ConditionResult::Kind::kJson:
      return BodyText(route, result.index, request);
    case ConditionResult::Kind::kNeedsBody:
      return "depends on the body: give it with --body FILE";
    case ConditionResult::Kind::kAmbiguousBody:
      return "a field that decides comes twice in the body";
  }
  return "";
}

// What becomes of the path on its way to endpoints; empty: it would be none.
std::string ForwardedPath(const RouteEntry& route, const Request& request) {
  if (route.rewrite == nullptr) return request.path;
  return route.ChangePath(route.rewrite->path, request.path).value_or("");
}

// Absent: its path would be none.
std::optional<std::string> RedirectUrl(const RouteEntry& route, const Request& request) {
  const auto path = route.ChangePath(route.redirect->path, request.path);
  if (!path.has_value()) return std::nullopt;
  const absl::string_view query =
      request.query.has_value() ? absl::string_view(*request.query) : absl::string_view();
  return gateway::LocationOf(*route.redirect, request.scheme, request.host, *path, query);
}

// What the route that wins does.
void Decide(const RouteEntry& route, const v1::Route& message, const Request& request,
            v1::RouteTest* test) {
  const common::PathTraits refused =
      request.traits & ~route.path_traits & ~common::kPathEmptySegment;
  if (refused != 0) {
    test->set_action("refused 400 ambiguous_path (see path_options)");
    return;
  }
  if (route.redirect != nullptr) {
    const std::optional<std::string> url = RedirectUrl(route, request);
    test->set_action(url.has_value() ? absl::StrCat("redirect ", route.redirect->status, " ", *url)
                                     : "refused 400 bad_path (by its redirect)");
    return;
  }
  test->set_action(ActionText(message));
  if (message.has_direct_response()) return;
  test->set_forwarded_path(ForwardedPath(route, request));
  if (test->forwarded_path().empty()) test->set_action("refused 400 bad_path (by its rewrite)");
}

v1::RouteTest Test(const gateway::Router& router, const v1::Config& config,
                   const Request& request) {
  gateway::JsonBody json;
  const bool says_json = gateway::IsJsonType(request.Header("content-type").value_or(""));
  const bool read = request.body.has_value() && says_json && json.Read({*request.body});
  const auto header = [&](absl::string_view name) { return request.Header(name); };
  const auto cookie = [&](absl::string_view name) {
    return gateway::FindCookie(request.Header("cookie").value_or(""), name);
  };
  const auto client = [&] { return request.client; };
  const auto query = [&] {
    return request.query.has_value() ? absl::string_view(*request.query) : absl::string_view();
  };
  const auto scheme = [&] { return absl::string_view(request.scheme); };
  // A request that says that its body is JSON has one; others have none that matters.
  const bool known = request.body.has_value() || !says_json;
  const gateway::RouteRequest looked_at{.host = request.host,
                                        .path = request.path,
                                        .method = request.method,
                                        .header = header,
                                        .body_known = known,
                                        .json = read ? &json : nullptr,
                                        .query = query,
                                        .cookie = cookie,
                                        .client = client,
                                        .scheme = scheme};
  const gateway::RouteChoice choice = router.Match(looked_at);
  v1::RouteTest test;
  if (choice.kind == gateway::RouteChoice::Kind::kChosen) {
    test.set_route(choice.route->name);
    for (const v1::Route& message : config.routes()) {
      if (common::BareId(message.name(), "routes") != choice.route->name) continue;
      Decide(*choice.route, message, request, &test);
    }
  } else if (choice.kind == gateway::RouteChoice::Kind::kAmbiguousBody) {
    test.set_action("refused 400 ambiguous_body");
  }
  bool won = false;
  router.ForEachCandidate(looked_at, [&](const RouteEntry& route, const ConditionResult& result) {
    v1::RouteCandidate* candidate = test.add_candidates();
    candidate->set_route(route.name);
    candidate->set_wins(route.name == test.route());
    candidate->set_why(WhyNot(route, result, request));
    if (candidate->why().empty() && won) candidate->set_why("would take it, but is less specific");
    won = won || candidate->wins();
    return test.candidates_size() == kCandidatesMax;
  });
  return test;
}

std::string CandidatesTable(const v1::RouteTest& test, const v1::Config& config,
                            const Style& style) {
  std::map<std::string, const v1::Route*, std::less<>> by_name;
  for (const v1::Route& route : config.routes()) {
    by_name.emplace(std::string(common::BareId(route.name(), "routes")), &route);
  }
  Table table({{"ROUTE"}, {"HOSTS"}, {"MATCH"}, {"RESULT"}});
  for (const v1::RouteCandidate& candidate : test.candidates()) {
    const v1::Route& route = *by_name.at(candidate.route());
    table.AddRow({Cell(candidate.route(), candidate.wins() ? Colour::kGreen : Colour::kNone),
                  route.hosts().empty() ? "all" : absl::StrJoin(route.hosts(), ", "),
                  MatchText(route.match()),
                  candidate.wins() ? Cell("wins", Colour::kGreen) : Cell(candidate.why())});
  }
  return table.Format(style);
}

}  // namespace

CommandResult TestRoute(const RouteTestArguments& arguments, const CommandContext& context) {
  PM_ASSIGN_OR_RETURN(const Request request, ReadRequest(arguments));
  PM_ASSIGN_OR_RETURN(const v1::Config config, ConfigOf(arguments, context));
  PM_ASSIGN_OR_RETURN(const std::shared_ptr<const gateway::Router> router, RouterOf(config));
  const v1::RouteTest test = Test(*router, config, request);
  const ExitCode code = test.route().empty() ? ExitCode::kNotFound : ExitCode::kOk;
  if (context.WriteMessage(test)) return code;
  Facts facts;
  facts.Add("Request",
            absl::StrCat(request.method, " ", request.host, request.path,
                         request.query.has_value() ? "?" : "", request.query.value_or("")));
  facts.Add("Route", test.route().empty() ? Cell("none takes it", Colour::kRed)
                                          : Cell(test.route(), Colour::kGreen));
  facts.Add("Action", test.action());
  if (test.forwarded_path() != request.path) facts.Add("Forwarded as", test.forwarded_path());
  context.out << facts.Format(context.style);
  if (test.candidates().empty()) {
    context.out << "\nno route is for this host and path\n";
  } else {
    context.out << "\n" << CandidatesTable(test, config, context.style);
  }
  return code;
}

}  // namespace pointsman::cli
