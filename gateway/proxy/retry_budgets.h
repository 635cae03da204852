#pragma once

// The retry budgets of one worker, one per service. Thread-compatible.

#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "gateway/core/retry_budget.h"
#include "gateway/core/routing_table.h"

namespace pointsman::gateway {

// Of one of `workers`.
inline RetryBudgetOptions RetryBudgetOf(const ServicePolicy& policy, size_t workers) {
  return {policy.retry_budget_ratio,
          static_cast<double>(policy.retry_budget_min_per_second) / static_cast<double>(workers)};
}

class RetryBudgets {
 public:
  // The budget of the service with this cell; made on first use. O(1).
  RetryBudget& Of(CellRef service) { return budgets_[service.key()]; }
  // Forgets services that `table` does not have. O(services).
  void KeepOnly(const RoutingTable& table);

 private:
  absl::flat_hash_map<uint64_t, RetryBudget> budgets_;
};

}  // namespace pointsman::gateway
