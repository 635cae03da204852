#pragma once

// The policies by name, for scenarios and tables. Thread-safe.

#include <memory>
#include <vector>

#include "absl/random/bit_gen_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "sim/policies/c3.h"
#include "sim/policies/peak_ewma.h"
#include "sim/policies/pid.h"
#include "sim/policies/prequal.h"
#include "sim/policies/wrr.h"
#include "sim/policy.h"

namespace pointsman::sim {

struct PolicySettings {
  size_t endpoints = 1;
  // Of "weighted" and "weighted_p2c"; one for each endpoint.
  std::vector<double> weights = {};
  ScheduleKind schedule = ScheduleKind::kAlias;  // Of "weighted".
  PeakEwmaOptions peak_ewma = {};
  WrrOptions wrr = {};
  PidOptions pid = {};
  PrequalOptions prequal = {};
  C3Options c3 = {};
};

// All names that MakePolicy knows, in the order in which tables list them.
const std::vector<absl::string_view>& PolicyNames();

// InvalidArgument for an unknown name, no endpoints, or weights that are missing, negative or all
// 0.
absl::StatusOr<std::unique_ptr<Policy>> MakePolicy(absl::string_view name,
                                                   const PolicySettings& settings,
                                                   absl::BitGenRef random);

}  // namespace pointsman::sim
