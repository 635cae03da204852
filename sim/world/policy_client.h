#pragma once

// One gateway's published policy in place of the real picker: keeps what the policy is told. It
// counts its own requests in flight, reads each server's report once a second (as gRPC's
// out-of-band reports), asks servers for their load when the policy probes, and turns the policy's
// ticks.
//
// A policy of the literature knows nothing of failures. What any client has beside it is here too:
// an endpoint that may not be used now (it refused a moment ago, or was tried for this request) is
// drawn again, as a channel that is not connected is skipped. A policy that counts a draw as a
// request it sent (Prequal) counts those as well. Thread-compatible; borrows what it is given.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/random/bit_gen_ref.h"
#include "sim/event_queue.h"
#include "sim/policy.h"
#include "sim/server.h"
#include "sim/world/wires.h"

namespace pointsman::sim {

class PolicyClient {
 public:
  static constexpr absl::Duration kReportPeriod = absl::Seconds(1);
  static constexpr int kDrawsMax = 16;

  struct Parts {
    EventQueue& queue;
    DataPath& path;
    std::unique_ptr<Policy> policy;
    absl::BitGenRef random;
    size_t endpoints = 0;
  };

  explicit PolicyClient(Parts parts);
  PolicyClient(const PolicyClient&) = delete;
  PolicyClient& operator=(const PolicyClient&) = delete;

  // nullopt: none may be used.
  std::optional<size_t> Choose(const std::function<bool(size_t)>& may_use);
  // A try at the endpoint begins, ends.
  void OnStart(size_t endpoint) { ++in_flight_[endpoint]; }
  void OnEnd(size_t endpoint, const RequestResult& result);

 private:
  void ReadReports();
  void Tick();
  void Probe(size_t endpoint);

  EventQueue& queue_;
  DataPath& path_;
  std::unique_ptr<Policy> policy_;
  absl::BitGenRef random_;
  std::vector<uint32_t> in_flight_;
  std::vector<ServerCounters> reported_;
  std::vector<uint32_t> probes_;  // Reused.
};

}  // namespace pointsman::sim
