#pragma once

// What a route changes of a request before it is forwarded, of its answer, or makes of it for the
// URL a client is sent to. Immutable after Compile(); thread-safe then.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/core/path_template.h"
#include "common/core/request_path.h"

namespace re2 {
class RE2;
}

namespace pointsman::gateway {

// Another path.
struct PathChange {
  enum class Kind : uint8_t { kNone, kWhole, kPrefix, kPattern };

  // `matched`: the route's template, or null, whose names `text` may use. InvalidArgument: it uses
  // another, or the pattern does not parse.
  absl::Status Compile(const common::PathTemplate* matched);
  // The new path in its canonical form; nullopt: it would be none, or have more of what servers
  // read differently than `traits`. `path`: canonical, of a request that `matched` matches, or
  // that has the route's prefix of `prefix_size` bytes. O(path); allocates.
  std::optional<std::string> Apply(absl::string_view path, size_t prefix_size,
                                   const common::PathTemplate* matched,
                                   common::PathTraits traits) const;

  Kind kind = Kind::kNone;
  std::string text;                                   // kWhole, kPrefix; else the substitution.
  std::string pattern_text;                           // kPattern.
  std::shared_ptr<const re2::RE2> pattern = nullptr;  // Filled in by Compile().
  // Filled in by Compile() of kWhole: literal text and names of the template in turn, literal
  // first.
  std::vector<std::string> parts = {};
};

// Names in lower case. In this order: removed, set, added.
struct HeaderChanges {
  std::vector<std::string> remove;
  std::vector<std::pair<std::string, std::string>> set;
  std::vector<std::pair<std::string, std::string>> add;

  bool empty() const { return remove.empty() && set.empty() && add.empty(); }
};

struct Rewrite {
  std::string host;  // Empty: as it is.
  PathChange path;
  HeaderChanges request_headers;
  HeaderChanges response_headers;
};

// Where a client is sent.
struct Redirect {
  uint16_t status = 302;
  std::string scheme;  // Empty: the request's.
  std::string host;    // Empty: the request's.
  PathChange path;     // kWhole, kPrefix or kNone.
  bool strip_query = false;
};

// The URL for the Location field. `scheme`: of the request; `authority`: as it was sent; `path`:
// already changed; `query`: without "?", null data: there is none. Allocates.
std::string LocationOf(const Redirect& redirect, absl::string_view scheme,
                       absl::string_view authority, absl::string_view path,
                       absl::string_view query);

}  // namespace pointsman::gateway
