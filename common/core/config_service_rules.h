#pragma once

// The rules of a service and its endpoints; those of its checks are in config_check_rules.h.
// config_validate.h is the door to them. Thread-safe (no state).

#include "common/core/config_rules.h"
#include "pointsman/v1/service.pb.h"

namespace pointsman::common {

// Each notes every broken rule of the message at `path`. REQUIRES: names are normalised.
void CheckService(const v1::Service& service, const RulePath& path, Rules* rules);
void CheckEndpoint(const v1::Endpoint& endpoint, const RulePath& path, Rules* rules);
// Of a check's response and of a route's request alike.
void CheckHeaderMatch(const v1::HeaderMatch& match, const RulePath& path, Rules* rules);
// `statuses` of the retries at `path`, of a service or a route.
void CheckRetryStatuses(const google::protobuf::RepeatedField<uint32_t>& statuses,
                        const RulePath& path, Rules* rules);

}  // namespace pointsman::common
