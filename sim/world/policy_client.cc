#include "sim/world/policy_client.h"

#include <utility>

#include "sim/load_report.h"
#include "sim/random.h"

namespace pointsman::sim {

PolicyClient::PolicyClient(Parts parts)
    : queue_(parts.queue),
      path_(parts.path),
      policy_(std::move(parts.policy)),
      random_(parts.random),
      in_flight_(parts.endpoints, 0),
      reported_(parts.endpoints) {
  // Clients are not started in the same moment.
  queue_.After(Uniform(random_) * kReportPeriod, [this] { ReadReports(); });
  const absl::Duration period = policy_->tick_period();
  if (period > absl::ZeroDuration()) {
    queue_.After(Uniform(random_) * period, [this] { Tick(); });
  }
}

std::optional<size_t> PolicyClient::Choose(const std::function<bool(size_t)>& may_use) {
  std::optional<size_t> chosen;
  for (int draw = 0; draw < kDrawsMax && !chosen; ++draw) {
    const size_t endpoint = policy_->Pick({queue_.now(), in_flight_}, random_);
    if (may_use(endpoint)) chosen = endpoint;
  }
  const size_t n = in_flight_.size();
  const size_t begin = UniformIndex(n, random_);
  for (size_t i = 0; i < n && !chosen; ++i) {
    if (may_use((begin + i) % n)) chosen = (begin + i) % n;
  }
  probes_.clear();
  policy_->TakeProbes(probes_, random_);
  for (const uint32_t endpoint : probes_) Probe(endpoint);
  return chosen;
}

void PolicyClient::OnEnd(size_t endpoint, const RequestResult& result) {
  --in_flight_[endpoint];
  policy_->OnResult(endpoint, result, queue_.now());
}

void PolicyClient::ReadReports() {
  for (size_t i = 0; i < reported_.size(); ++i) {
    Server& server = path_.server(i);
    const ServerFaults& faults = server.faults();
    const ServerCounters now = server.counters();
    const ServerCounters before = std::exchange(reported_[i], now);
    if (!path_.Reachable(i) || faults.crashed || faults.black_hole) continue;
    LoadReport report = ReportOf(before, now, kReportPeriod, server.options().concurrency);
    report.in_flight = server.in_flight();
    policy_->OnReport(i, report, queue_.now());
  }
  queue_.After(kReportPeriod, [this] { ReadReports(); });
}

void PolicyClient::Tick() {
  policy_->OnTick(queue_.now(), random_);
  queue_.After(policy_->tick_period(), [this] { Tick(); });
}

void PolicyClient::Probe(size_t endpoint) {
  if (!path_.Reachable(endpoint)) return;
  queue_.After(path_.OneWay(), [this, endpoint] {
    const ServerFaults& faults = path_.server(endpoint).faults();
    if (!path_.Reachable(endpoint) || faults.crashed || faults.black_hole) return;
    queue_.After(path_.OneWay(), [this, endpoint, answer = path_.Probe(endpoint)] {
      policy_->OnProbe(endpoint, answer, queue_.now(), random_);
    });
  });
}

}  // namespace pointsman::sim
