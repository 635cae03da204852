#pragma once

// Finds the route of a request. Among the routes that match, the one with the most specific host
// wins (exact, then the longest wildcard, then any), then the most specific path (exact, template,
// pattern, the longest prefix, any), then the one with more conditions (method, headers, query,
// cookies, client, fields of the body), then the first by name.
//
// Hosts, exact paths and prefixes are found through hash tables and templates through a tree, so
// that 10,000 routes cost about as much as 10; patterns of a host (64 at most) and routes that
// differ in nothing but conditions are looked at one by one. A field of a body is looked for once,
// however many of them ask for it, and kept (json_body.h). Immutable after Build;
// thread-compatible. Match allocates only where a query that is looked at has escapes.

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
#include "gateway/core/route.h"
#include "gateway/core/route_conditions.h"
#include "gateway/core/template_index.h"

namespace pointsman::gateway {

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
  // InvalidArgument: a pattern or a template does not parse, a path without '/', a rewrite that
  // cannot be, a host longer than kHostBytesMax.
  static absl::StatusOr<std::shared_ptr<const Router>> Build(std::vector<RouteEntry> routes);

  static constexpr size_t kHostBytesMax = 255;

  // The route of this name, or nullptr; lives as long as the Router. O(log routes).
  const RouteEntry* Find(absl::string_view name) const;
  // The winning route. O(host + path bytes).
  RouteChoice Match(const RouteRequest& request) const;

  // All routes whose host and path match, in the order in which Match() looks at them, with what
  // becomes of their conditions, until `visit` says true.
  using Visit = absl::FunctionRef<bool(const RouteEntry& route, const ConditionResult& conditions)>;
  void ForEachCandidate(const RouteRequest& request, Visit visit) const;

  // By name.
  const std::vector<RouteEntry>& routes() const { return routes_; }

 private:
  using Bucket = std::vector<uint32_t>;  // Best first.
  struct Prefix {
    std::string path;
    Bucket routes;
    int32_t parent = -1;  // The next shorter prefix that is a prefix of this one.
  };
  struct PathTable {
    absl::flat_hash_map<std::string, Bucket> exact;
    TemplateIndex templates;
    Bucket patterns;
    absl::flat_hash_map<std::string, uint32_t> prefix_index;
    std::vector<Prefix> prefixes;
    std::vector<bool> prefix_lengths;  // [n]: some prefix is n bytes long.
    Bucket any;
  };

  Router() = default;
  void AddRoute(uint32_t index);
  void AddTo(PathTable* table, uint32_t index);
  void SortBucket(Bucket* bucket) const;
  void FinishTable(PathTable* table);
  uint32_t TableOf(const std::string& host);
  // The longest prefix of `table`, at most `limit` bytes, that covers `path` at a segment's border;
  // -1: none.
  static int32_t LongestPrefix(const PathTable& table, absl::string_view path, size_t limit);
  // Call `visit(bucket)` for what matches, the most specific first, until it says true; then true.
  template <typename VisitBucket>
  bool VisitPatterns(const PathTable& table, absl::string_view path, VisitBucket visit) const;
  template <typename VisitBucket>
  bool VisitPaths(const PathTable& table, absl::string_view path, VisitBucket visit) const;
  template <typename VisitBucket>
  bool VisitHosts(const RouteRequest& request, VisitBucket visit) const;

  std::vector<RouteEntry> routes_;
  std::vector<PathTable> tables_;
  absl::flat_hash_map<std::string, uint32_t> exact_hosts_;
  absl::flat_hash_map<std::string, uint32_t> wildcard_hosts_;  // "*.x" is kept as "x".
  std::optional<uint32_t> any_host_;
};

}  // namespace pointsman::gateway
