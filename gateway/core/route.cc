#include "gateway/core/route.h"

namespace pointsman::gateway {

void PolicyOverrides::ApplyTo(ServicePolicy* policy) const {
  const auto replace = [](const auto& value, auto* target) {
    if (value.has_value()) *target = *value;
  };
  replace(request_timeout, &policy->request_timeout);
  replace(first_byte_timeout, &policy->first_byte_timeout);
  replace(idle_timeout, &policy->idle_timeout);
  replace(per_try_timeout, &policy->per_try_timeout);
  replace(max_retries, &policy->max_retries);
  replace(retry_statuses, &policy->retry_statuses);
}

uint32_t RouteEntry::Target(uint32_t ticket) const {
  if (split.empty()) return service;
  uint64_t total = 0;
  for (const SplitTarget& target : split) total += target.weight;
  uint64_t left = (uint64_t{ticket} * total) >> 32;
  for (const SplitTarget& target : split) {
    if (left < target.weight) return target.service;
    left -= target.weight;
  }
  return split.back().service;
}

}  // namespace pointsman::gateway
