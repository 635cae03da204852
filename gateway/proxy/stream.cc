#include "gateway/proxy/stream.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "gateway/core/picker.h"
#include "gateway/grpc/status.h"
#include "gateway/http/forwarded.h"
#include "gateway/http/header_changes.h"
#include "gateway/http/request_rules.h"
#include "gateway/proxy/retry_budgets.h"
#include "gateway/proxy/service_loads.h"
#include "gateway/proxy/upstream_pools.h"

namespace pointsman::gateway {

namespace {

void WriteHex(uint64_t value, char* out) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (int i = 15; i >= 0; --i, value >>= 4) out[i] = kDigits[value & 15];
}

}  // namespace

// ---- Dispatch.

void Stream::OnEvent(StreamEvent event) {
  using Kind = StreamEvent::Kind;
  if (event.kind >= Kind::kUpstreamConnected && event.attempt != attempt_) {
    if (hedging() && event.attempt == hedge_->attempt) OnHedgeEvent(std::move(event));
    return;
  }
  switch (event.kind) {
    case Kind::kRequestHead:
      return OnRequestHead(event.end);
    case Kind::kRequestData:
      return OnRequestData(std::move(event.data), event.end);
    case Kind::kRequestEnd:
      return OnRequestEnd();
    case Kind::kRequestReset:
      return OnRequestReset(event.reason);
    case Kind::kClientSent:
      return UpdateResponseCredit();
    case Kind::kResume:
      if (phase_ == Phase::kWaiting && event.attempt == wait_) Resume();
      return;
    case Kind::kUpstreamConnected:
      return SendRequest();
    case Kind::kUpstreamFailed:
      return OnTryFailed(event.reason, TryOutcome::kConnectFailure);
    case Kind::kUpstreamSent:
      return UpdateRequestCredit();
    case Kind::kInterimResponse:
      return OnInterim(event.interim != nullptr ? *event.interim : *response_);
    case Kind::kResponseHead:
      return OnResponseHead(event.end);
    case Kind::kResponseData:
      return OnResponseData(std::move(event.data), event.end);
    case Kind::kResponseEnd:
      return OnResponseEnd();
    case Kind::kResponseReset:
      return OnResponseReset(event.reason);
  }
}

// ---- The request.

Reason Stream::CheckPath(const RouteEntry& route) {
  if (request_.path_traits == 0) return Reason::kNone;
  const common::PathTraits merged = common::kPathEmptySegment;
  if ((request_.path_traits & ~route.path_traits & ~merged) != 0) return Reason::kAmbiguousPath;
  if ((request_.path_traits & route.path_traits & merged) == 0) return Reason::kNone;
  // The path that is forwarded now is another: it must lead to the same place.
  const Reason reason = KeepEmptySegments(&request_);
  if (reason != Reason::kNone) return reason;
  const RouteChoice same = FindRoute();
  const bool chosen = same.kind == RouteChoice::Kind::kChosen && same.route == &route;
  return chosen ? Reason::kNone : Reason::kAmbiguousPath;
}

Reason Stream::Admit(const ServiceTable& service) const {
  if (!service.unavailable.empty() || service.policy.tcp) return Reason::kNoService;
  if (grpc_ && !service.policy.upstream_http2) return Reason::kGrpcNeedsHttp2;
  const uint64_t announced = std::max<int64_t>(request_.content_length, 0);
  if (std::max(announced, body_bytes_) > service.policy.max_request_body_bytes) {
    return Reason::kBodyTooLarge;
  }
  if (context_->BuffersFull()) return Reason::kBuffersFull;
  return Reason::kNone;
}

void Stream::TakeClaimsOfSender() {
  claimed_client_ = TakeClaims({.host = client_->PeerHost(),
                                .proto = client_->Proto(),
                                .trusted = client_->PeerTrusted(),
                                .proxies = context_->limits.trusted_proxies.get()},
                               &request_);
}

absl::string_view Stream::ClientHost() const {
  return claimed_client_.size > 0 ? request_.block.At(claimed_client_) : client_->PeerHost();
}

void Stream::PrepareTrace() {
  if (DropInvalidTrace(&request_.block)) return;
  const std::optional<double>& sampled = context_->limits.trace_sample;
  if (!sampled.has_value()) return;
  auto& random = context_->random;
  const auto draw = [&random] { return absl::Uniform<uint64_t>(random); };
  WriteTraceParent({.trace_id = {draw(), draw()}, .parent_id = draw()},
                   absl::Bernoulli(random, *sampled), traceparent_);
  trace_begun_ = true;
}

void Stream::OnRequestHead(bool end) {
  context_->counters.requests.Add();
  context_->counters.requests_active.Add();
  counted_ = true;
  request_ended_ = end;
  started_ = progress_ = context_->loop.Now();
  RecogniseGrpc();
  if (context_->table == nullptr || context_->table->router == nullptr)
    return Fail(Reason::kNoTable);
  if (client_->Misdirected(request_.block.At(request_.authority))) {
    return Fail(Reason::kMisdirected);
  }
  TakeClaimsOfSender();
  PrepareTrace();
  if (const Reason reason = PrepareRequest(&request_); reason != Reason::kNone) return Fail(reason);
  if (const Reason reason = PrepareGrpc(); reason != Reason::kNone) return Fail(reason);
  ChooseRoute();
}

void Stream::ChooseRoute() {
  const RouteChoice choice = FindRoute();
  if (context_->observer != nullptr) {
    route_name_ = choice.route != nullptr ? choice.route->name : std::string();
  }
  switch (choice.kind) {
    case RouteChoice::Kind::kChosen:
      break;
    case RouteChoice::Kind::kNone:
      return Fail(Reason::kNoRoute);
    case RouteChoice::Kind::kAmbiguousBody:
      return Fail(Reason::kAmbiguousBody);
    case RouteChoice::Kind::kNeedsBody:
      if (context_->AwaitsEnough(request_.content_length)) return Fail(Reason::kBuffersFull);
      // No service is chosen whose bounds could hold meanwhile.
      policy_ = OwnPolicy();
      return AwaitBody();
  }
  const RouteEntry& route = *choice.route;
  DrawTarget(route);
  if (const Reason reason = CheckPath(route); reason != Reason::kNone) return Fail(reason);
  if (const Reason reason = TakeUpgrade(route); reason != Reason::kNone) return Fail(reason);
  route.filters == nullptr ? Act(route) : RunFilters(route, 0);
}

void Stream::Act(const RouteEntry& route) {
  if (target_ != RouteEntry::kNoService) return SendToService(route);
  service_name_.clear();  // It may have waited for one before.
  route.redirect != nullptr ? AnswerRedirect(route) : AnswerDirectly(route);
}

void Stream::SendToService(const RouteEntry& route) {
  const ServiceTable& service = *context_->table->services[target_];
  service_name_.assign(service.name);
  const bool must_queue = MustQueue(service, route.criticality);
  // Not its turn yet: what it would be refused for may be over by then.
  if (ticket_ != 0 && must_queue) return Queue(route, service);
  if (const Reason reason = Admit(service); reason != Reason::kNone) return Fail(reason);
  if (must_queue || !EnterService(route.overrides, service)) {
    return Queue(route, service);
  }
  const PickResult pick = PickNext(service);
  if (pick.status == PickResult::Status::kAtLimit && service.policy.waiting_max > 0) {
    LeaveService();
    ForgetService();
    return Queue(route, service);
  }
  if (ticket_ != 0) LeaveLine();
  if (!TakeUp(route)) {
    if (pick.endpoint != nullptr) context_->cells.EndTry(pick.endpoint->cell);
    return;
  }
  pick.status == PickResult::Status::kPicked ? BeginPicked(pick) : Fail(WhyNone(pick));
}

bool Stream::TakeUp(const RouteEntry& route) {
  // It has waited before under other bounds.
  if (started_ + policy_.request_timeout <= context_->loop.Now()) {
    Fail(Reason::kRequestTimeout);
    return false;
  }
  if (route.rewrite != nullptr && !ApplyRewrite(route)) {
    Fail(Reason::kBadPath);
    return false;
  }
  if (request_.expects_continue && !request_ended_) client_->SendContinue();
  if (route.mirror.has_value()) MirrorTo(*route.mirror);
  return true;
}

void Stream::AnswerDirectly(const RouteEntry& route) {
  // A 2xx tells whoever sent CONNECT that the tunnel stands.
  if (request_.extended_connect && route.direct_status < 300) return Fail(Reason::kUpgradeRefused);
  OwnResponse response;
  response.status = route.direct_status;
  response.body = route.direct_body;
  Answer(response);
}

bool Stream::EnterService(const PolicyOverrides& overrides, const ServiceTable& service) {
  if (!context_->cells.StartTry(service.cell, service.policy.max_in_flight)) return false;
  in_service_ = true;
  if (service.policy.watches_load()) {
    load_ = &context_->loads->Of(service.cell);
    ++load_->in_flight;
  }
  service_index_ = target_;
  service_cell_ = service.cell;
  policy_ = service.policy;
  overrides.ApplyTo(&policy_);
  if (policy_.stream_age_max != common::Micros::Infinite()) DrawStreamAge();
  ReadPickKey(service);
  WriteHex(absl::Uniform<uint64_t>(context_->random), request_id_);
  if (mirror_side_ != nullptr) return true;
  const common::MonotonicTime now = context_->loop.Now();
  if (policy_.hedge_percentile > 0) {
    const absl::Duration most = load_->answers.At(policy_.hedge_percentile, now);
    hedge_after_ = std::max<absl::Duration>(most, policy_.hedge_min_delay);
  }
  if (!std::exchange(earned_, true)) {
    context_->budgets->Of(service_cell_).OnRequest(RetryBudgetOf(policy_, context_->workers), now);
  }
  return true;
}

void Stream::ForgetService() {
  hedge_after_ = absl::InfiniteDuration();
  pick_key_ = PickKey();
  keeps_affinity_ = false;
}

void Stream::LeaveService() {
  context_->cells.EndTry(service_cell_);
  in_service_ = false;
  if (load_ == nullptr) return;
  --load_->in_flight;
  context_->loads->Wake(*std::exchange(load_, nullptr));
}

void Stream::KeepForReplay(const Slice& data) {
  if (!replayable_ || phase_ == Phase::kResponding) return;
  replay_.Append(data);
  // Before a connection stands the kept body is the only copy; credit bounds it then.
  if (phase_ == Phase::kSending || phase_ == Phase::kAwaiting) BoundReplay();
}

void Stream::BoundReplay() {
  if (replay_.bytes() <= context_->limits.replay_bytes_max) return;
  replayable_ = false;
  replay_.Clear();
}

void Stream::OnRequestData(Slice data, bool end) {
  progress_ = context_->loop.Now();
  if (wants_upgrade()) return HoldEarly(data);
  if (web_ != nullptr) return OnGrpcWebData(std::move(data), end);
  ForwardData(std::move(data), end);
}

void Stream::ForwardData(Slice data, bool end) {
  if (context_->BuffersOverfull()) return Fail(Reason::kBuffersFull);
  body_bytes_ += data.size;
  if (!tunnel_ && body_bytes_ > policy_.max_request_body_bytes) return Fail(Reason::kBodyTooLarge);
  KeepForReplay(data);
  if (mirror_.generation != 0 && !tunnel_) FeedMirror(data, /*end=*/false);
  if (phase_ == Phase::kSending || phase_ == Phase::kResponding) {
    upstream_->SendData(std::move(data));
  }
  if (end) return OnRequestEnd();
  if (phase_ == Phase::kAwaitingBody && replay_.bytes() > context_->limits.replay_bytes_max) {
    return OnBodyKept();
  }
  UpdateRequestCredit();
}

void Stream::OnRequestEnd() {
  if (wants_upgrade()) {
    early_end_ = true;
    return;
  }
  if (web_ != nullptr && !web_->request_whole()) return Fail(Reason::kBadGrpcWeb);
  if (mirror_.generation != 0) FeedMirror({}, true);
  request_ended_ = true;
  progress_ = context_->loop.Now();
  if (phase_ == Phase::kAwaitingBody) return OnBodyKept();
  if (phase_ != Phase::kSending && phase_ != Phase::kResponding) return;
  upstream_->SendEnd(request_);
  if (tunnel_) return FinishTunnelIfDone();
  if (phase_ != Phase::kSending) return;
  phase_ = Phase::kAwaiting;
  phase_started_ = context_->loop.Now();
  ArmDeadline();
}

void Stream::UpdateRequestCredit() {
  if (request_ended_) {
    if (tunnel_) FinishTunnelIfDone();
    return;
  }
  const bool sending = phase_ == Phase::kSending || phase_ == Phase::kResponding;
  const size_t waiting = sending ? upstream_->UnsentBytes() : replay_.bytes();
  // What is awaited is more than what may wait for an endpoint; one byte beyond tells that it is
  // too much.
  const size_t window = phase_ == Phase::kAwaitingBody ? context_->limits.replay_bytes_max + 1
                                                       : context_->StreamWindow();
  waits_for_upstream_ = waiting >= window;
  progress_ = context_->loop.Now();
  client_->SetRequestCredit(waiting >= window ? 0 : static_cast<int64_t>(window - waiting));
}

void Stream::OnRequestReset(Reason reason) {
  if (reason == Reason::kClientGone || reason == Reason::kDraining ||
      reason == Reason::kHeadsHeld || reason == Reason::kStreamError) {
    reason_ = reason;
    context_->counters.reasons[static_cast<size_t>(reason)].Add();
    return Finish();
  }
  // A head that was refused: what came of it tells. HTTP/1 has no gRPC of its own, and an answer
  // of 200 to what is no HTTP would mislead.
  if (!counted_ && absl::StartsWith(client_->Via(), "2")) RecogniseGrpc();
  Fail(reason);
}

// ---- Tries.

const ServiceTable* Stream::FindService() const {
  const auto& services = context_->table->services;
  if (service_index_ < services.size() && services[service_index_]->name == service_name_) {
    return services[service_index_].get();
  }
  return context_->table->Find(service_name_);
}

PickResult Stream::PickNext(const ServiceTable& service) {
  const CountersView view = context_->counters_view();
  // What failed twice here may be the locality's fault.
  if (retries_ > 0) pick_key_.localities = localities_tried_;
  return PickAndStart(service, view, &context_->cells, tried_, pick_key_, context_->random);
}

void Stream::BeginPicked(const PickResult& pick) {
  cell_ = pick.endpoint->cell;
  address_ = pick.endpoint->address();
  other_ = pick.endpoint->other();
  Remember(*pick.endpoint);
  if (keeps_affinity_) affinity_ = AffinityOf(service_name_, pick.endpoint->id());
  if (pick.probe) context_->avoidance.OnProbeStarted(cell_, context_->loop.Now());
  BeginTry(/*fresh=*/false);
}

UpstreamSide* Stream::Acquire(uint8_t attempt, CellRef cell, const common::Address& address,
                              const std::optional<common::IpAddress>& other, bool fresh) {
  return context_->upstreams->Acquire({.stream = this,
                                       .attempt = attempt,
                                       .cell = cell,
                                       .address = &address,
                                       .other = &other,
                                       .policy = &policy_,
                                       .fresh = fresh});
}

void Stream::BeginTry(bool fresh) {
  attempt_ = ++tries_;
  response_ = &own_response_;
  in_try_ = true;
  outcome_counted_ = per_try_waived_ = false;
  phase_ = Phase::kConnecting;
  phase_started_ = try_begun_ = context_->loop.Now();
  try_sent_ = first_byte_ = common::MonotonicTime();
  upstream_ = Acquire(attempt_, cell_, address_, other_, fresh);
  if (upstream_->connected()) {
    SendRequest();
  } else {
    ArmDeadline();
  }
}

void Stream::SendRequest() {
  try_sent_ = context_->loop.ReadClock();
  if (!TellGrpcTimeout(try_sent_)) return Fail(Reason::kDeadlineExceeded);
  SendOn(upstream_);
  if (!wants_upgrade()) BoundReplay();
  phase_ = request_ended_ ? Phase::kAwaiting : Phase::kSending;
  phase_started_ = progress_ = context_->loop.Now();
  ArmDeadline();
  UpdateRequestCredit();
}

void Stream::SendOn(UpstreamSide* upstream) {
  const ForwardedFacts facts{
      .client_host = client_->PeerHost(),
      .proto = client_->Proto(),
      .request_id = absl::string_view(request_id_, sizeof(request_id_)),
      .traceparent = absl::string_view(traceparent_, trace_begun_ ? kTraceParentBytes : 0),
      .authority = policy_.authority,
      .default_host = service_name_,
      .via = client_->Via(),
  };
  const bool bodiless =
      request_ended_ && (wants_upgrade() || (replay_.empty() && !request_.block.has_trailers()));
  upstream->SendHead(request_, facts, bodiless);
  if (bodiless) return;
  for (const Slice& slice : replay_.slices()) upstream->SendData(slice);
  if (request_ended_) upstream->SendEnd(request_);
}

void Stream::CountTry(TryOutcome outcome, absl::Duration latency) {
  if (!in_try_ || outcome_counted_) return;
  outcome_counted_ = true;
  context_->cells.CountOutcome(cell_, outcome, latency);
  context_->avoidance.OnOutcome(cell_, outcome, context_->loop.Now());
  if (load_ != nullptr) TellLoad(outcome, latency);
}

void Stream::EndTry(TryOutcome outcome, bool clean) {
  if (!in_try_) return;
  CountTry(outcome, absl::Microseconds(-1));
  context_->cells.EndTry(cell_);
  in_try_ = false;
  if (upstream_ == nullptr) return;
  at_other_ = upstream_->at_other();
  std::exchange(upstream_, nullptr)->Release(clean);
}

// ---- The response.

void Stream::OnInterim(const ResponseHead& head) {
  progress_ = context_->loop.Now();
  // The gateway asks for the body itself: another 100 says nothing.
  if (head.status != 100) client_->SendInterim(head);
  upstream_->ContinueAfterInterim();
}

void Stream::OnResponseHead(bool end) {
  progress_ = context_->loop.Now();
  const bool failed = response_->status >= 500 || GrpcUnavailable(end);
  first_byte_ = context_->loop.ReadClock();
  CountTry(failed ? TryOutcome::kServerError : TryOutcome::kResponse, first_byte_ - try_sent_);
  if (policy_.retry_statuses.Has(response_->status)) {
    HonourRetryAfter(*response_, cell_);
    if (RetryOnStatus(end)) return;
  }
  if (hedging()) EndHedge(TryOutcome::kAbandoned);
  if (keeps_affinity_) IssueAffinity();
  if (rewrite_ != nullptr) ApplyHeaderChanges(rewrite_->response_headers, &response_->block);
  if (AnswerForHttp()) return;
  if (wants_upgrade() && OnUpgradeAnswer()) return;
  phase_ = Phase::kResponding;
  status_ = response_->status;
  replay_.Clear();
  if (web_ != nullptr) web_->TranslateResponse(end, response_);
  client_->SendHead(*response_, end, request_ended_);
  if (end) return EndExchange();
  ArmDeadline();
}

void Stream::OnResponseData(Slice data, bool end) {
  if (context_->BuffersOverfull()) return Fail(Reason::kBuffersFull);
  if (grpc_) grpc_frames_.Feed(data.view());
  answer_bytes_ += data.size;
  client_->SendData(std::move(data));
  if (!end && ends_at_border_ && grpc_frames_.at_border()) return Fail(Reason::kStreamAge);
  if (!end) return UpdateResponseCredit();
  client_->SendEnd(*response_);
  EndExchange();
}

void Stream::OnResponseEnd() {
  if (tunnel_) {
    response_ended_ = true;
    client_->SendEnd(*response_);
    return FinishTunnelIfDone();
  }
  // Also where the head says that nothing follows: over HTTP/2 the end may come by itself.
  client_->SendEnd(*response_);
  EndExchange();
}

void Stream::EndExchange() {
  EndTry(TryOutcome::kResponse, request_ended_);
  Finish();
}

void Stream::UpdateResponseCredit() {
  if (upstream_ == nullptr) return;
  const size_t waiting = client_->UnsentBytes();
  const size_t window = context_->StreamWindow();
  waits_for_client_ = waiting >= window;
  progress_ = context_->loop.Now();
  upstream_->SetResponseCredit(waiting >= window ? 0 : static_cast<int64_t>(window - waiting));
}

void Stream::OnResponseReset(Reason reason) {
  if (phase_ == Phase::kResponding) return Fail(reason);
  // What the endpoint does not offer is no failure of it.
  OnTryFailed(reason,
              reason == Reason::kUpgradeUnsupported ? TryOutcome::kAbandoned : TryOutcome::kReset);
}

// ---- Endings.

void Stream::Answer(const OwnResponse& response) {
  status_ = response.status;
  OwnResponse own = response;
  own.with_body = request_.method != Method::kHead;
  client_->SendOwn(own, request_ended_);
  Finish();
}

void Stream::Fail(Reason reason) {
  reason_ = reason;
  if (mirror_side_ == nullptr) context_->counters.reasons[static_cast<size_t>(reason)].Add();
  EndTry(TryOutcome::kAbandoned, /*clean=*/false);
  const int status = ReasonStatus(reason);
  if (EndGrpcAnswer(reason)) return;
  if (phase_ == Phase::kResponding || status == 0) {
    client_->Abort();
    return Finish();
  }
  OwnResponse response;
  response.status = status;
  response.reason = reason;
  response.retry_after = retry_after_;
  if (grpc_) response.grpc_status = static_cast<int>(GrpcStatusOf(reason));
  char body[64];
  const absl::string_view name = ReasonName(reason);
  std::copy(name.begin(), name.end(), body);
  body[name.size()] = '\n';
  response.body = absl::string_view(body, name.size() + 1);
  if (!WantsDetails()) return Answer(response);
  const std::string details = Details(reason);
  response.body = details;
  Answer(response);
}

void Stream::Record() {
  if (mirror_side_ != nullptr) return;
  if (status_ > 0) context_->counters.responses[static_cast<size_t>(status_ / 100)].Add();
  // A head that was refused is no request, but somebody sent it.
  const bool refused = !counted_ && reason_ != Reason::kNone && reason_ != Reason::kClientGone;
  if (context_->observer != nullptr && (counted_ || refused)) Tell();
}

TryOutcome Stream::Outcome() const {
  if (reason_ == Reason::kClientGone || reason_ == Reason::kStreamError ||
      reason_ == Reason::kDraining) {
    return TryOutcome::kAbandoned;
  }
  // Ended as it should: nobody has failed.
  if (reason_ == Reason::kStreamAge) {
    return phase_ == Phase::kResponding ? TryOutcome::kResponse : TryOutcome::kAbandoned;
  }
  if (reason_ != Reason::kNone && phase_ == Phase::kResponding) return TryOutcome::kReset;
  const int status = reason_ == Reason::kNone ? status_ : ReasonStatus(reason_);
  if (status == 504) return TryOutcome::kTimeout;
  if (status < 500) return TryOutcome::kResponse;
  return reason_ == Reason::kNone ? TryOutcome::kServerError : TryOutcome::kReset;
}

void Stream::Finish() {
  if (in_service_ && mirror_side_ == nullptr) {
    const bool begun = first_byte_ != common::MonotonicTime();
    context_->cells.CountRequest(service_cell_, Outcome(),
                                 begun ? first_byte_ - started_ : absl::Seconds(-1));
  }
  if (hedging()) EndHedge(TryOutcome::kAbandoned);
  EndTry(TryOutcome::kAbandoned, /*clean=*/false);
  if (phase_ == Phase::kWaiting || phase_ == Phase::kAwaitingBody) EndWait();
  if (ticket_ != 0) LeaveLine();
  Record();
  if (counted_) context_->counters.requests_active.Subtract();
  if (tunnel_) context_->counters.tunnels.Subtract();
  if (in_service_) LeaveService();
  if (mirror_.generation != 0) EndMirror();
  const std::unique_ptr<MirrorSide> side = std::move(mirror_side_);
  ClientSide* client = web_ != nullptr ? web_->client() : client_;
  context_->streams->Free(this);
  client->StreamDone();
}

// ---- Again.

void Stream::Reset() {
  Cancel();
  client_ = nullptr;
  web_.reset();
  mirror_side_.reset();
  mirror_ = {};
  upstream_ = nullptr;
  phase_ = Phase::kOver;
  reason_ = Reason::kNone;
  status_ = 0;
  claimed_client_ = {};
  request_ended_ = counted_ = in_service_ = in_try_ = false;
  outcome_counted_ = stale_retried_ = waits_for_client_ = waits_for_upstream_ = false;
  tunnel_ = early_end_ = response_ended_ = false;
  replayable_ = true;
  filters_ = nullptr;
  rewrite_ = nullptr;
  body_awaited_ = body_unread_ = false;
  grpc_ = ends_at_border_ = trace_begun_ = false;
  grpc_deadline_ = common::MonotonicTime::Infinite();
  grpc_frames_ = MessageFrames();
  attempt_ = tries_ = 0;
  retries_ = 0;
  earned_ = false;
  hedge_.reset();
  retry_after_ = 0;
  tried_.clear();
  localities_tried_.clear();
  ForgetService();
  replay_.Clear();
  body_bytes_ = answer_bytes_ = 0;
  try_sent_ = first_byte_ = common::MonotonicTime();
  route_name_.clear();
  service_name_.clear();
  replay_.ReleaseMemory();
  request_.block.ReleaseMemory();
  own_response_.block.ReleaseMemory();
  response_ = &own_response_;
}

}  // namespace pointsman::gateway
