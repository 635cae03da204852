// Whether a request is tried again, and where (docs/design/retries.md).

#include <utility>

#include "absl/strings/numbers.h"
#include "gateway/core/picker.h"
#include "gateway/proxy/retry_budgets.h"
#include "gateway/proxy/stream.h"

namespace pointsman::gateway {

bool Stream::SafeToRepeat() const {
  if (!replayable_ || upstream_ == nullptr || upstream_->received_any()) return false;
  return IsIdempotent(request_.method) || !upstream_->sent_any() || upstream_->refused_unseen();
}

bool Stream::TakeRetry() {
  const RetryBudgetOptions options = RetryBudgetOf(policy_, context_->workers);
  if (!context_->budgets->Of(service_cell_).TryTake(options, context_->loop.Now())) {
    context_->counters.reasons[static_cast<size_t>(Reason::kRetryBudget)].Add();
    return false;
  }
  ++retries_;
  context_->counters.retries.Add();
  return true;
}

void Stream::OnTryFailed(Reason reason, TryOutcome outcome) {
  const bool safe = SafeToRepeat();
  // A connection that was closed while it lay idle says nothing of the endpoint.
  const bool idle_closed = outcome == TryOutcome::kReset && upstream_->stale();
  if (safe && idle_closed && !stale_retried_) {
    // The same try, which keeps its place at the endpoint.
    stale_retried_ = true;
    context_->counters.stale_retries.Add();
    std::exchange(upstream_, nullptr)->Release(/*clean=*/false);
    return BeginTry(/*fresh=*/true);
  }
  const TryOutcome ended = idle_closed && !stale_retried_ ? TryOutcome::kAbandoned : outcome;
  if (hedging()) return PromoteHedge(ended, /*clean=*/false);
  if (safe && TryElsewhere(ended, /*clean=*/false)) return;
  EndTry(ended, /*clean=*/false);
  Fail(reason);
}

bool Stream::TryElsewhere(TryOutcome ended, bool clean) {
  const ServiceTable* service = FindService();
  if (service == nullptr || retries_ >= policy_.max_retries) return false;
  const PickResult pick = PickNext(*service);
  if (pick.status != PickResult::Status::kPicked) return false;
  if (!TakeRetry()) {
    context_->cells.EndTry(pick.endpoint->cell);
    return false;
  }
  EndTry(ended, clean);
  BeginPicked(pick);
  return true;
}

bool Stream::RetryOnStatus(bool end) {
  if (!replayable_ || wants_upgrade() || !IsIdempotent(request_.method)) return false;
  const bool clean = end && request_ended_;
  if (hedging()) {
    PromoteHedge(TryOutcome::kServerError, clean);
    return true;
  }
  return TryElsewhere(TryOutcome::kServerError, clean);
}

void Stream::HonourRetryAfter(const ResponseHead& answer, CellRef endpoint) {
  int seconds = 0;
  const absl::string_view wait = answer.block.Value("retry-after");
  // A date would be of another clock than ours.
  if (!absl::SimpleAtoi(wait, &seconds) || seconds <= 0) return;
  context_->avoidance.OnRetryAfter(endpoint, absl::Seconds(seconds), context_->loop.Now());
}

}  // namespace pointsman::gateway
