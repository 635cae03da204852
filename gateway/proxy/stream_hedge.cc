// A second try beside the first: an idempotent request that is unanswered for longer than most
// goes to another endpoint too, out of the budget of retries (docs/design/retries.md). The first
// answer makes its try the request's only one; so does the other's failure.

#include <utility>

#include "gateway/proxy/retry_budgets.h"
#include "gateway/proxy/stream.h"

namespace pointsman::gateway {

bool Stream::MayHedge() const {
  // Who is to stay with an endpoint would be moved by one slow answer.
  if (pick_key_.affinity != 0) return false;
  return hedge_ == nullptr && retries_ < policy_.max_retries && IsIdempotent(request_.method) &&
         !wants_upgrade() && SafeToRepeat();
}

void Stream::BeginHedge() {
  hedge_after_ = absl::InfiniteDuration();  // Once, whatever comes of it.
  const ServiceTable* service = FindService();
  const PickResult pick = service != nullptr ? PickNext(*service) : PickResult();
  if (pick.status != PickResult::Status::kPicked) return ArmDeadline();
  if (!TakeRetry()) {
    context_->cells.EndTry(pick.endpoint->cell);
    return ArmDeadline();
  }
  context_->counters.hedges.Add();
  const common::MonotonicTime now = context_->loop.Now();
  hedge_ = std::make_unique<Hedge>();
  hedge_->attempt = ++tries_;
  hedge_->cell = pick.endpoint->cell;
  hedge_->address = pick.endpoint->address();
  hedge_->other = pick.endpoint->other();
  hedge_->begun = now;
  hedge_->first_sent = try_sent_;
  if (keeps_affinity_) hedge_->affinity = AffinityOf(service_name_, pick.endpoint->id());
  Remember(*pick.endpoint);
  if (pick.probe) context_->avoidance.OnProbeStarted(hedge_->cell, now);
  hedge_->upstream =
      Acquire(hedge_->attempt, hedge_->cell, hedge_->address, hedge_->other, /*fresh=*/false);
  if (hedge_->upstream->connected()) SendHedge();
  ArmDeadline();
}

void Stream::OnHedgeDue() {
  if (!hedging()) return BeginHedge();
  EndHedge(TryOutcome::kConnectTimeout);
  ArmDeadline();
}

void Stream::SendHedge() {
  hedge_->sent = context_->loop.ReadClock();
  SendOn(hedge_->upstream);
}

void Stream::OnHedgeEvent(StreamEvent event) {
  using Kind = StreamEvent::Kind;
  switch (event.kind) {
    case Kind::kUpstreamConnected:
      SendHedge();
      return ArmDeadline();
    case Kind::kUpstreamFailed:
      EndHedge(TryOutcome::kConnectFailure);
      return ArmDeadline();
    case Kind::kResponseReset:
      EndHedge(hedge_->upstream->stale() ? TryOutcome::kAbandoned : TryOutcome::kReset);
      return ArmDeadline();
    case Kind::kInterimResponse:
      // Those of the first try are the client's.
      return hedge_->upstream->ContinueAfterInterim();
    case Kind::kResponseHead:
      return OnHedgeAnswer(event.end);
    default:
      // Room to send, which nothing waits for: the request is here whole. An answer's body follows
      // its head.
      return;
  }
}

void Stream::OnHedgeAnswer(bool end) {
  const int status = hedge_->response.status;
  // Who fails fast wins no race: the first try may still do better.
  if (status >= 500 || policy_.retry_statuses.Has(status)) {
    const CellRef cell = hedge_->cell;
    EndHedge(status >= 500 ? TryOutcome::kServerError : TryOutcome::kResponse);
    if (policy_.retry_statuses.Has(status)) HonourRetryAfter(hedge_->response, cell);
    return ArmDeadline();
  }
  context_->counters.hedges_won.Add();
  CountLost();
  PromoteHedge(TryOutcome::kAbandoned, /*clean=*/false);
  OnResponseHead(end);
}

// So that nobody hides behind second tries: it took so long at least, and who loses again and again
// without an answer in between is avoided as if it had timed out.
void Stream::CountLost() {
  if (outcome_counted_ || phase_ != Phase::kAwaiting) return;
  outcome_counted_ = true;
  const common::MonotonicTime now = context_->loop.Now();
  context_->cells.CountRequest(cell_, TryOutcome::kResponse, now - try_sent_);
  context_->avoidance.OnOutcome(cell_, TryOutcome::kTimeout, now);
}

void Stream::EndHedge(TryOutcome outcome) {
  const bool answered = outcome == TryOutcome::kResponse || outcome == TryOutcome::kServerError;
  const absl::Duration latency =
      answered ? context_->loop.ReadClock() - hedge_->sent : absl::Microseconds(-1);
  context_->cells.CountOutcome(hedge_->cell, outcome, latency);
  context_->avoidance.OnOutcome(hedge_->cell, outcome, context_->loop.Now());
  context_->cells.EndTry(hedge_->cell);
  std::exchange(hedge_->upstream, nullptr)->Release(/*clean=*/false);
}

void Stream::PromoteHedge(TryOutcome ended, bool clean) {
  EndTry(ended, clean);
  attempt_ = hedge_->attempt;
  upstream_ = std::exchange(hedge_->upstream, nullptr);
  response_ = &hedge_->response;
  cell_ = hedge_->cell;
  address_ = hedge_->address;
  other_ = hedge_->other;
  affinity_ = hedge_->affinity;
  try_begun_ = hedge_->begun;
  try_sent_ = hedge_->sent;
  first_byte_ = common::MonotonicTime();
  in_try_ = true;
  outcome_counted_ = per_try_waived_ = false;
  const bool connected = try_sent_ != common::MonotonicTime();
  phase_ = connected ? Phase::kAwaiting : Phase::kConnecting;
  phase_started_ = connected ? try_sent_ : try_begun_;
  ArmDeadline();
}

}  // namespace pointsman::gateway
