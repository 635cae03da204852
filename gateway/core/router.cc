#include "gateway/core/router.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace pointsman::gateway {
namespace {

size_t Conditions(const RouteEntry& route) {
  return (route.methods.empty() ? 0 : 1) + route.headers.size() + route.json.size();
}

// "EXAMPLE.com:8080" -> "example.com" in `buffer`; empty when there is none or it is too long.
absl::string_view NormalHost(absl::string_view host,
                             std::array<char, Router::kHostBytesMax>* buffer) {
  if (!host.empty() && host.front() == '[') {
    const size_t end = host.find(']');
    if (end != absl::string_view::npos) host = host.substr(0, end + 1);
  } else {
    host = host.substr(0, host.rfind(':'));
  }
  if (absl::EndsWith(host, ".")) host.remove_suffix(1);
  if (host.size() > buffer->size()) return {};
  for (size_t i = 0; i < host.size(); ++i) (*buffer)[i] = absl::ascii_tolower(host[i]);
  return absl::string_view(buffer->data(), host.size());
}

// `prefix` ends at a border of `path` (or is followed by one). Where another server may see a
// border, there is one here as well: a route must not be left by writing "/admin;x" for "/admin".
bool AtBorder(absl::string_view path, size_t length) {
  return length == path.size() || path[length] == '/' || path[length - 1] == '/' ||
         common::SegmentEndsBefore(path.substr(length));
}

// kNone: it does not.
RouteChoice::Kind JsonHolds(JsonBody& body, const JsonCondition& condition) {
  const JsonBody::Field field = body.Find(condition.pointer);
  bool holds = false;
  switch (field.kind) {
    case JsonBody::Field::Kind::kTwice:
      return RouteChoice::Kind::kAmbiguousBody;
    case JsonBody::Field::Kind::kAbsent:
      holds = condition.text.Holds(std::nullopt);
      break;
    case JsonBody::Field::Kind::kOther:
      holds = condition.text.kind == TextCondition::Kind::kPresent;
      break;
    case JsonBody::Field::Kind::kText:
      holds = condition.text.Holds(field.text);
      break;
  }
  return holds ? RouteChoice::Kind::kChosen : RouteChoice::Kind::kNone;
}

// The conditions on the body of a route whose others hold.
RouteChoice::Kind BodyHolds(const RouteEntry& route, const RouteRequest& request) {
  if (route.json.empty()) return RouteChoice::Kind::kChosen;
  if (!request.body_known) return RouteChoice::Kind::kNeedsBody;
  if (request.json == nullptr) return RouteChoice::Kind::kNone;
  for (const JsonCondition& condition : route.json) {
    const RouteChoice::Kind kind = JsonHolds(*request.json, condition);
    if (kind != RouteChoice::Kind::kChosen) return kind;
  }
  return RouteChoice::Kind::kChosen;
}

bool Holds(const RouteEntry& route, const RouteRequest& request) {
  if (!route.methods.empty() && std::find(route.methods.begin(), route.methods.end(),
                                          request.method) == route.methods.end()) {
    return false;
  }
  for (const HeaderCondition& condition : route.headers) {
    if (!condition.text.Holds(request.header(condition.name))) return false;
  }
  return true;
}

absl::Status Check(RouteEntry* route) {
  if (route->path_kind != RouteEntry::PathKind::kAny && !absl::StartsWith(route->path, "/")) {
    return absl::InvalidArgumentError(
        absl::StrCat("route ", route->name, ": path \"", route->path, "\" does not begin with /"));
  }
  for (const std::string& host : route->hosts) {
    if (host.empty() || host.size() > Router::kHostBytesMax) {
      return absl::InvalidArgumentError(absl::StrCat("route ", route->name, ": a host has ",
                                                     host.size(), " bytes, limits are 1 and 255"));
    }
  }
  const auto compile = [route](TextCondition* text, absl::string_view of) {
    absl::Status status = text->Compile();
    if (status.ok()) return status;
    return absl::InvalidArgumentError(
        absl::StrCat("route ", route->name, ": ", of, " ", status.message()));
  };
  for (HeaderCondition& condition : route->headers) {
    absl::AsciiStrToLower(&condition.name);
    if (absl::Status status = compile(&condition.text, "header"); !status.ok()) return status;
  }
  for (JsonCondition& condition : route->json) {
    if (absl::Status status = compile(&condition.text, "json"); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Router>> Router::Build(std::vector<RouteEntry> routes) {
  std::shared_ptr<Router> router(new Router());
  std::map<std::vector<std::string>, uint32_t> numbers;
  for (RouteEntry& route : routes) {
    if (absl::Status status = Check(&route); !status.ok()) return status;
    for (JsonCondition& condition : route.json) {
      const auto next = static_cast<uint32_t>(numbers.size());
      condition.pointer.number = numbers.try_emplace(condition.pointer.steps, next).first->second;
    }
  }
  std::sort(routes.begin(), routes.end(),
            [](const RouteEntry& a, const RouteEntry& b) { return a.name < b.name; });
  router->routes_ = std::move(routes);
  for (uint32_t i = 0; i < router->routes_.size(); ++i) router->AddRoute(i);
  for (PathTable& table : router->tables_) router->FinishTable(&table);
  return std::shared_ptr<const Router>(std::move(router));
}

const RouteEntry* Router::Find(absl::string_view name) const {
  const auto found = std::lower_bound(
      routes_.begin(), routes_.end(), name,
      [](const RouteEntry& route, absl::string_view wanted) { return route.name < wanted; });
  return found != routes_.end() && found->name == name ? &*found : nullptr;
}

uint32_t Router::TableOf(const std::string& host) {
  const auto add = [this] {
    tables_.emplace_back();
    return static_cast<uint32_t>(tables_.size() - 1);
  };
  if (host == "*") {
    if (!any_host_.has_value()) any_host_ = add();
    return *any_host_;
  }
  const bool wildcard = absl::StartsWith(host, "*.");
  auto& hosts = wildcard ? wildcard_hosts_ : exact_hosts_;
  const std::string key = absl::AsciiStrToLower(wildcard ? host.substr(2) : host);
  const auto it = hosts.find(key);
  if (it != hosts.end()) return it->second;
  return hosts[key] = add();
}

void Router::AddRoute(uint32_t index) {
  const RouteEntry& route = routes_[index];
  std::vector<std::string> hosts = route.hosts;
  if (hosts.empty()) hosts.push_back("*");
  for (const std::string& host : hosts) {
    PathTable& table = tables_[TableOf(host)];
    std::vector<uint32_t>* bucket = &table.any;
    if (route.path_kind == RouteEntry::PathKind::kExact) {
      bucket = &table.exact[route.path];
    } else if (route.path_kind == RouteEntry::PathKind::kPrefix) {
      const auto [it, added] =
          table.prefix_index.try_emplace(route.path, static_cast<uint32_t>(table.prefixes.size()));
      if (added) table.prefixes.push_back(Prefix{.path = route.path, .routes = {}, .parent = -1});
      bucket = &table.prefixes[it->second].routes;
    }
    if (bucket->empty() || bucket->back() != index) bucket->push_back(index);
  }
}

void Router::FinishTable(PathTable* table) {
  // Routes are numbered by name, so a stable sort leaves equals in that order.
  const auto order = [this](std::vector<uint32_t>* bucket) {
    std::stable_sort(bucket->begin(), bucket->end(), [this](uint32_t a, uint32_t b) {
      return Conditions(routes_[a]) > Conditions(routes_[b]);
    });
  };
  order(&table->any);
  for (auto& [path, bucket] : table->exact) order(&bucket);  // Each alone: no order among them.
  for (Prefix& prefix : table->prefixes) {
    order(&prefix.routes);
    if (table->prefix_lengths.size() <= prefix.path.size()) {
      table->prefix_lengths.resize(prefix.path.size() + 1);
    }
    table->prefix_lengths[prefix.path.size()] = true;
  }
  for (Prefix& prefix : table->prefixes) {
    prefix.parent = LongestPrefix(*table, prefix.path, prefix.path.size() - 1);
  }
}

int32_t Router::LongestPrefix(const PathTable& table, absl::string_view path, size_t limit) {
  if (table.prefix_lengths.empty()) return -1;
  size_t length = std::min({path.size(), limit, table.prefix_lengths.size() - 1});
  for (; length > 0; --length) {
    if (!table.prefix_lengths[length] || !AtBorder(path, length)) continue;
    const auto it = table.prefix_index.find(path.substr(0, length));
    if (it != table.prefix_index.end()) return static_cast<int32_t>(it->second);
  }
  return -1;
}

RouteChoice Router::FirstThatHolds(const std::vector<uint32_t>& candidates,
                                   const RouteRequest& request) const {
  for (const uint32_t index : candidates) {
    const RouteEntry& route = routes_[index];
    if (!Holds(route, request)) continue;
    const RouteChoice::Kind kind = BodyHolds(route, request);
    if (kind != RouteChoice::Kind::kNone) return {kind, &route};
  }
  return {};
}

RouteChoice Router::MatchIn(const PathTable& table, const RouteRequest& request) const {
  const auto chosen = [](const RouteChoice& choice) {
    return choice.kind != RouteChoice::Kind::kNone;
  };
  if (const auto it = table.exact.find(request.path); it != table.exact.end()) {
    if (const RouteChoice choice = FirstThatHolds(it->second, request); chosen(choice)) {
      return choice;
    }
  }
  for (int32_t i = LongestPrefix(table, request.path, SIZE_MAX); i >= 0;
       i = table.prefixes[i].parent) {
    const RouteChoice choice = FirstThatHolds(table.prefixes[i].routes, request);
    if (chosen(choice)) return choice;
  }
  return FirstThatHolds(table.any, request);
}

RouteChoice Router::Match(const RouteRequest& request) const {
  std::array<char, kHostBytesMax> buffer;
  absl::string_view host = NormalHost(request.host, &buffer);
  RouteChoice choice;
  const auto match = [&](uint32_t table) {
    choice = MatchIn(tables_[table], request);
    return choice.kind != RouteChoice::Kind::kNone;
  };
  if (const auto it = exact_hosts_.find(host); it != exact_hosts_.end()) {
    if (match(it->second)) return choice;
  }
  if (!wildcard_hosts_.empty()) {
    for (size_t dot = host.find('.'); dot != absl::string_view::npos; dot = host.find('.')) {
      host.remove_prefix(dot + 1);
      const auto it = wildcard_hosts_.find(host);
      if (it != wildcard_hosts_.end() && match(it->second)) return choice;
    }
  }
  if (any_host_.has_value()) match(*any_host_);
  return choice;
}

}  // namespace pointsman::gateway
