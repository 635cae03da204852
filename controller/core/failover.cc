#include "controller/core/failover.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace pointsman::controller {

std::vector<uint32_t> PriorityShares(double overprovisioning,
                                     const std::vector<PriorityRow>& rows) {
  std::array<double, kPriorities> whole{};
  std::array<double, kPriorities> available{};
  uint32_t highest = 0;
  for (const PriorityRow& row : rows) {
    const uint32_t priority = std::min(row.priority, kPriorities - 1);
    highest = std::max(highest, priority);
    if (row.counted || row.available) whole[priority] += row.capacity;
    if (row.available) available[priority] += row.capacity;
  }
  if (highest == 0) return {};
  std::array<double, kPriorities> share{};
  double left = 1;
  for (uint32_t p = 0; p <= highest; ++p) {
    if (whole[p] <= 0) continue;
    share[p] = std::min(left, overprovisioning * available[p] / whole[p]);
    left -= share[p];
  }
  const double given = 1 - left;
  std::vector<uint32_t> parts(highest + 1, 0);
  if (given <= 0) return parts;
  uint32_t rest = kShareParts;
  uint32_t last = 0;
  for (uint32_t p = 0; p <= highest; ++p) {
    parts[p] = std::min(rest, static_cast<uint32_t>(std::floor(share[p] / given * kShareParts)));
    rest -= parts[p];
    if (share[p] > 0) last = p;
  }
  parts[last] += rest;
  return parts;
}

}  // namespace pointsman::controller
