#pragma once

// A route as the gateway holds it, and what a request is matched by. Plain structs.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "common/core/cidr_set.h"
#include "common/core/micros.h"
#include "common/core/path_template.h"
#include "common/core/request_path.h"
#include "gateway/core/criticality.h"
#include "gateway/core/json_body.h"
#include "gateway/core/rewrite.h"
#include "gateway/core/routing_table.h"
#include "gateway/core/text_condition.h"

namespace pointsman::gateway {

struct FilterChain;

// Of a header (the name in lower case), a parameter of the query, or a cookie.
struct NamedCondition {
  std::string name;
  TextCondition text;
};

// Of a body that was read, and is JSON.
struct JsonCondition {
  JsonBody::Pointer pointer;  // Router::Build numbers it.
  TextCondition text;
};

// What replaces parts of the service's policy, with the same meanings; absent: the service's.
struct PolicyOverrides {
  std::optional<common::Micros> request_timeout;
  std::optional<common::Micros> first_byte_timeout;
  std::optional<common::Micros> idle_timeout;
  std::optional<common::Micros> per_try_timeout;
  std::optional<uint32_t> max_retries;
  std::optional<RetryStatuses> retry_statuses;

  void ApplyTo(ServicePolicy* policy) const;
};

// One of several services that requests are drawn for.
struct SplitTarget {
  uint32_t service = 0;  // As RouteEntry::service.
  uint32_t weight = 0;
};

// Another service that gets a share of the requests too.
struct MirrorTarget {
  uint32_t service = 0;
  double share = 1;
};

struct RouteEntry {
  static constexpr uint32_t kNoService = UINT32_MAX;

  std::string name;
  // Index into RoutingTable::services; kNoService: `split` if there is one, else answered by the
  // gateway, with `redirect` if there is one, else with `direct_*`.
  uint32_t service = kNoService;
  // The weights together are above 0.
  std::vector<SplitTarget> split;
  std::shared_ptr<const Redirect> redirect;
  uint16_t direct_status = 0;
  std::string direct_body;
  PolicyOverrides overrides;
  Criticality criticality = Criticality::kStandard;
  // Null: nothing is changed.
  std::shared_ptr<const Rewrite> rewrite;
  std::optional<MirrorTarget> mirror;
  // Conditions.
  std::vector<std::string> hosts;  // Lower case; "*.x" and "*" as in the configuration; empty: any.
  enum class PathKind : uint8_t { kAny, kExact, kPrefix, kTemplate, kPattern };
  PathKind path_kind = PathKind::kAny;
  std::string path;                    // As in the configuration.
  common::PathTemplate path_template;  // Router::Build parses it,
  TextCondition path_pattern;          // and compiles this.
  // What the paths of its requests may have beyond the canonical form.
  common::PathTraits path_traits = 0;
  // Protocols beside WebSocket that its requests may change to, in any case.
  std::vector<std::string> upgrades;
  std::vector<std::string> methods;  // Empty: any.
  std::vector<NamedCondition> headers;
  std::vector<NamedCondition> query;
  std::vector<NamedCondition> cookies;
  std::optional<common::CidrSet> clients;  // Absent: any.
  // Not for requests that come by this ("https"); empty: for all.
  std::string unless_scheme;
  std::vector<JsonCondition> json;
  // Null: there are none.
  std::shared_ptr<const FilterChain> filters;

  // What `change` (the rewrite's or the redirect's) makes of the path of a request of this route;
  // nullopt: it would be none.
  std::optional<std::string> ChangePath(const PathChange& change, absl::string_view path) const {
    return change.Apply(path, this->path.size(), matched_template(), path_traits);
  }
  // Null: it matches by something else.
  const common::PathTemplate* matched_template() const {
    return path_kind == PathKind::kTemplate ? &path_template : nullptr;
  }
  // The service of one request by a ticket drawn below 2^32; kNoService: the gateway answers.
  uint32_t Target(uint32_t ticket) const;
};

// What a request is matched by; views into the caller's buffers.
struct RouteRequest {
  using Lookup = absl::FunctionRef<std::optional<absl::string_view>(absl::string_view name)>;
  using ClientLookup = absl::FunctionRef<std::optional<common::IpAddress>()>;
  using TextLookup = absl::FunctionRef<absl::string_view()>;
  static std::optional<absl::string_view> Nothing(absl::string_view /*name*/) {
    return std::nullopt;
  }
  static std::optional<common::IpAddress> Nobody() { return std::nullopt; }
  static absl::string_view NoText() { return {}; }

  // As the request carries it: any case, with or without a port; empty: none.
  absl::string_view host;
  // Canonical, without query and fragment; begins with '/' ("*" matches only routes of any path).
  absl::string_view path;
  absl::string_view method;
  // The value of a header by lower-case name; several of one name joined or the first. Called only
  // for routes with header conditions; the same of the others.
  Lookup header;
  // All is known of the body that will be.
  bool body_known = true;
  // What it says; null: nothing that a condition could hold for.
  JsonBody* json = nullptr;
  // Without "?".
  TextLookup query = NoText;
  // The value of a cookie.
  Lookup cookie = Nothing;
  // Where the client is; nullopt: at no address.
  ClientLookup client = Nobody;
  // "http" or "https": how the client came.
  TextLookup scheme = NoText;
};

}  // namespace pointsman::gateway
