#pragma once

// From what a file says of the process's limits (gateway_limits.proto) to what the engine is built
// with.

#include <optional>
#include <string>

#include "gateway/proxy/options.h"
#include "pointsman/v1/gateway_limits.pb.h"

namespace pointsman::gateway {

// Sets what `message` has; the rest of `limits` stays, but for windows that would be too small
// beside it. REQUIRES: the message obeys CheckGatewayLimits(). Thread-safe (no state).
void ApplyLimits(const v1::GatewayLimits& message, ProxyLimits* limits);

// Says in the log that a file's limits are not those the process runs with: they wait for the next
// one. Thread-compatible.
class LimitsWatch {
 public:
  using Limits = std::optional<v1::GatewayLimits>;

  LimitsWatch(std::string file, const Limits& running);

  // `now`: what the file says now. True: it was said, once for each change of the file's limits.
  bool Look(const Limits& now);

 private:
  const std::string file_;
  const std::string running_;
  std::string seen_;
};

}  // namespace pointsman::gateway
