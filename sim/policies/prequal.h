#pragma once

// Prequal's asynchronous probing with the hot-cold lexicographic rule (Wydrowski, Kleinberg,
// Rumble, Archer, "Load is not what you should balance", NSDI 2024; algorithms reference 1).
//
// Each query sends a few probes and is itself placed by answers that came before. A probe is hot
// when its RIF is above the Q_RIF quantile of the newest RIF of each endpoint. The pick is the cold
// probe with the lowest latency, or, when all are hot, the one with the lowest RIF. A probe leaves
// the pool when it is the oldest of a full one, too old, used up, or removed: each query removes
// some, the oldest and the worst in turn. Error aversion is not published and not here.
// Thread-compatible.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "common/core/time.h"
#include "sim/policy.h"

namespace pointsman::sim {

struct PrequalOptions {
  size_t pool = 16;
  double probes_per_query = 3;    // Fractions are rounded at random.
  double removals_per_query = 1;  // Likewise.
  absl::Duration probe_age_max = absl::Seconds(1);
  double q_rif = 0.8408964152537145;  // 2^-0.25. 0: by RIF only; 1 and more: by latency only.
  double delta = 1;                   // Net growth of the pool for each query.
  size_t occupancy_min = 2;           // With fewer probes an endpoint is drawn at random.
};

// How often one probe may be used, at least 1:
// (1 + delta) / ((1 - pool / n) * probes - removals); kReuseMax where that has no positive
// denominator (endpoints are about as few as the pool's probes).
inline constexpr double kReuseMax = 1e6;
double PrequalReuseBudget(const PrequalOptions& options, size_t endpoints);

// The probes that one client holds.
class ProbePool {
 public:
  // REQUIRES: endpoints >= 1, pool >= 1.
  ProbePool(size_t endpoints, const PrequalOptions& options);

  void Add(uint32_t endpoint, const ProbeAnswer& answer, common::MonotonicTime now,
           absl::BitGenRef random);
  // The endpoint for a query, by the rule or at random, and counts the query as in flight there.
  // O(pool + highest RIF).
  size_t Take(common::MonotonicTime now, absl::BitGenRef random);
  // Removes what one query removes.
  void Clean(common::MonotonicTime now, absl::BitGenRef random);

  size_t size() const { return probes_.size(); }
  // A RIF above it is hot.
  uint32_t HotAbove() const;

 private:
  struct Probe {
    uint32_t endpoint;
    uint32_t rif;  // Counts what this client has sent there since.
    int64_t latency_micros;
    common::MonotonicTime at;
    uint32_t uses_left;
  };
  static constexpr uint32_t kRifMax = 4095;  // Higher ones count as this in the quantile.

  static bool Ranks(const Probe& a, const Probe& b, uint32_t hot_above);
  void DropOld(common::MonotonicTime now);
  // Index of the one that the rule ranks first or last. REQUIRES: some probe.
  size_t Best() const;
  size_t Worst() const;

  PrequalOptions options_;
  size_t endpoints_;
  double reuse_budget_;
  std::vector<Probe> probes_;  // Oldest first.
  bool remove_worst_next_ = false;
  // The newest RIF of each endpoint that was probed, and how many endpoints have which.
  std::vector<int32_t> newest_rif_;
  std::vector<uint32_t> endpoints_at_rif_;
  uint32_t endpoints_known_ = 0;
};

class PrequalPolicy : public Policy {
 public:
  explicit PrequalPolicy(size_t endpoints, const PrequalOptions& options = {});
  size_t Pick(const PickView& view, absl::BitGenRef random) override;
  void TakeProbes(std::vector<uint32_t>& targets, absl::BitGenRef random) override;
  void OnProbe(size_t endpoint, const ProbeAnswer& answer, common::MonotonicTime now,
               absl::BitGenRef random) override;

 private:
  PrequalOptions options_;
  size_t endpoints_;
  ProbePool pool_;
};

}  // namespace pointsman::sim
