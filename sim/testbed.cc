#include "sim/testbed.h"

#include <random>
#include <utility>
#include <vector>

#include "common/core/check.h"
#include "common/core/hashing.h"
#include "sim/event_queue.h"
#include "sim/latency_by_rif.h"
#include "sim/load_report.h"
#include "sim/random.h"
#include "sim/server.h"

namespace pointsman::sim {
namespace {

using common::MonotonicTime;

constexpr MonotonicTime kStart = MonotonicTime::FromMicros(1'000'000'000);

class Testbed : public CompletionSink {
 public:
  Testbed(const TestbedOptions& options, const TestbedPolicyMaker& make_policy);

  TestbedResult Run();

 private:
  struct Client {
    std::unique_ptr<Policy> policy;
    std::vector<uint32_t> in_flight;  // Its own, by server.
  };
  struct Machine {
    std::unique_ptr<Server> server;
    LatencyByRif latencies;
    ServerCounters reported;
    bool crowded = false;
  };
  struct Query {
    size_t client = 0;
    size_t server = 0;
    double work = 0;
    MonotonicTime began;
    uint32_t generation = 1;
    Server::JobId job = Server::kNoJob;
    RequestResult told;  // What the answer says of its server.
    EventQueue::EventId deadline = EventQueue::kNoEvent;
  };

  static uint64_t TicketOf(const Query& query, uint32_t index) {
    return uint64_t{query.generation} << 32 | index;
  }
  Query* Find(uint64_t ticket);

  void OnCompletion(const Completion& completion) override;
  void Arrive();
  void Send(uint32_t index);
  void Probe(size_t client, size_t server);
  void End(uint64_t ticket, bool ok);
  void SetSpeed(Machine& machine);
  void Crowd(size_t server);
  void Report();
  void Tick(size_t client);

  const TestbedOptions options_;
  EventQueue queue_;
  std::mt19937_64 arrivals_random_, machines_random_, policies_random_;
  std::vector<Client> clients_;
  std::vector<Machine> machines_;
  std::vector<std::unique_ptr<Query>> queries_;
  std::vector<uint32_t> free_;
  std::vector<uint32_t> probes_;
  std::unique_ptr<PoissonArrivals> arrivals_;
  MonotonicTime measured_from_;
  TestbedResult result_;
};

Testbed::Testbed(const TestbedOptions& options, const TestbedPolicyMaker& make_policy)
    : options_(options),
      arrivals_random_(common::HashCombine(options.seed, 1)),
      machines_random_(common::HashCombine(options.seed, 2)),
      policies_random_(common::HashCombine(options.seed, 3)),
      machines_(options.servers),
      measured_from_(kStart + options.warmup) {
  PM_CHECK(options.clients > 0 && options.servers > 0 && options.load > 0);
  queue_.RunUntil(kStart);
  for (size_t i = 0; i < machines_.size(); ++i) {
    Machine& machine = machines_[i];
    machine.server = std::make_unique<Server>(queue_, ServerOptions{.concurrency = options.slots});
    machine.crowded = Chance(options.crowded_share, machines_random_);
    SetSpeed(machine);
    Crowd(i);
  }
  for (size_t i = 0; i < options.clients; ++i) {
    Client& client = clients_.emplace_back();
    client.policy = make_policy(options.servers, policies_random_);
    client.in_flight.assign(options.servers, 0);
    const absl::Duration period = client.policy->tick_period();
    if (period > absl::ZeroDuration()) {
      queue_.After(Uniform(policies_random_) * period, [this, i] { Tick(i); });
    }
  }
  const double mean_micros = options.work_mean_ms * 1e3;
  const double capacity = static_cast<double>(options.servers) * options.slots * 1e6;
  arrivals_ = std::make_unique<PoissonArrivals>(options.load * capacity / mean_micros, kStart);
  queue_.At(arrivals_->Next(arrivals_random_), [this] { Arrive(); });
  queue_.After(options.report_period, [this] { Report(); });
}

Testbed::Query* Testbed::Find(uint64_t ticket) {
  Query* query = queries_[static_cast<uint32_t>(ticket)].get();
  return query->generation == ticket >> 32 ? query : nullptr;
}

void Testbed::Arrive() {
  if (free_.empty()) {
    free_.push_back(static_cast<uint32_t>(queries_.size()));
    queries_.push_back(std::make_unique<Query>());
  }
  const uint32_t index = free_.back();
  free_.pop_back();
  Query& query = *queries_[index];
  query.client = UniformIndex(clients_.size(), arrivals_random_);
  // Scaled so that the mean is the option's although the normal is cut at 0: at sigma = mean, the
  // published case, that raises it by phi(1) / Phi(1).
  constexpr double kCut = 1.28760;
  const double mean = options_.work_mean_ms * 1e3 / kCut;
  query.work = TruncatedNormal(mean, mean, 0, arrivals_random_);
  query.began = queue_.now();
  query.job = Server::kNoJob;
  query.told = {};
  Client& client = clients_[query.client];
  query.server = client.policy->Pick({queue_.now(), client.in_flight}, policies_random_);
  ++client.in_flight[query.server];
  const uint64_t ticket = TicketOf(query, index);
  query.deadline = queue_.After(options_.deadline, [this, ticket] { End(ticket, false); });
  queue_.After(options_.one_way, [this, ticket, index] {
    if (Find(ticket) != nullptr) Send(index);
  });
  probes_.clear();
  client.policy->TakeProbes(probes_, policies_random_);
  for (const uint32_t server : probes_) Probe(query.client, server);
  queue_.At(arrivals_->Next(arrivals_random_), [this] { Arrive(); });
}

void Testbed::Send(uint32_t index) {
  Query& query = *queries_[index];
  query.job = machines_[query.server].server->Submit({query.work, TicketOf(query, index), this},
                                                     policies_random_);
}

void Testbed::OnCompletion(const Completion& completion) {
  Query* query = Find(completion.ticket);
  if (query == nullptr) return;
  query->job = Server::kNoJob;
  machines_[query->server].latencies.Add(completion.in_flight_at_arrival, completion.in_server,
                                         queue_.now());
  queue_.After(options_.one_way, [this, completion] {
    Query* answered = Find(completion.ticket);
    if (answered == nullptr) return;
    answered->told = {{}, true, true, completion.served, completion.queued};
    End(completion.ticket, true);
  });
}

void Testbed::End(uint64_t ticket, bool ok) {
  Query* query = Find(ticket);
  if (query == nullptr) return;
  queue_.Cancel(query->deadline);
  if (query->job != Server::kNoJob) machines_[query->server].server->Abandon(query->job);
  const absl::Duration took = ok ? queue_.now() - query->began : options_.deadline;
  Client& client = clients_[query->client];
  --client.in_flight[query->server];
  RequestResult result = query->told;
  result.latency = took;
  result.ok = ok;
  client.policy->OnResult(query->server, result, queue_.now());
  if (query->began >= measured_from_) {
    ++result_.queries;
    if (!ok) ++result_.late;
    result_.latency.Add(absl::ToInt64Microseconds(took));
  }
  ++query->generation;
  free_.push_back(static_cast<uint32_t>(ticket));
}

void Testbed::Probe(size_t client, size_t server) {
  queue_.After(options_.one_way, [this, client, server] {
    Machine& machine = machines_[server];
    const uint32_t rif = machine.server->in_flight();
    const ProbeAnswer answer{rif, machine.latencies.Estimate(rif, queue_.now())};
    queue_.After(options_.one_way, [this, client, server, answer] {
      clients_[client].policy->OnProbe(server, answer, queue_.now(), policies_random_);
    });
  });
}

void Testbed::SetSpeed(Machine& machine) {
  machine.server->SetSpeed(machine.crowded ? options_.crowded_speed : options_.free_speed);
}

// The machine's next change: the times in both states have the ratio of their shares.
void Testbed::Crowd(size_t server) {
  const double share = options_.crowded_share;
  const double mean = absl::ToDoubleMicroseconds(options_.crowded_for) *
                      (machines_[server].crowded ? 1 : (1 - share) / share);
  const auto wait = absl::Microseconds(static_cast<int64_t>(Exponential(mean, machines_random_)));
  queue_.After(wait, [this, server] {
    Machine& machine = machines_[server];
    machine.crowded = !machine.crowded;
    SetSpeed(machine);
    Crowd(server);
  });
}

void Testbed::Report() {
  for (size_t i = 0; i < machines_.size(); ++i) {
    Machine& machine = machines_[i];
    const ServerCounters now = machine.server->counters();
    const ServerCounters before = std::exchange(machine.reported, now);
    // On a crowded machine a query takes more CPU time: caches and memory are shared.
    LoadReport report = ReportOf(before, now, options_.report_period, options_.slots);
    report.in_flight = machine.server->in_flight();
    for (Client& client : clients_) client.policy->OnReport(i, report, queue_.now());
  }
  queue_.After(options_.report_period, [this] { Report(); });
}

void Testbed::Tick(size_t client) {
  clients_[client].policy->OnTick(queue_.now(), policies_random_);
  queue_.After(clients_[client].policy->tick_period(), [this, client] { Tick(client); });
}

TestbedResult Testbed::Run() {
  queue_.RunUntil(measured_from_);
  std::vector<ServerCounters> before;
  before.reserve(machines_.size());
  for (Machine& machine : machines_) before.push_back(machine.server->counters());
  queue_.RunUntil(measured_from_ + options_.duration);
  for (size_t i = 0; i < machines_.size(); ++i) {
    result_.utilisation +=
        BusyShare(before[i], machines_[i].server->counters(), options_.duration, options_.slots) /
        static_cast<double>(machines_.size());
  }
  return result_;
}

}  // namespace

TestbedResult RunTestbed(const TestbedOptions& options, const TestbedPolicyMaker& make_policy) {
  return Testbed(options, make_policy).Run();
}

}  // namespace pointsman::sim
