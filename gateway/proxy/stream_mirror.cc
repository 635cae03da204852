// A copy of a request for another service: a stream of its own, without a client and outside of
// every count of requests. The original feeds it what it receives and never waits for it: a copy
// that cannot take more is broken off. What becomes of its tries is evidence like any other.

#include <algorithm>
#include <utility>

#include "gateway/proxy/mirror_side.h"
#include "gateway/proxy/stream.h"

namespace pointsman::gateway {
namespace {

// Those of a whole request, instead of what had come of them when the copy began.
void CopyTrailers(const HeaderBlock& from, HeaderBlock* to) {
  to->fields().resize(to->head_fields());
  if (!from.has_trailers()) return;
  to->BeginTrailers();
  for (size_t i = from.trailers_begin(); i < from.fields().size(); ++i) {
    Field field = from.fields()[i];
    field.name = to->Keep(from.At(field.name));
    field.value = to->Keep(from.At(field.value));
    to->AddField(field);
  }
}

}  // namespace

void Stream::MirrorTo(const MirrorTarget& target) {
  if (wants_upgrade() || !absl::Bernoulli(context_->random, target.share)) return;
  const ServiceTable& service = *context_->table->services[target.service];
  if (context_->BuffersPressed() || Admit(service) != Reason::kNone ||
      MustQueue(service, Criticality::kSheddable)) {
    return context_->counters.mirrors_refused.Add();
  }
  Stream* begun = context_->streams->New(client_);
  mirror_ = begun->handle();
  if (!begun->BeginMirror(*this, target.service, service)) {
    context_->counters.mirrors_refused.Add();
    return;
  }
  context_->counters.mirrors.Add();
  // What has come before the route was chosen is kept anyway, and may be more than a window.
  for (const Slice& slice : replay_.slices()) {
    Stream* copy = context_->streams->Find(mirror_);
    if (copy != nullptr) copy->ForwardData(slice, /*end=*/false);
  }
  if (request_ended_ && body_bytes_ > 0) FeedMirror({}, true);
}

bool Stream::BeginMirror(const Stream& original, uint32_t index, const ServiceTable& service) {
  mirror_side_ = std::make_unique<MirrorSide>(*client_);
  client_ = mirror_side_.get();
  request_.CopyFrom(original.request_);
  HeaderBlock& block = request_.block;
  block.AddHeadField({.name = block.Keep("x-pointsman-mirrored"),
                      .value = block.Keep("yes"),
                      .token = FieldToken::kPointsman});
  request_.expects_continue = false;
  claimed_client_ = original.claimed_client_;
  grpc_ = original.grpc_;
  grpc_deadline_ = original.grpc_deadline_;
  started_ = progress_ = context_->loop.Now();
  request_ended_ = original.request_ended_ && original.body_bytes_ == 0;
  target_ = index;
  service_name_.assign(service.name);
  if (!EnterService(PolicyOverrides(), service)) {
    Finish();
    return false;
  }
  std::copy(std::begin(original.request_id_), std::end(original.request_id_), request_id_);
  trace_begun_ = original.trace_begun_;
  std::copy(std::begin(original.traceparent_), std::end(original.traceparent_), traceparent_);
  policy_.max_retries = 0;
  // It takes a window of the body before it has a connection, as the original does.
  UpdateRequestCredit();
  const PickResult pick = PickNext(service);
  if (pick.status == PickResult::Status::kPicked) {
    BeginPicked(pick);
    return true;
  }
  Finish();
  return false;
}

void Stream::FeedMirror(Slice data, bool end) {
  Stream* copy = context_->streams->Find(mirror_);
  if (copy == nullptr) return;
  if (!data.empty()) {
    if (!copy->mirror_side_->HasRoom() || context_->BuffersPressed()) {
      context_->counters.mirrors_broken.Add();
      return EndMirror();
    }
    copy->ForwardData(std::move(data), end);
  } else if (end) {
    CopyTrailers(request_.block, &copy->request_.block);
    copy->OnRequestEnd();
  }
}

void Stream::EndMirror() {
  Stream* copy = context_->streams->Find(mirror_);
  mirror_ = {};
  if (copy != nullptr && !copy->request_ended_) copy->Finish();
}

}  // namespace pointsman::gateway
