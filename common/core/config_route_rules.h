#pragma once

// The rules of a route; config_validate.h is the door to them. Thread-safe (no state).

#include "common/core/config_rules.h"
#include "pointsman/v1/route.pb.h"

namespace pointsman::common {

// Notes every broken rule of the message at `path`. REQUIRES: names are normalised.
void CheckRoute(const v1::Route& route, const RulePath& path, Rules* rules);

}  // namespace pointsman::common
