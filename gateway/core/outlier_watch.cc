#include "gateway/core/outlier_watch.h"

namespace pointsman::gateway {
namespace {

// What an endpoint gets depends on who asks.
bool GoesByKey(const ServiceTable& service) {
  if (service.affinity != nullptr) return true;
  return service.picker != nullptr && service.picker->hashes();
}

}  // namespace

OutlierWatch::Found OutlierWatch::Look(const RoutingTable& table, common::MonotonicTime now) {
  Found found;
  ++look_;
  for (const auto& service : table.services) {
    if (!service->cell.valid() || service->groups.empty()) continue;
    LookAt(*service, now, &found);
  }
  // Of services that left, or that nobody asked. The order does not matter.
  for (auto it = windows_.begin(); it != windows_.end();) {
    if (it->second.look == look_) {
      ++it;
    } else {
      windows_.erase(it++);
    }
  }
  return found;
}

void OutlierWatch::LookAt(const ServiceTable& service, common::MonotonicTime now, Found* found) {
  const uint64_t requests = cells_.OwnTries(service.cell);
  auto it = windows_.find(service.cell.index);
  if (it == windows_.end() || it->second.service != service.cell) {
    if (requests == 0) return;
    it = windows_.insert_or_assign(service.cell.index, Window()).first;
    it->second.service = service.cell;
    it->second.look = look_;
    it->second.requests = requests;
    return Begin(service, &it->second);
  }
  Window& window = it->second;
  if (requests == window.requests) return;
  window.look = look_;
  window.requests = requests;
  const uint64_t enough = kTriesPerEndpoint * service.endpoints.size();
  if (++window.looks < kLooksMax && requests - window.begun < enough) return;
  for (const PriorityGroup& group : service.groups) {
    JudgeGroup(service, group, &window, now, found);
  }
  Begin(service, &window);
}

void OutlierWatch::Begin(const ServiceTable& service, Window* window) const {
  window->begun = window->requests;
  window->looks = 0;
  window->endpoints.resize(service.endpoints.size() <= kEndpointsMax ? service.endpoints.size()
                                                                     : 0);
  for (size_t i = 0; i < window->endpoints.size(); ++i) {
    const CellRef cell = service.cells[i];
    Before& before = window->endpoints[i];
    if (before.cell != cell) before = Before{cell, {}, false};
    if (cell.valid()) before.counts = cells_.Own(cell);
  }
}

void OutlierWatch::JudgeGroup(const ServiceTable& service, const PriorityGroup& group,
                              Window* window, common::MonotonicTime now, Found* found) {
  samples_.clear();
  positions_.clear();
  for (size_t i = 0; i < group.table.size() && i < window->endpoints.size(); ++i) {
    if (group.table.weight(i) == 0) continue;
    samples_.push_back(SampleOf(service, i, *window, now));
    samples_.back().weight = group.table.weight(i);
    positions_.push_back(i);
  }
  const std::vector<OutlierVerdict> verdicts = LocalOutliers::Judge(samples_);
  for (size_t k = 0; k < verdicts.size(); ++k) {
    Before& before = window->endpoints[positions_[k]];
    before.slow = verdicts[k].slow;
    if (verdicts[k].outlier == Outlier::kNone) continue;
    avoidance_.OnOutlier(before.cell, verdicts[k].outlier, now);
    ++(verdicts[k].outlier == Outlier::kFailing ? found->failing : found->slow);
  }
}

OutlierSample OutlierWatch::SampleOf(const ServiceTable& service, size_t position,
                                     const Window& window, common::MonotonicTime now) const {
  OutlierSample sample;
  const CellRef cell = service.cells[position];
  const Before& before = window.endpoints[position];
  sample.locality = service.endpoints[position].locality;
  // One that is new has no window yet.
  if (cell != before.cell) return sample;
  const OwnCounts counts = cells_.Own(cell);
  const bool by_key = GoesByKey(service);
  sample.tries = counts.tries - before.counts.tries;
  sample.failures = counts.unanswered - before.counts.unanswered;
  if (!by_key) {
    sample.failures += counts.server_errors - before.counts.server_errors;
    sample.latency_sum_micros = counts.latency_sum_micros - before.counts.latency_sum_micros;
    for (size_t i = 0; i < kCellLatencyBuckets; ++i) {
      sample.latency_buckets[i] =
          static_cast<uint32_t>(counts.latency_buckets[i] - before.counts.latency_buckets[i]);
    }
  }
  sample.out = avoidance_.Judge(cell, now) != LocalAvoidance::Verdict::kUse;
  sample.suspect = before.slow || avoidance_.WasOutlier(cell);
  return sample;
}

}  // namespace pointsman::gateway
