#pragma once

// The rules of what a route does with its requests: where they go, what is changed of them.
// Thread-safe (no state).

#include "common/core/config_rules.h"
#include "pointsman/v1/route.pb.h"

namespace pointsman::common {

// Notes every broken rule. REQUIRES: names are normalised.
void CheckRouteActions(const v1::Route& route, const RulePath& path, Rules* rules);
// A path as requests have it: canonical, without what a route cannot match on.
void CheckPathText(absl::string_view value, const RulePath& path, Rules* rules);

}  // namespace pointsman::common
