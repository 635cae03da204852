#include "sim/queueing.h"

#include <algorithm>
#include <random>

#include "common/core/check.h"
#include "sim/event_queue.h"
#include "sim/latency_by_rif.h"
#include "sim/load_report.h"
#include "sim/quantiles.h"
#include "sim/random.h"
#include "sim/server.h"

namespace pointsman::sim {
namespace {

constexpr double kMicros = 1e6;  // Of a mean service time.

common::MonotonicTime AtTime(double services) {
  return common::MonotonicTime::FromMicros(static_cast<int64_t>(services * kMicros));
}

class Experiment : public CompletionSink {
 public:
  Experiment(const QueueingOptions& options, const PolicyMaker& make_policy);
  QueueingResult Run();
  void OnCompletion(const Completion& completion) override;

 private:
  void Arrive();
  void Probe(size_t dispatcher);
  void RefreshBoard();
  void Report();
  void Tick(size_t dispatcher);
  std::span<const uint32_t> ViewOf(size_t dispatcher);
  void StartTimers();
  std::vector<ServerCounters> ReadCounters();
  double InFlightPerServer() const;

  const QueueingOptions& options_;
  EventQueue queue_;
  std::mt19937_64 arrival_random_, work_random_, policy_random_;
  PoissonArrivals arrivals_;
  std::vector<std::unique_ptr<Server>> servers_;
  std::vector<std::unique_ptr<Policy>> policies_;
  std::vector<uint32_t> in_flight_;         // By server.
  std::vector<uint32_t> board_;             // By server.
  std::vector<std::vector<uint32_t>> own_;  // By dispatcher and server.
  std::vector<LatencyByRif> latencies_;     // By server; filled once probes are sent.
  std::vector<ServerCounters> reported_;    // By server, at the last report.
  std::vector<uint32_t> targets_;
  uint32_t own_send_ = 0;  // What a send adds to own_.
  bool probes_sent_ = false;
  bool measuring_ = false;
  Quantiles times_;
};

double ArrivalsPerSecond(const QueueingOptions& options) {
  double speeds = 0;
  for (const double speed : options.speeds) speeds += speed;
  return options.load * speeds * options.concurrency;
}

Experiment::Experiment(const QueueingOptions& options, const PolicyMaker& make_policy)
    : options_(options),
      arrival_random_(3 * options.seed),
      work_random_(3 * options.seed + 1),
      policy_random_(3 * options.seed + 2),
      arrivals_(ArrivalsPerSecond(options)),
      in_flight_(options.speeds.size()),
      board_(options.speeds.size()),
      own_(options.dispatchers, std::vector<uint32_t>(options.speeds.size())),
      latencies_(options.speeds.size(), LatencyByRif(absl::Seconds(1))),
      reported_(options.speeds.size()) {
  PM_CHECK(!options.speeds.empty() && options.dispatchers >= 1);
  for (const double speed : options.speeds) {
    servers_.push_back(std::make_unique<Server>(
        queue_, ServerOptions{.concurrency = options.concurrency, .speed = speed}));
  }
  if (options.view == InFlightView::kOwn || options.view == InFlightView::kBoardPlusOwn) {
    own_send_ = 1;
  } else if (options.view == InFlightView::kBoardExtrapolated) {
    own_send_ = static_cast<uint32_t>(options.dispatchers);
  }
  for (size_t i = 0; i < options.dispatchers; ++i) {
    policies_.push_back(make_policy(options.speeds.size(), policy_random_));
  }
}

std::span<const uint32_t> Experiment::ViewOf(size_t dispatcher) {
  switch (options_.view) {
    case InFlightView::kTrue:
      return in_flight_;
    case InFlightView::kBoard:
      return board_;
    case InFlightView::kOwn:
    case InFlightView::kBoardPlusOwn:
    case InFlightView::kBoardExtrapolated:
      break;
  }
  return own_[dispatcher];
}

// One request, and the event of the next.
void Experiment::Arrive() {
  const size_t dispatcher =
      options_.dispatchers == 1 ? 0 : UniformIndex(options_.dispatchers, arrival_random_);
  const size_t server =
      policies_[dispatcher]->Pick({queue_.now(), ViewOf(dispatcher)}, policy_random_);
  ++in_flight_[server];
  own_[dispatcher][server] += own_send_;
  const double work = Exponential(kMicros, work_random_);
  servers_[server]->Submit({work, uint64_t{dispatcher} << 32 | server, this}, policy_random_);
  Probe(dispatcher);
  queue_.At(arrivals_.Next(arrival_random_), [this] { Arrive(); });
}

void Experiment::Probe(size_t dispatcher) {
  targets_.clear();
  policies_[dispatcher]->TakeProbes(targets_, policy_random_);
  if (targets_.empty()) return;
  probes_sent_ = true;
  const absl::Duration delay = absl::Seconds(options_.probe_delay);
  for (const uint32_t target : targets_) {
    queue_.After(delay, [this, dispatcher, target] {
      const uint32_t rif = servers_[target]->in_flight();
      const absl::Duration latency = latencies_[target].Estimate(rif, queue_.now());
      policies_[dispatcher]->OnProbe(target, {rif, latency}, queue_.now(), policy_random_);
    });
  }
}

void Experiment::OnCompletion(const Completion& completion) {
  const size_t dispatcher = completion.ticket >> 32;
  const size_t server = completion.ticket & UINT32_MAX;
  --in_flight_[server];
  if (options_.view == InFlightView::kOwn) --own_[dispatcher][server];
  if (probes_sent_) {
    latencies_[server].Add(completion.in_flight_at_arrival, completion.in_server, queue_.now());
  }
  if (measuring_) times_.Add(absl::ToInt64Microseconds(completion.in_server));
  policies_[dispatcher]->OnResult(server,
                                  {completion.in_server, completion.outcome == Outcome::kOk, true,
                                   completion.served, completion.queued},
                                  queue_.now());
}

void Experiment::RefreshBoard() {
  board_ = in_flight_;
  if (own_send_ > 0) {
    for (std::vector<uint32_t>& own : own_) own = board_;
  }
  queue_.After(absl::Seconds(options_.board_period), [this] { RefreshBoard(); });
}

void Experiment::Report() {
  const absl::Duration period = absl::Seconds(options_.report_period);
  for (size_t i = 0; i < servers_.size(); ++i) {
    const ServerCounters now = servers_[i]->counters();
    LoadReport report = ReportOf(reported_[i], now, period, options_.concurrency);
    report.in_flight = servers_[i]->in_flight();
    for (const auto& policy : policies_) policy->OnReport(i, report, queue_.now());
    reported_[i] = now;
  }
  queue_.After(period, [this] { Report(); });
}

void Experiment::Tick(size_t dispatcher) {
  Policy& policy = *policies_[dispatcher];
  policy.OnTick(queue_.now(), policy_random_);
  queue_.After(policy.tick_period(), [this, dispatcher] { Tick(dispatcher); });
}

void Experiment::StartTimers() {
  if (options_.view != InFlightView::kTrue && options_.view != InFlightView::kOwn) {
    PM_CHECK(options_.board_period > 0);
    RefreshBoard();
  }
  if (options_.report_period > 0) {
    queue_.After(absl::Seconds(options_.report_period), [this] { Report(); });
  }
  for (size_t i = 0; i < policies_.size(); ++i) {
    if (policies_[i]->tick_period() > absl::ZeroDuration()) Tick(i);
  }
  queue_.At(arrivals_.Next(arrival_random_), [this] { Arrive(); });
}

std::vector<ServerCounters> Experiment::ReadCounters() {
  std::vector<ServerCounters> counters;
  for (const auto& server : servers_) counters.push_back(server->counters());
  return counters;
}

double Experiment::InFlightPerServer() const {
  double sum = 0;
  for (const uint32_t count : in_flight_) sum += count;
  return sum / static_cast<double>(in_flight_.size());
}

QueueingResult Experiment::Run() {
  QueueingResult result;
  StartTimers();
  queue_.RunUntil(AtTime(options_.warmup));
  measuring_ = true;
  const std::vector<ServerCounters> before = ReadCounters();
  queue_.RunUntil(AtTime(options_.warmup + options_.duration / 2));
  result.in_flight_middle = InFlightPerServer();
  queue_.RunUntil(AtTime(options_.warmup + options_.duration));
  result.in_flight_end = InFlightPerServer();
  const std::vector<ServerCounters> after = ReadCounters();
  const double n = static_cast<double>(servers_.size());
  const absl::Duration elapsed = absl::Seconds(options_.duration);
  for (size_t i = 0; i < servers_.size(); ++i) {
    const double busy = BusyShare(before[i], after[i], elapsed, options_.concurrency);
    result.utilisation_mean += busy / n;
    result.utilisation_max = std::max(result.utilisation_max, busy);
    result.in_flight_mean += (after[i].in_flight_micros - before[i].in_flight_micros) /
                             (options_.duration * kMicros * n);
  }
  result.finished = times_.count();
  result.mean = times_.Mean() / kMicros;
  result.p50 = times_.Quantile(0.5) / kMicros;
  result.p90 = times_.Quantile(0.9) / kMicros;
  result.p99 = times_.Quantile(0.99) / kMicros;
  result.p999 = times_.Quantile(0.999) / kMicros;
  result.events = queue_.events_run();
  return result;
}

}  // namespace

QueueingResult RunQueueing(const QueueingOptions& options, const PolicyMaker& make_policy) {
  PM_CHECK(options.load > 0 && options.warmup >= 0 && options.duration > 0);
  return std::make_unique<Experiment>(options, make_policy)->Run();
}

}  // namespace pointsman::sim
