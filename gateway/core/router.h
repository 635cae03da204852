#pragma once

// Finds the route of a request. Among the routes that match, the one with the most specific host
// wins (exact, then the longest wildcard, then any), then exact path, then the longest prefix, then
// the one with more conditions (method, headers, fields of the body), then the first by name.
//
// Hosts, exact paths and prefixes are found through hash tables, so that 10,000 routes cost about
// as much as 10; only routes that differ in nothing but conditions are looked at one by one. A
// field of a body is looked for once, however many of them ask for it, and kept (json_body.h).
// Immutable after Build; thread-compatible. Match itself allocates nothing.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/core/request_path.h"
#include "gateway/core/json_body.h"
#include "gateway/core/text_condition.h"

namespace pointsman::gateway {

struct FilterChain;

struct HeaderCondition {
  std::string name;  // Lower case.
  TextCondition text;
};

// Of a body that was read, and is JSON.
struct JsonCondition {
  JsonBody::Pointer pointer;  // Build numbers it.
  TextCondition text;
};

struct RouteEntry {
  static constexpr uint32_t kNoService = UINT32_MAX;

  std::string name;
  // Index into RoutingTable::services; kNoService: answered with `direct_*`.
  uint32_t service = kNoService;
  // Replaces the policy's request_timeout, with the same meaning; absent: the service's.
  std::optional<absl::Duration> request_timeout;
  uint16_t direct_status = 0;
  std::string direct_body;
  // Conditions.
  std::vector<std::string> hosts;  // Lower case; "*.x" and "*" as in the configuration; empty: any.
  enum class PathKind : uint8_t { kAny, kExact, kPrefix };
  PathKind path_kind = PathKind::kAny;
  std::string path;
  // What the paths of its requests may have beyond the canonical form.
  common::PathTraits path_traits = 0;
  // Protocols beside WebSocket that its requests may change to, in any case.
  std::vector<std::string> upgrades;
  std::vector<std::string> methods;  // Empty: any.
  std::vector<HeaderCondition> headers;
  std::vector<JsonCondition> json;
  // Null: there are none.
  std::shared_ptr<const FilterChain> filters;
};

// What a request is matched by; views into the caller's buffers.
struct RouteRequest {
  // As the request carries it: any case, with or without a port; empty: none.
  absl::string_view host;
  // Canonical, without query and fragment; begins with '/' ("*" matches only routes of any path).
  absl::string_view path;
  absl::string_view method;
  // The value of a header by lower-case name; several of one name joined or the first. Called only
  // for routes with header conditions.
  absl::FunctionRef<std::optional<absl::string_view>(absl::string_view name)> header;
  // All is known of the body that will be.
  bool body_known = true;
  // What it says; null: nothing that a condition could hold for.
  JsonBody* json = nullptr;
};

struct RouteChoice {
  enum class Kind : uint8_t {
    kNone,
    kChosen,
    kNeedsBody,      // A route may win that depends on the body, which is not known.
    kAmbiguousBody,  // A field that decides comes twice.
  };
  Kind kind = Kind::kNone;
  // kChosen; else the one that needs the body, or whose condition has no answer. Lives as long as
  // the Router.
  const RouteEntry* route = nullptr;
};

class Router {
 public:
  // InvalidArgument: a pattern does not parse, a path without '/', a host longer than
  // kHostBytesMax.
  static absl::StatusOr<std::shared_ptr<const Router>> Build(std::vector<RouteEntry> routes);

  static constexpr size_t kHostBytesMax = 255;

  // The route of this name, or nullptr; lives as long as the Router. O(log routes).
  const RouteEntry* Find(absl::string_view name) const;
  // The winning route. O(host + path bytes).
  RouteChoice Match(const RouteRequest& request) const;

  // By name.
  const std::vector<RouteEntry>& routes() const { return routes_; }

 private:
  struct Prefix {
    std::string path;
    std::vector<uint32_t> routes;  // Best first.
    int32_t parent = -1;           // The next shorter prefix that is a prefix of this one.
  };
  struct PathTable {
    absl::flat_hash_map<std::string, std::vector<uint32_t>> exact;
    absl::flat_hash_map<std::string, uint32_t> prefix_index;
    std::vector<Prefix> prefixes;
    std::vector<bool> prefix_lengths;  // [n]: some prefix is n bytes long.
    std::vector<uint32_t> any;
  };

  Router() = default;
  void AddRoute(uint32_t index);
  void FinishTable(PathTable* table);
  uint32_t TableOf(const std::string& host);
  // The longest prefix of `table`, at most `limit` bytes, that covers `path` at a segment's border;
  // -1: none.
  static int32_t LongestPrefix(const PathTable& table, absl::string_view path, size_t limit);
  RouteChoice MatchIn(const PathTable& table, const RouteRequest& request) const;
  RouteChoice FirstThatHolds(const std::vector<uint32_t>& candidates,
                             const RouteRequest& request) const;

  std::vector<RouteEntry> routes_;
  std::vector<PathTable> tables_;
  absl::flat_hash_map<std::string, uint32_t> exact_hosts_;
  absl::flat_hash_map<std::string, uint32_t> wildcard_hosts_;  // "*.x" is kept as "x".
  std::optional<uint32_t> any_host_;
};

}  // namespace pointsman::gateway
