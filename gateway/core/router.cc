#include "gateway/core/router.h"

#include <algorithm>
#include <array>
#include <map>
#include <span>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/core/status_macros.h"

namespace pointsman::gateway {
namespace {

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

RouteChoice::Kind ChoiceOf(ConditionResult::Kind kind) {
  switch (kind) {
    case ConditionResult::Kind::kHolds:
      return RouteChoice::Kind::kChosen;
    case ConditionResult::Kind::kNeedsBody:
      return RouteChoice::Kind::kNeedsBody;
    case ConditionResult::Kind::kAmbiguousBody:
      return RouteChoice::Kind::kAmbiguousBody;
    default:
      return RouteChoice::Kind::kNone;
  }
}

absl::Status InRoute(const RouteEntry& route, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::InvalidArgumentError(absl::StrCat("route ", route.name, ": ", status.message()));
}

// The changes of the path need the template that the route matches by.
absl::Status CompileChanges(RouteEntry* route) {
  const common::PathTemplate* matched = route->matched_template();
  if (route->rewrite != nullptr) {
    auto rewrite = std::make_shared<Rewrite>(*route->rewrite);
    PM_RETURN_IF_ERROR(InRoute(*route, rewrite->path.Compile(matched)));
    route->rewrite = std::move(rewrite);
  }
  if (route->redirect != nullptr) {
    auto redirect = std::make_shared<Redirect>(*route->redirect);
    PM_RETURN_IF_ERROR(InRoute(*route, redirect->path.Compile(matched)));
    route->redirect = std::move(redirect);
  }
  return absl::OkStatus();
}

absl::Status Check(RouteEntry* route) {
  const bool has_path = route->path_kind != RouteEntry::PathKind::kAny &&
                        route->path_kind != RouteEntry::PathKind::kPattern;
  if (has_path && !absl::StartsWith(route->path, "/")) {
    return absl::InvalidArgumentError(
        absl::StrCat("route ", route->name, ": path \"", route->path, "\" does not begin with /"));
  }
  for (const std::string& host : route->hosts) {
    if (host.empty() || host.size() > Router::kHostBytesMax) {
      return absl::InvalidArgumentError(absl::StrCat("route ", route->name, ": a host has ",
                                                     host.size(), " bytes, limits are 1 and 255"));
    }
  }
  if (route->path_kind == RouteEntry::PathKind::kTemplate) {
    auto parsed = common::PathTemplate::Parse(route->path);
    if (!parsed.ok()) return InRoute(*route, parsed.status());
    route->path_template = *std::move(parsed);
  }
  if (route->path_kind == RouteEntry::PathKind::kPattern) {
    route->path_pattern = {.kind = TextCondition::Kind::kPattern, .value = route->path};
    PM_RETURN_IF_ERROR(InRoute(*route, route->path_pattern.Compile()));
  }
  PM_RETURN_IF_ERROR(CompileChanges(route));
  return CompileConditions(route);
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
    AddTo(&tables_[TableOf(host)], index);
  }
}

void Router::AddTo(PathTable* table, uint32_t index) {
  const RouteEntry& route = routes_[index];
  Bucket* bucket = &table->any;
  switch (route.path_kind) {
    case RouteEntry::PathKind::kAny:
      break;
    case RouteEntry::PathKind::kExact:
      bucket = &table->exact[route.path];
      break;
    case RouteEntry::PathKind::kTemplate:
      return table->templates.Add(route.path_template, index);
    case RouteEntry::PathKind::kPattern:
      bucket = &table->patterns;
      break;
    case RouteEntry::PathKind::kPrefix: {
      const auto [it, added] = table->prefix_index.try_emplace(
          route.path, static_cast<uint32_t>(table->prefixes.size()));
      if (added) table->prefixes.push_back(Prefix{.path = route.path, .routes = {}, .parent = -1});
      bucket = &table->prefixes[it->second].routes;
      break;
    }
  }
  bucket->push_back(index);
}

void Router::SortBucket(Bucket* bucket) const {
  // A route that names a host twice is here twice.
  std::sort(bucket->begin(), bucket->end());
  bucket->erase(std::unique(bucket->begin(), bucket->end()), bucket->end());
  // Routes are numbered by name, so a stable sort leaves equals in that order.
  std::stable_sort(bucket->begin(), bucket->end(), [this](uint32_t a, uint32_t b) {
    return ConditionCount(routes_[a]) > ConditionCount(routes_[b]);
  });
}

void Router::FinishTable(PathTable* table) {
  SortBucket(&table->any);
  SortBucket(&table->patterns);
  // Each alone: their order does not matter.
  for (auto& [path, bucket] : table->exact) SortBucket(&bucket);
  table->templates.ForEach([this](Bucket* bucket) { SortBucket(bucket); });
  for (Prefix& prefix : table->prefixes) {
    SortBucket(&prefix.routes);
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

template <typename VisitBucket>
bool Router::VisitPatterns(const PathTable& table, absl::string_view path,
                           VisitBucket visit) const {
  for (const uint32_t& index : table.patterns) {
    if (routes_[index].path_pattern.Holds(path) && visit(std::span(&index, 1))) return true;
  }
  return false;
}

template <typename VisitBucket>
bool Router::VisitPaths(const PathTable& table, absl::string_view path, VisitBucket visit) const {
  if (const auto it = table.exact.find(path); it != table.exact.end()) {
    if (visit(std::span(it->second))) return true;
  }
  if (!table.templates.empty()) {
    const auto in_span = [&visit](const Bucket& bucket) { return visit(std::span(bucket)); };
    if (table.templates.Visit(path, in_span)) return true;
  }
  const bool patterns = !table.patterns.empty() && absl::StartsWith(path, "/");
  if (patterns && VisitPatterns(table, path, visit)) return true;
  for (int32_t i = LongestPrefix(table, path, SIZE_MAX); i >= 0; i = table.prefixes[i].parent) {
    if (visit(std::span(table.prefixes[i].routes))) return true;
  }
  return visit(std::span(table.any));
}

template <typename VisitBucket>
bool Router::VisitHosts(const RouteRequest& request, VisitBucket visit) const {
  std::array<char, kHostBytesMax> buffer;
  absl::string_view host = NormalHost(request.host, &buffer);
  if (const auto it = exact_hosts_.find(host); it != exact_hosts_.end()) {
    if (VisitPaths(tables_[it->second], request.path, visit)) return true;
  }
  if (!wildcard_hosts_.empty()) {
    for (size_t dot = host.find('.'); dot != absl::string_view::npos; dot = host.find('.')) {
      host.remove_prefix(dot + 1);
      const auto it = wildcard_hosts_.find(host);
      if (it == wildcard_hosts_.end()) continue;
      if (VisitPaths(tables_[it->second], request.path, visit)) return true;
    }
  }
  return any_host_.has_value() && VisitPaths(tables_[*any_host_], request.path, visit);
}

RouteChoice Router::Match(const RouteRequest& request) const {
  RouteChoice choice;
  VisitHosts(request, [&](std::span<const uint32_t> bucket) {
    for (const uint32_t index : bucket) {
      const RouteEntry& route = routes_[index];
      const RouteChoice::Kind kind = ChoiceOf(CheckConditions(route, request).kind);
      if (kind == RouteChoice::Kind::kNone) continue;
      choice = {kind, &route};
      return true;
    }
    return false;
  });
  return choice;
}

void Router::ForEachCandidate(const RouteRequest& request, Visit visit) const {
  VisitHosts(request, [&](std::span<const uint32_t> bucket) {
    return std::any_of(bucket.begin(), bucket.end(), [&](uint32_t index) {
      return visit(routes_[index], CheckConditions(routes_[index], request));
    });
  });
}

}  // namespace pointsman::gateway
