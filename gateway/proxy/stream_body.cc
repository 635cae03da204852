// A request's body before its endpoint: waited for when a route is chosen by it or a filter asks
// for it, kept where tries keep it to send it again, and read there. What is kept is bounded by
// `replay_bytes_max`: with more the request goes on, and nothing is known of its body.

#include "absl/container/inlined_vector.h"
#include "absl/strings/match.h"
#include "gateway/core/json_body.h"
#include "gateway/proxy/stream.h"

namespace pointsman::gateway {

Stream::BodyType Stream::TypeOfBody() const {
  if (grpc_) return BodyType::kOther;
  int types = 0;
  bool json = false;
  const HeaderBlock& block = request_.block;
  for (size_t i = 0; i < block.head_fields(); ++i) {
    const Field& field = block.fields()[i];
    if (field.token != FieldToken::kContentType || field.dropped) continue;
    ++types;
    json = json || IsJsonType(block.At(field.value));
  }
  if (!json) return BodyType::kOther;
  return types == 1 ? BodyType::kJson : BodyType::kAmbiguous;
}

bool Stream::BodyIsPlain() const {
  const absl::string_view encoding = request_.block.Value("content-encoding");
  return encoding.empty() || absl::EqualsIgnoreCase(encoding, "identity");
}

bool Stream::BodyToCome() const {
  return !body_awaited_ && !request_ended_ && !grpc_ &&
         body_bytes_ <= context_->limits.replay_bytes_max;
}

void Stream::CountUnread(Counter* counter) {
  if (!body_unread_) counter->Add();
  body_unread_ = true;
}

JsonBody* Stream::ReadBody() {
  if (request_ended_ && body_bytes_ == 0) return nullptr;
  if (BodyIsPlain()) {
    if (!request_ended_ || body_bytes_ > context_->limits.replay_bytes_max) {
      CountUnread(&context_->counters.bodies_too_large);
      return nullptr;
    }
    absl::InlinedVector<absl::string_view, 8> pieces;
    for (const Slice& slice : replay_.slices()) pieces.push_back(slice.view());
    if (context_->json.Read(pieces)) return &context_->json;
  }
  CountUnread(&context_->counters.bodies_unreadable);
  return nullptr;
}

RouteChoice Stream::MatchRoute(bool body_known, JsonBody* json) const {
  return WithRouteRequest(body_known, json, [this](const RouteRequest& request) {
    return context_->table->router->Match(request);
  });
}

RouteChoice Stream::FindRoute() {
  const RouteChoice choice = MatchRoute(/*body_known=*/false, nullptr);
  if (choice.kind != RouteChoice::Kind::kNeedsBody) return choice;
  switch (TypeOfBody()) {
    case BodyType::kOther:
      return MatchRoute(/*body_known=*/true, nullptr);
    case BodyType::kAmbiguous:
      return {RouteChoice::Kind::kAmbiguousBody, choice.route};
    case BodyType::kJson:
      break;
  }
  const bool fits =
      request_.content_length <= static_cast<int64_t>(context_->limits.replay_bytes_max);
  if (BodyToCome() && BodyIsPlain() && fits) return choice;
  const RouteChoice chosen = MatchRoute(/*body_known=*/true, ReadBody());
  context_->json.Forget();
  return chosen;
}

void Stream::AwaitBody() {
  if (ticket_ != 0) LeaveLine();
  phase_ = Phase::kAwaitingBody;
  body_awaited_ = true;
  if (request_.expects_continue) client_->SendContinue();
  request_.expects_continue = false;
  context_->awaited_bytes += context_->AwaitedBytes(request_.content_length);
  context_->counters.requests_awaiting_body.Add();
  context_->counters.requests_awaited_body.Add();
  ArmDeadline();
  UpdateRequestCredit();
}

void Stream::OnBodyKept() {
  if (replay_.bytes() > context_->limits.replay_bytes_max) {
    CountUnread(&context_->counters.bodies_too_large);
  }
  if (filters_ != nullptr) return Resume();
  EndWait();
  ChooseRoute();
}

}  // namespace pointsman::gateway
