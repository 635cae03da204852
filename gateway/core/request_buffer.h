#pragma once

// Holds a request back until its body is here, or as much of it as the gateway keeps: a slow client
// occupies no endpoint. Thread-safe; has no state.

#include "gateway/core/filter.h"

namespace pointsman::gateway {

class RequestBuffer final : public Filter {
 public:
  FilterVerdict OnRequest(const RouteRequest& request, common::MonotonicTime now,
                          common::MonotonicTime until) const override;
};

}  // namespace pointsman::gateway
