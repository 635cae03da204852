#include "sim/policies/prequal.h"

#include <algorithm>
#include <cmath>

#include "common/core/check.h"
#include "sim/random.h"

namespace pointsman::sim {

double PrequalReuseBudget(const PrequalOptions& options, size_t endpoints) {
  const double kept =
      1 - static_cast<double>(options.pool) / static_cast<double>(std::max<size_t>(endpoints, 1));
  const double net = kept * options.probes_per_query - options.removals_per_query;
  if (net <= 0) return kReuseMax;
  return std::clamp((1 + options.delta) / net, 1.0, kReuseMax);
}

ProbePool::ProbePool(size_t endpoints, const PrequalOptions& options)
    : options_(options),
      endpoints_(endpoints),
      reuse_budget_(PrequalReuseBudget(options, endpoints)),
      newest_rif_(endpoints, -1),
      endpoints_at_rif_(kRifMax + 1) {
  PM_CHECK(endpoints >= 1 && options.pool >= 1);
}

void ProbePool::Add(uint32_t endpoint, const ProbeAnswer& answer, common::MonotonicTime now,
                    absl::BitGenRef random) {
  PM_CHECK(endpoint < endpoints_);
  if (probes_.size() >= options_.pool) probes_.erase(probes_.begin());
  probes_.push_back({endpoint, answer.rif, absl::ToInt64Microseconds(answer.latency), now,
                     RoundAtRandom(reuse_budget_, random)});
  int32_t& newest = newest_rif_[endpoint];
  if (newest < 0) {
    ++endpoints_known_;
  } else {
    --endpoints_at_rif_[newest];
  }
  newest = static_cast<int32_t>(std::min(answer.rif, kRifMax));
  ++endpoints_at_rif_[newest];
}

uint32_t ProbePool::HotAbove() const {
  if (options_.q_rif >= 1) return UINT32_MAX;
  const uint32_t wanted =
      std::max<uint32_t>(1, static_cast<uint32_t>(std::ceil(options_.q_rif * endpoints_known_)));
  uint32_t seen = 0;
  for (uint32_t rif = 0; rif <= kRifMax; ++rif) {
    seen += endpoints_at_rif_[rif];
    if (seen >= wanted) return rif;
  }
  return kRifMax;
}

// Whether the rule ranks `a` before `b`.
bool ProbePool::Ranks(const Probe& a, const Probe& b, uint32_t hot_above) {
  const bool hot_a = a.rif > hot_above, hot_b = b.rif > hot_above;
  if (hot_a != hot_b) return hot_b;
  return hot_a ? a.rif < b.rif : a.latency_micros < b.latency_micros;
}

size_t ProbePool::Best() const {
  const auto before = [hot_above = HotAbove()](const Probe& a, const Probe& b) {
    return Ranks(a, b, hot_above);
  };
  return std::min_element(probes_.begin(), probes_.end(), before) - probes_.begin();
}

size_t ProbePool::Worst() const {
  const auto before = [hot_above = HotAbove()](const Probe& a, const Probe& b) {
    return Ranks(a, b, hot_above);
  };
  return std::max_element(probes_.begin(), probes_.end(), before) - probes_.begin();
}

void ProbePool::DropOld(common::MonotonicTime now) {
  const auto fresh = std::find_if(probes_.begin(), probes_.end(), [&](const Probe& probe) {
    return now - probe.at <= options_.probe_age_max;
  });
  probes_.erase(probes_.begin(), fresh);
}

size_t ProbePool::Take(common::MonotonicTime now, absl::BitGenRef random) {
  DropOld(now);
  if (probes_.size() < options_.occupancy_min || probes_.empty()) {
    return UniformIndex(endpoints_, random);
  }
  const size_t best = Best();
  Probe& probe = probes_[best];
  const size_t endpoint = probe.endpoint;
  ++probe.rif;
  if (--probe.uses_left == 0) probes_.erase(probes_.begin() + best);
  return endpoint;
}

void ProbePool::Clean(common::MonotonicTime now, absl::BitGenRef random) {
  DropOld(now);
  const uint32_t removals = RoundAtRandom(options_.removals_per_query, random);
  for (uint32_t i = 0; i < removals && !probes_.empty(); ++i) {
    probes_.erase(probes_.begin() + (remove_worst_next_ ? Worst() : 0));
    remove_worst_next_ = !remove_worst_next_;
  }
}

PrequalPolicy::PrequalPolicy(size_t endpoints, const PrequalOptions& options)
    : options_(options), endpoints_(endpoints), pool_(endpoints, options) {}

size_t PrequalPolicy::Pick(const PickView& view, absl::BitGenRef random) {
  const size_t endpoint = pool_.Take(view.now, random);
  pool_.Clean(view.now, random);
  return endpoint;
}

// Different endpoints, each set as likely (R. Floyd's sampling).
void PrequalPolicy::TakeProbes(std::vector<uint32_t>& targets, absl::BitGenRef random) {
  const size_t wanted = RoundAtRandom(options_.probes_per_query, random);
  const size_t count = std::min(wanted, endpoints_);
  const size_t begin = targets.size();
  for (size_t top = endpoints_ - count; top < endpoints_; ++top) {
    const uint32_t drawn = static_cast<uint32_t>(UniformIndex(top + 1, random));
    const bool taken = std::find(targets.begin() + begin, targets.end(), drawn) != targets.end();
    targets.push_back(taken ? static_cast<uint32_t>(top) : drawn);
  }
}

void PrequalPolicy::OnProbe(size_t endpoint, const ProbeAnswer& answer, common::MonotonicTime now,
                            absl::BitGenRef random) {
  pool_.Add(static_cast<uint32_t>(endpoint), answer, now, random);
}

}  // namespace pointsman::sim
