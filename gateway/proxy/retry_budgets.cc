#include "gateway/proxy/retry_budgets.h"

#include <utility>

namespace pointsman::gateway {

void RetryBudgets::KeepOnly(const RoutingTable& table) {
  absl::flat_hash_map<uint64_t, RetryBudget> kept;
  for (const auto& service : table.services) {
    const auto found = budgets_.find(service->cell.key());
    if (found != budgets_.end()) kept.emplace(found->first, found->second);
  }
  budgets_ = std::move(kept);
}

}  // namespace pointsman::gateway
