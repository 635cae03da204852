#pragma once

// The rules of a service's health checks; config_validate.h is the door to them. Thread-safe (no
// state).

#include "common/core/config_rules.h"
#include "pointsman/v1/service.pb.h"

namespace pointsman::common {

// Notes every broken rule of the checks of the service at `path`.
void CheckHealthChecks(const v1::Service& service, const RulePath& path, Rules* rules);

}  // namespace pointsman::common
