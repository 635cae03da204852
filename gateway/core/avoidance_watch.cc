#include "gateway/core/avoidance_watch.h"

#include <algorithm>
#include <utility>

namespace pointsman::gateway {

bool AvoidanceWatch::AnySettled(common::MonotonicTime now) const {
  // The order does not matter: one is enough.
  return std::any_of(avoided_.begin(), avoided_.end(),
                     [&](const auto& item) { return now >= item.second.ended + kSettle; });
}

bool AvoidanceWatch::Changed(const Endpoint& endpoint, const EndpointCells& cells,
                             common::MonotonicTime now, AvoidanceChange* change) {
  change->now = cells.Avoided(endpoint.cell);
  const bool is_avoided = change->now.workers > 0;
  auto it = avoided_.find(endpoint.cell.key());
  const bool begins = it == avoided_.end();
  if (begins) {
    if (!is_avoided) return false;
    const uint64_t answers = cells.Totals(endpoint.cell).latency_count;
    it = avoided_.emplace(endpoint.cell.key(), Avoided{.since = now, .answers = answers}).first;
  }
  Avoided& avoided = it->second;
  avoided.look = looks_;
  if (is_avoided) {
    avoided.ended = common::MonotonicTime::Infinite();
    return begins;
  }
  avoided.ended = std::min(avoided.ended, now);
  if (now < avoided.ended + kSettle) return false;
  change->lasted = avoided.ended - avoided.since;
  change->answers = cells.Totals(endpoint.cell).latency_count - avoided.answers;
  avoided_.erase(it);
  return true;
}

AvoidanceWatch::Found AvoidanceWatch::Look(const RoutingTable& table, const EndpointCells& cells,
                                           common::MonotonicTime now) {
  Found found;
  const uint64_t changes = cells.AvoidanceChanges();
  const bool same = std::exchange(changes_, changes) == changes;
  const bool same_table = std::exchange(table_serial_, table.serial) == table.serial;
  if (same && (avoided_.empty() || (same_table && !AnySettled(now)))) return found;
  ++looks_;
  ForEachEndpoint(table, [&](const ServiceTable& service, const Endpoint& endpoint) {
    AvoidanceChange change;
    if (!endpoint.cell.valid() || !Changed(endpoint, cells, now, &change)) return;
    if (found.changes.size() == kToldMax) {
      ++found.untold;
      return;
    }
    change.service = service.name;
    change.endpoint = endpoint.id();
    change.address = endpoint.address();
    found.changes.push_back(std::move(change));
  });
  absl::erase_if(avoided_, [this](const auto& item) { return item.second.look != looks_; });
  return found;
}

}  // namespace pointsman::gateway
