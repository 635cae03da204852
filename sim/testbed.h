#pragma once

// The testbed of "Load is not what you should balance" (Wydrowski, Kleinberg, Rumble, Archer, NSDI
// 2024; algorithms reference 1.6), as far as it is published: clients that each balance over all
// servers by a policy of their own, servers with a share of a machine that neighbours take from and
// leave to at random, queries of normal work truncated at 0, and a deadline at which a query counts
// as failed. What is not published (how much neighbours take, how long, how many slots a server
// has) are options; tests/sim/theory/testbed_test.cc says how they were found.
//
// Half of the clients are not told apart from the other half; probes and reports take no place in a
// server's queue. Thread-safe: runs share nothing.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "absl/random/bit_gen_ref.h"
#include "absl/time/time.h"
#include "sim/policy.h"
#include "sim/quantiles.h"

namespace pointsman::sim {

struct TestbedOptions {
  size_t clients = 100;
  size_t servers = 100;
  uint32_t slots = 6;  // Of each server.
  // At speed 1, the server's own share of its machine; normal with sigma = mean, cut at 0.
  double work_mean_ms = 79;
  double load = 0.7;  // Arriving work per work that all servers do at speed 1.
  // A machine is crowded for this share of its time, and its server then as fast as that; otherwise
  // the neighbours leave more than the server's own share.
  double crowded_share = 0.25;
  double crowded_speed = 0.65;
  double free_speed = 1.05;
  absl::Duration crowded_for = absl::Seconds(30);  // Mean; exponential.
  absl::Duration one_way = absl::Microseconds(200);
  absl::Duration deadline = absl::Seconds(5);
  absl::Duration report_period = absl::Seconds(1);
  absl::Duration warmup = absl::Seconds(20);
  absl::Duration duration = absl::Seconds(15);
  uint64_t seed = 1;
};

struct TestbedResult {
  Quantiles latency;  // As clients see it; a query at its deadline counts as having taken that.
  uint64_t queries = 0;
  uint64_t late = 0;       // At their deadline.
  double utilisation = 0;  // Busy share of all slots.
};

// Called once for each client.
using TestbedPolicyMaker =
    std::function<std::unique_ptr<Policy>(size_t servers, absl::BitGenRef random)>;

// REQUIRES: options in their ranges. O(queries * cost of a pick).
TestbedResult RunTestbed(const TestbedOptions& options, const TestbedPolicyMaker& make_policy);

}  // namespace pointsman::sim
