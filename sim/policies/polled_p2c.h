#pragma once

// YARP's power of two choices (algorithms reference 1.7): of two endpoints drawn at random the one
// that had less in flight, all clients' requests counted, when it was asked last. Nothing of the
// client's own enters. Thread-compatible.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sim/policy.h"

namespace pointsman::sim {

class PolledP2cPolicy : public Policy {
 public:
  // REQUIRES: endpoints >= 1.
  explicit PolledP2cPolicy(size_t endpoints);
  size_t Pick(const PickView& view, absl::BitGenRef random) override;
  void OnReport(size_t endpoint, const LoadReport& report, common::MonotonicTime now) override;

 private:
  std::vector<uint32_t> polled_;
};

}  // namespace pointsman::sim
