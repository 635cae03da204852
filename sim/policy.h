#pragma once

// What all pickers have in common that are compared with ours: one Policy is one client's (or one
// gateway's) choice among a fixed number of endpoints, named by their index. A policy is pure: it
// is told the time, what is in flight, results, reports and probe answers, and draws from the
// generator it is given. So every policy sees the same world through the same few calls, and the
// world needs to know none of them. Thread-compatible.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/random/bit_gen_ref.h"
#include "absl/time/time.h"
#include "common/core/time.h"

namespace pointsman::sim {

struct PickView {
  common::MonotonicTime now;
  // What this client believes to be in flight at each endpoint: its own requests, the servers'
  // true numbers, or a board of them that is some time old; the experiment decides. One for each
  // endpoint.
  std::span<const uint32_t> in_flight;
};

struct RequestResult {
  absl::Duration latency;  // As the client saw it.
  bool ok = true;
  // What an answer says of its server: there was one; how long this request was served, without
  // waiting; how many waited when it was answered.
  bool server_told = false;
  absl::Duration served = absl::ZeroDuration();
  uint32_t queued = 0;
};

// A server's report about itself, over its last interval.
struct LoadReport {
  double qps = 0;          // Answers a second, errors too.
  double eps = 0;          // Errors a second.
  double cpu = 0;          // Share of what it may use; may exceed 1.
  double application = 0;  // Utilisation by its own measure; 0: it has none.
  uint32_t in_flight = 0;  // At the interval's end.
};

struct ProbeAnswer {
  uint32_t rif = 0;        // In flight at the server.
  absl::Duration latency;  // The server's estimate at that RIF.
};

class Policy {
 public:
  virtual ~Policy() = default;

  // The endpoint of one request that is sent at once. REQUIRES: view.in_flight has one number for
  // each endpoint.
  virtual size_t Pick(const PickView& view, absl::BitGenRef random) = 0;
  // How a request ended.
  virtual void OnResult(size_t endpoint, const RequestResult& result, common::MonotonicTime now) {}
  virtual void OnReport(size_t endpoint, const LoadReport& report, common::MonotonicTime now) {}

  // Zero: OnTick need not be called. Otherwise it is, at this period.
  virtual absl::Duration tick_period() const { return absl::ZeroDuration(); }
  virtual void OnTick(common::MonotonicTime now, absl::BitGenRef random) {}

  // The endpoints to probe because of the last Pick, appended to `targets`; asked once after each
  // pick. Answers come by OnProbe, or never.
  virtual void TakeProbes(std::vector<uint32_t>& targets, absl::BitGenRef random) {}
  virtual void OnProbe(size_t endpoint, const ProbeAnswer& answer, common::MonotonicTime now,
                       absl::BitGenRef random) {}
};

}  // namespace pointsman::sim
