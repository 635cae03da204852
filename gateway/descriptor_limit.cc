#include "gateway/descriptor_limit.h"

#include <sys/resource.h>

#include <cerrno>

#include "common/log.h"

namespace pointsman::gateway {
namespace {

// Listening sockets, epoll, logs, the controller's connection, admin pages, names being resolved.
constexpr uint64_t kOwnDescriptors = 256;

}  // namespace

absl::StatusOr<uint64_t> RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return absl::InternalError(absl::ErrnoToStatus(errno, "getrlimit").message());
  }
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
      return absl::InternalError(absl::ErrnoToStatus(errno, "setrlimit").message());
    }
  }
  return limit.rlim_cur;
}

uint64_t DescriptorsNeeded(const ProxyLimits& limits) {
  return 2 * uint64_t{limits.connections_max} + kOwnDescriptors;
}

bool WarnOfFewDescriptors(const ProxyLimits& limits) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  if (limit.rlim_cur >= DescriptorsNeeded(limits)) return false;
  common::LogWarning("gateway.descriptors_few",
                     {{"limit", static_cast<uint64_t>(limit.rlim_cur)},
                      {"needed", DescriptorsNeeded(limits)},
                      {"connections", uint64_t{limits.connections_max}}});
  return true;
}

}  // namespace pointsman::gateway
