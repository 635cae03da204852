#include "gateway/core/request_buffer.h"

#include "gateway/core/router.h"

namespace pointsman::gateway {

FilterVerdict RequestBuffer::OnRequest(const RouteRequest& request, common::MonotonicTime now,
                                       common::MonotonicTime /*until*/) const {
  const auto kind =
      request.body_known ? FilterVerdict::Kind::kContinue : FilterVerdict::Kind::kAwaitBody;
  return {.kind = kind, .resume_at = now, .retry_after = {}};
}

}  // namespace pointsman::gateway
