#pragma once

// C3's ranking (Suresh, Canini, Schmid, Feldmann, NSDI 2015; algorithms reference 5): the endpoint
// with the lowest R - s + q^3 s, where R is the moving average of response times as this client saw
// them, s that of the service times that answers tell of, and q = 1 + own requests in flight times
// the number of clients + the moving average of the queue that answers tell of. The cube keeps a
// fast server from being fed too much. An endpoint without history gets one request at a time.
//
// Left out: the rate control per server and the queue before it, and shadow reads. A request that
// failed without an answer counts by its own duration. O(endpoints) a pick. Thread-compatible.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sim/policy.h"

namespace pointsman::sim {

struct C3Options {
  double clients = 1;   // That share the endpoints; above 0.
  double newest = 0.9;  // Of an average, the part of the newest sample; 0 to 1.
};

class C3Policy : public Policy {
 public:
  // REQUIRES: endpoints >= 1.
  explicit C3Policy(size_t endpoints, const C3Options& options = {});
  size_t Pick(const PickView& view, absl::BitGenRef random) override;
  void OnResult(size_t endpoint, const RequestResult& result, common::MonotonicTime now) override;

  // The lower the better, in microseconds. Exposed for tests.
  double Rank(size_t endpoint, uint32_t in_flight) const;

 private:
  struct Averages {
    double response = 0;
    double service = 0;
    double queue = 0;
    bool known = false;
  };
  void Mix(double sample, double* average, bool known) const;

  const C3Options options_;
  std::vector<Averages> averages_;
};

}  // namespace pointsman::sim
