// A request's body before its endpoint: waited for when a route is chosen by it or a filter asks
// for it, kept where tries keep it to send it again, and read there. What is kept is bounded by
// `replay_bytes_max`: with more the request goes on, and nothing is known of its body.

#include "absl/container/inlined_vector.h"
#include "absl/strings/match.h"
#include "gateway/core/json_body.h"
#include "gateway/proxy/stream.h"

namespace pointsman::gateway {

bool Stream::BodyIsJson() const {
  if (grpc_ || request_.upgrade != Upgrade::kNone) return false;
  const absl::string_view type = request_.block.Value("content-type");
  return type.data() != nullptr && IsJsonType(type);
}

bool Stream::BodyIsPlain() const {
  const absl::string_view encoding = request_.block.Value("content-encoding");
  return encoding.data() == nullptr || absl::EqualsIgnoreCase(encoding, "identity");
}

bool Stream::BodyToCome() const {
  if (body_awaited_ || request_ended_ || grpc_ || request_.upgrade != Upgrade::kNone) return false;
  return body_bytes_ <= context_->limits.replay_bytes_max;
}

const JsonBody* Stream::ReadBody() {
  if (!BodyIsJson() || (request_ended_ && body_bytes_ == 0)) return nullptr;
  if (BodyIsPlain()) {
    if (!request_ended_ || body_bytes_ > context_->limits.replay_bytes_max) {
      context_->counters.bodies_too_large.Add();
      return nullptr;
    }
    absl::InlinedVector<absl::string_view, 8> pieces;
    for (const Slice& slice : replay_.slices()) pieces.push_back(slice.view());
    if (context_->json.Read(pieces)) return &context_->json;
  }
  context_->counters.bodies_unreadable.Add();
  return nullptr;
}

RouteChoice Stream::FindRoute() {
  const auto match = [this](bool known, const JsonBody* json) {
    return WithRouteRequest(known, json, [this](const RouteRequest& request) {
      return context_->table->router->Match(request);
    });
  };
  const RouteChoice choice = match(/*known=*/false, nullptr);
  if (choice.kind != RouteChoice::Kind::kNeedsBody) return choice;
  const bool fits =
      request_.content_length <= static_cast<int64_t>(context_->limits.replay_bytes_max);
  if (BodyToCome() && BodyIsJson() && BodyIsPlain() && fits) return choice;
  const RouteChoice chosen = match(/*known=*/true, ReadBody());
  context_->json.Forget();
  return chosen;
}

void Stream::AwaitBody() {
  if (context_->BuffersFull()) return Fail(Reason::kBuffersFull);
  phase_ = Phase::kAwaitingBody;
  body_awaited_ = true;
  if (request_.expects_continue) client_->SendContinue();
  request_.expects_continue = false;
  context_->counters.requests_awaiting_body.Add();
  context_->counters.requests_awaited_body.Add();
  ArmDeadline();
  if (replay_.bytes() > context_->limits.replay_bytes_max) return OnBodyKept();
  UpdateRequestCredit();
}

void Stream::OnBodyKept() {
  if (filters_ != nullptr) return Resume();
  EndWait();
  ChooseRoute();
}

}  // namespace pointsman::gateway
