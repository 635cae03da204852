#include "sim/world/exchanges.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "common/core/check.h"

namespace pointsman::sim {
namespace {

using gateway::PickResult;
using gateway::TryOutcome;

constexpr absl::Duration kNotMeasured = absl::Microseconds(-1);

}  // namespace

Exchanges::Exchanges(Parts parts)
    : queue_(parts.queue),
      path_(parts.path),
      onlooker_(parts.onlooker),
      random_(parts.random),
      cells_(parts.cells),
      gateway_(parts.gateway),
      avoidance_(parts.cells),
      idle_(parts.endpoints, 0),
      in_table_(parts.endpoints, nullptr) {
  if (parts.policy == nullptr) return;
  policy_ = std::make_unique<PolicyClient>(
      PolicyClient::Parts{queue_, path_, std::move(parts.policy), random_, parts.endpoints});
}

void Exchanges::SetTable(std::shared_ptr<const gateway::ServiceTable> table) {
  table_ = std::move(table);
  std::fill(in_table_.begin(), in_table_.end(), nullptr);
  if (table_ == nullptr) return;
  for (const gateway::Endpoint& endpoint : table_->endpoints) {
    if (!endpoint.cell.valid()) continue;
    const size_t slot = endpoint.cell.index;
    if (endpoint_of_slot_.size() <= slot) endpoint_of_slot_.resize(slot + 1);
    uint32_t index = 0;
    PM_CHECK(absl::SimpleAtoi(absl::string_view(endpoint.id()).substr(1), &index));
    PM_CHECK(index < idle_.size());
    endpoint_of_slot_[slot] = index;
    in_table_[index] = &endpoint;
  }
}

Exchanges::Exchange* Exchanges::Find(uint64_t ticket) {
  Exchange* exchange = exchanges_[static_cast<uint32_t>(ticket)].get();
  return exchange->generation == ticket >> 32 ? exchange : nullptr;
}

void Exchanges::Begin(double work_micros) {
  if (free_.empty()) {
    free_.push_back(static_cast<uint32_t>(exchanges_.size()));
    exchanges_.push_back(std::make_unique<Exchange>());
    exchanges_.back()->index = free_.back();
  }
  Exchange& exchange = *exchanges_[free_.back()];
  free_.pop_back();
  exchange.state = {};
  exchange.state.request_started = queue_.now();
  exchange.work = work_micros;
  exchange.tries = 0;
  exchange.tried.clear();
  exchange.service = {};
  const bool admitted = table_ != nullptr && table_->unavailable.empty() &&
                        cells_.StartTry(table_->cell, table_->policy.max_in_flight);
  if (!admitted) return Finish(exchange, Ending::kTurnedAway);
  exchange.service = table_->cell;
  const gateway::ServicePolicy& policy = table_->policy;
  budget_.OnRequest(
      {policy.retry_budget_ratio, static_cast<double>(policy.retry_budget_min_per_second)},
      queue_.now());
  if (!PickAndTry(exchange)) Finish(exchange, Ending::kTurnedAway);
}

// ---- Tries.

PickResult Exchanges::PickByPolicy(const Exchange& exchange) {
  using Verdict = gateway::LocalAvoidance::Verdict;
  const auto judge = [&](size_t endpoint) {
    return avoidance_.Judge(in_table_[endpoint]->cell, queue_.now());
  };
  const auto untried = [&](size_t endpoint) {
    if (in_table_[endpoint] == nullptr) return false;
    const gateway::CellRef cell = in_table_[endpoint]->cell;
    return std::find(exchange.tried.begin(), exchange.tried.end(), cell) == exchange.tried.end();
  };
  std::optional<size_t> chosen = policy_->Choose(
      [&](size_t endpoint) { return untried(endpoint) && judge(endpoint) != Verdict::kAvoid; });
  if (!chosen) chosen = policy_->Choose(untried);
  if (!chosen) return {PickResult::Status::kAllTried, nullptr, false};
  const bool probe = judge(*chosen) == Verdict::kProbe;
  return {PickResult::Status::kPicked, in_table_[*chosen], probe};
}

PickResult Exchanges::PickFor(const Exchange& exchange) {
  if (policy_ != nullptr) return PickByPolicy(exchange);
  return Pick(*table_, {cells_, avoidance_, queue_.now()}, exchange.tried, {}, random_);
}

bool Exchanges::PickAndTry(Exchange& exchange) {
  const PickResult pick = PickFor(exchange);
  if (pick.status != PickResult::Status::kPicked) return false;
  exchange.cell = pick.endpoint->cell;
  exchange.endpoint = endpoint_of_slot_[exchange.cell.index];
  exchange.tried.push_back(exchange.cell);
  if (pick.probe) avoidance_.OnProbeStarted(exchange.cell, queue_.now());
  StartTry(exchange);
  return true;
}

void Exchanges::StartTry(Exchange& exchange) {
  ++exchange.tries;
  ++exchange.generation;
  exchange.job = Server::kNoJob;
  exchange.told = {};
  exchange.state.per_try_waived = false;
  exchange.try_started = queue_.now();
  onlooker_.OnTry(gateway_, exchange.endpoint);
  // A published policy knows no limits; ours has left out who is at its own.
  cells_.StartTry(exchange.cell, policy_ != nullptr ? gateway::kNoCellLimit
                                                    : table_->policy.max_in_flight_per_endpoint);
  if (policy_ != nullptr) policy_->OnStart(exchange.endpoint);
  if (idle_[exchange.endpoint] > 0) {
    --idle_[exchange.endpoint];
    return SendRequest(exchange);
  }
  exchange.state.phase = TryPhase::kConnecting;
  exchange.state.phase_started = queue_.now();
  ArmDeadline(exchange);
  if (!path_.Reachable(exchange.endpoint)) return;
  const absl::Duration round_trip = path_.OneWay() + path_.OneWay();
  queue_.After(round_trip, [this, ticket = TicketOf(exchange)] { OnConnected(ticket); });
}

// A host that cannot be reached any more lets it time out.
void Exchanges::OnConnected(uint64_t ticket) {
  Exchange* exchange = Find(ticket);
  if (exchange == nullptr || !path_.Reachable(exchange->endpoint)) return;
  if (path_.server(exchange->endpoint).faults().crashed) {
    return OnTryFailed(*exchange, TryOutcome::kConnectFailure);
  }
  SendRequest(*exchange);
}

void Exchanges::SendRequest(Exchange& exchange) {
  exchange.state.phase = TryPhase::kAwaiting;
  exchange.state.phase_started = exchange.state.sent = queue_.now();
  ArmDeadline(exchange);
  queue_.After(path_.OneWay(), [this, ticket = TicketOf(exchange)] { Deliver(ticket); });
}

void Exchanges::Deliver(uint64_t ticket) {
  Exchange* exchange = Find(ticket);
  if (exchange == nullptr || !path_.Reachable(exchange->endpoint)) return;
  exchange->job = path_.server(exchange->endpoint).Submit({exchange->work, ticket, this}, random_);
}

void Exchanges::OnCompletion(const Completion& completion) {
  Exchange* exchange = Find(completion.ticket);
  if (exchange == nullptr) return;
  exchange->job = Server::kNoJob;
  path_.NoteAnswer(exchange->endpoint, completion);
  if (!path_.Reachable(exchange->endpoint)) return;
  queue_.After(path_.OneWay(), [this, completion] { OnAnswer(completion); });
}

void Exchanges::OnAnswer(const Completion& completion) {
  Exchange* exchange = Find(completion.ticket);
  if (exchange == nullptr) return;
  const Outcome outcome = completion.outcome;
  if (outcome == Outcome::kRefused || outcome == Outcome::kReset) {
    return OnTryFailed(*exchange, TryOutcome::kReset);
  }
  exchange->told = {{}, true, true, completion.served, completion.queued};
  ++idle_[exchange->endpoint];
  const bool ok = outcome == Outcome::kOk;
  EndTry(*exchange, ok ? TryOutcome::kResponse : TryOutcome::kServerError,
         queue_.now() - exchange->state.sent);
  Finish(*exchange, ok ? Ending::kOk : Ending::kServerError);
}

void Exchanges::EndTry(Exchange& exchange, TryOutcome outcome, absl::Duration latency) {
  cells_.CountOutcome(exchange.cell, outcome, latency);
  avoidance_.OnOutcome(exchange.cell, outcome, queue_.now());
  cells_.EndTry(exchange.cell);
  if (policy_ != nullptr) {
    const bool ok = outcome == TryOutcome::kResponse;
    exchange.told.latency = queue_.now() - exchange.try_started;
    exchange.told.ok = ok;
    policy_->OnEnd(exchange.endpoint, exchange.told);
  }
  queue_.Cancel(exchange.deadline);
  if (exchange.job != Server::kNoJob && path_.Reachable(exchange.endpoint)) {
    path_.server(exchange.endpoint).Abandon(exchange.job);
  }
  exchange.job = Server::kNoJob;
  ++exchange.generation;
}

bool Exchanges::TakeRetry(Exchange& exchange) {
  const gateway::ServicePolicy& policy = table_->policy;
  if (!RetryLeft(exchange.state, policy)) return false;
  if (!budget_.TryTake(
          {policy.retry_budget_ratio, static_cast<double>(policy.retry_budget_min_per_second)},
          queue_.now())) {
    return false;
  }
  ++exchange.state.retries;
  return true;
}

void Exchanges::OnTryFailed(Exchange& exchange, TryOutcome outcome) {
  EndTry(exchange, outcome, kNotMeasured);
  if (!TakeRetry(exchange) || !PickAndTry(exchange)) Finish(exchange, Ending::kFailed);
}

// ---- Time.

void Exchanges::ArmDeadline(Exchange& exchange) {
  queue_.Cancel(exchange.deadline);
  exchange.deadline = queue_.At(NextDeadline(exchange.state, table_->policy).at,
                                [this, ticket = TicketOf(exchange)] { OnDeadline(ticket); });
}

void Exchanges::OnDeadline(uint64_t ticket) {
  Exchange* exchange = Find(ticket);
  if (exchange == nullptr) return;
  const TryEnd why = NextDeadline(exchange->state, table_->policy).why;
  if (why == TryEnd::kTooSlow) return OnTryTooSlow(*exchange);
  if (why != TryEnd::kRequestTimeout) return OnTryFailed(*exchange, OutcomeOf(why));
  EndTry(*exchange, OutcomeOf(why), kNotMeasured);
  Finish(*exchange, Ending::kFailed);
}

// Goes elsewhere only when there is another endpoint and the budget allows; else it waits on.
void Exchanges::OnTryTooSlow(Exchange& exchange) {
  const PickResult other = PickFor(exchange);
  if (other.status != PickResult::Status::kPicked || !TakeRetry(exchange)) {
    exchange.state.per_try_waived = true;
    return ArmDeadline(exchange);
  }
  EndTry(exchange, TryOutcome::kTimeout, kNotMeasured);
  if (!PickAndTry(exchange)) Finish(exchange, Ending::kFailed);
}

void Exchanges::Finish(Exchange& exchange, Ending ending) {
  const absl::Duration took = queue_.now() - exchange.state.request_started;
  if (exchange.service.valid()) {
    const TryOutcome outcome = ending == Ending::kOk            ? TryOutcome::kResponse
                               : ending == Ending::kServerError ? TryOutcome::kServerError
                                                                : TryOutcome::kReset;
    cells_.CountRequest(exchange.service, outcome, took);
    cells_.EndTry(exchange.service);
  }
  ++exchange.generation;
  free_.push_back(exchange.index);
  onlooker_.OnRequestEnd({ending, took, exchange.tries, gateway_});
}

}  // namespace pointsman::sim
