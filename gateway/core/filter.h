#pragma once

// What is done with a request between the choice of its route and the route's action. A route has
// an ordered array of filters, compiled with the configuration: each says that the request goes on
// to the next, is answered, or waits. A filter that waits for something keeps nothing of the
// request: its stream resumes behind it.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/core/time.h"

namespace pointsman::gateway {

struct RouteRequest;

struct FilterVerdict {
  enum class Kind : uint8_t {
    kContinue,
    kLimited,  // The route takes no more now: answered 429 with the code rate_limited.
    kSuspend,  // Goes on to the next filter at `resume_at`.
    // Asked again when as much of the body is here as will be known of it: whole, or all that is
    // kept. Not answered to a request whose `body_known` is true.
    kAwaitBody,
  };
  Kind kind = Kind::kContinue;
  // kSuspend.
  common::MonotonicTime resume_at;
  // kLimited: when asking again may succeed.
  absl::Duration retry_after;
};

// Thread-safe: the workers share it. It lives as long as a table or a waiting stream refers to it.
class Filter {
 public:
  virtual ~Filter() = default;
  // Called once for each request (again after kAwaitBody), which is of no use any more after
  // `until`. O(1), never waits.
  virtual FilterVerdict OnRequest(const RouteRequest& request, common::MonotonicTime now,
                                  common::MonotonicTime until) const = 0;
};

// Of one route.
struct FilterChain {
  std::vector<std::shared_ptr<const Filter>> filters;
  // What each was compiled from: in a new configuration that says the same it goes on, and with it
  // what it has counted.
  std::vector<std::string> sources;
};

}  // namespace pointsman::gateway
