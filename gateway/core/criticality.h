#pragma once

// Which requests go first where some must wait, the first of them first. A plain value.

#include <cstdint>

namespace pointsman::gateway {

enum class Criticality : uint8_t { kCritical, kStandard, kSheddable };

}  // namespace pointsman::gateway
