#pragma once

// The rules of a gateway's limits (gateway_limits.proto). Thread-safe (no state).

#include "common/core/config_rules.h"
#include "pointsman/v1/gateway_limits.pb.h"

namespace pointsman::common {

// What a head and the framing around a piece of a body need besides each other: a stream's window
// is that much larger than a head at least.
inline constexpr uint32_t kWindowAboveHeadBytes = 8192;
// Of GatewayLimits.head_bytes.
inline constexpr uint32_t kHeadBytesDefault = 32 << 10;

// Notes every value out of its range, and values that do not go together.
void CheckGatewayLimits(const v1::GatewayLimits& limits, const RulePath& path, Rules* rules);

}  // namespace pointsman::common
