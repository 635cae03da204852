#include "gateway/proxy/http2_upstream.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "gateway/proxy/stream.h"
#include "gateway/proxy/upstream_pools.h"
#include "gateway/proxy/upstream_target.h"

namespace pointsman::gateway {

// One try: the codec's stream and the upstream's side of an exchange.
class Http2Upstream::Try final : public Http2Stream, public UpstreamSide {
 public:
  explicit Try(Http2Upstream* connection)
      : Http2Stream(&connection->context_->chunks), connection_(connection) {}

  void Begin(Stream* stream, uint8_t attempt, bool after_idle) {
    stream_ = stream;
    attempt_ = attempt;
    after_idle_ = after_idle;
    sent_ = received_ = refused_ = lost_ = over_ = over_limit_ = false;
    interim_left_ = connection_->context_->limits.interim_responses_max;
    // Whether the endpoint takes an upgrade is said by its settings.
    awaits_settings_ = RequestUpgrade() != Upgrade::kNone && !session().peer_settled();
  }
  bool bound() const { return stream_ != nullptr; }
  void TellConnected() {
    if (stream_ != nullptr && !awaits_settings_) Push(StreamEvent::Kind::kUpstreamConnected);
  }
  void TellSettled() {
    if (!std::exchange(awaits_settings_, false)) return;
    if (stream_ != nullptr && !over_) Push(StreamEvent::Kind::kUpstreamConnected);
  }
  // The connection is gone.
  void Lose(Reason reason, bool connecting) {
    if (stream_ == nullptr || over_) return;
    lost_ = over_ = true;
    sent_ = sent_ || head_framed();
    Push(connecting ? StreamEvent::Kind::kUpstreamFailed : StreamEvent::Kind::kResponseReset, true,
         {}, reason);
  }

  // UpstreamSide
  void SendHead(const RequestHead& head, const ForwardedFacts& facts, bool end) override {
    if (head.upgrade != Upgrade::kNone && !session().peer_takes_upgrades()) {
      return Break(Reason::kUpgradeUnsupported);
    }
    if (!connection_->MustWait()) return SendNow({&head, facts, end});
    session().HoldRequest(this);
    held_ = {&head, facts, end};
    connection_->waiting_.push_back(this);
    connection_->context_->counters.upstream_waiting.Add();
  }
  // What was held back has room now. What it points to lives as long as the try.
  void SendHeld() { SendNow(held_); }
  // The connection takes no request any more.
  void RefuseHeld() {
    refused_ = true;
    Lose(Reason::kUpstreamReset, /*connecting=*/false);
  }
  void SendData(Slice data) override {
    session().SendData(this, data);
    connection_->SendLater();
  }
  void SendEnd(const RequestHead& head) override {
    session().SendEnd(this, head.block);
    connection_->SendLater();
  }
  void ContinueAfterInterim() override {}
  void Release(bool /*clean*/) override {
    if (held()) connection_->WaitNoMore(this);
    if (!over_ && head_framed()) connection_->OnTryGivenUp(begun_);
    stream_ = nullptr;
    // Whatever of it is not over yet is not wanted any more.
    session().Reset(this, Http2Session::kCancel);
    session().Forget(this);
    connection_->SendLater();
    connection_->Free(this);
  }
  void SetResponseCredit(int64_t bytes) override {
    if (bytes <= 0) return;
    session().Consume(this);
    connection_->SendLater();
  }
  size_t UnsentBytes() const override { return waiting_bytes() + (end_waits() ? 1 : 0); }
  bool stale() const override {
    return (lost_ && after_idle_) || (refused_ && (over_limit_ || !accepting()));
  }
  bool connected() const override { return connection_->connected_ && !awaits_settings_; }
  bool at_other() const override { return connection_->tcp_.reached().other; }
  bool refused_unseen() const override { return refused_; }
  bool sent_any() const override { return sent_ || head_framed(); }
  bool received_any() const override { return received_; }

 protected:
  // Http2Stream
  ResponseHead* ResponsePlace() override {
    return stream_ != nullptr && !over_ ? &stream_->response(attempt_) : nullptr;
  }
  Method RequestMethod() const override { return stream_->request().method; }
  Upgrade RequestUpgrade() const override { return stream_->request().upgrade; }
  void OnHead(bool end, Reason refused) override {
    received_ = true;
    if (refused != Reason::kNone) return Break();
    // A tunnel is over when its stream is.
    const bool switched = stream_->response(attempt_).switched;
    if (end && !switched) over_ = true;
    Push(StreamEvent::Kind::kResponseHead, end && !switched);
    if (end && switched) Push(StreamEvent::Kind::kResponseEnd, true);
  }
  void OnInterim() override {
    received_ = true;
    if (--interim_left_ < 0) return Break();
    StreamEvent event = Event(StreamEvent::Kind::kInterimResponse);
    event.interim = std::make_unique<ResponseHead>();
    event.interim->block.CopyFrom(stream_->response(attempt_).block);
    event.interim->status = stream_->response(attempt_).status;
    connection_->context_->ready.Push(std::move(event));
  }
  void OnData(Slice data) override {
    if (stream_ == nullptr || over_) return session().Consume(this);
    Push(StreamEvent::Kind::kResponseData, false, std::move(data));
  }
  void OnEnd(Reason refused) override {
    if (stream_ == nullptr || over_) return;
    if (refused != Reason::kNone) return Break();
    over_ = !stream_->response(attempt_).switched;
    Push(StreamEvent::Kind::kResponseEnd, true);
  }
  void OnFramed() override {
    if (stream_ != nullptr && stream_->waits_for_upstream()) {
      Push(StreamEvent::Kind::kUpstreamSent);
    }
  }
  void OnClosed(uint32_t code) override {
    sent_ = sent_ || head_framed();
    if (stream_ == nullptr || over_) return;
    over_ = true;
    if (tunnel() && ended_regularly()) return;
    // Also for streams above the last one of a GOAWAY.
    refused_ = code == Http2Session::kRefusedStream;
    // It was sent before the endpoint lowered its limit.
    over_limit_ = refused_ && session().at_limit();
    Push(StreamEvent::Kind::kResponseReset, true, {}, Reason::kUpstreamReset);
  }

 private:
  struct Held {
    const RequestHead* head = nullptr;
    ForwardedFacts facts;
    bool end = false;
  };

  Http2Session& session() { return connection_->session_; }
  void SendNow(const Held& request) {
    begun_ = connection_->context_->loop.Now();
    if (!session().SendRequest(this, *request.head, request.facts, request.end)) {
      return RefuseHeld();
    }
    connection_->SendLater();
  }
  bool accepting() const { return connection_->takes_requests(); }
  // The response is none that may be forwarded.
  void Break(Reason reason = Reason::kUpstreamProtocol) {
    if (over_) return;
    over_ = true;
    Push(StreamEvent::Kind::kResponseReset, true, {}, reason);
  }
  StreamEvent Event(StreamEvent::Kind kind) const {
    StreamEvent event;
    event.stream = stream_->handle();
    event.kind = kind;
    event.attempt = attempt_;
    return event;
  }
  void Push(StreamEvent::Kind kind, bool end = false, Slice data = {},
            Reason reason = Reason::kNone) {
    StreamEvent event = Event(kind);
    event.end = end;
    event.reason = reason;
    event.data = std::move(data);
    connection_->context_->ready.Push(std::move(event));
  }

  Http2Upstream* const connection_;
  Stream* stream_ = nullptr;
  uint8_t attempt_ = 0;
  int interim_left_ = 0;
  common::MonotonicTime begun_;  // When the request was sent.
  Held held_;
  bool awaits_settings_ = false;
  bool after_idle_ = false;  // The connection had lain idle before.
  bool sent_ = false;
  bool received_ = false;
  bool refused_ = false;
  bool over_limit_ = false;
  bool lost_ = false;
  bool over_ = false;  // The end of the try was told to its stream.
};

Http2Upstream::Http2Upstream(WorkerContext* context, UpstreamPools* pools, CellRef cell,
                             uint64_t tls)
    : context_(context),
      pools_(pools),
      cell_(cell),
      tls_(context, cell, tls),
      tcp_(&context->loop, &context->chunks, this),
      session_(Http2Session::Role::kClient, context->limits.http2, context->limits.head, this),
      quick_pings_(context->limits.http2_quick_pings_max) {
  if (tls != 0) session_.SetScheme("https");
}

Http2Upstream::~Http2Upstream() = default;

void Http2Upstream::Connect(const ConnectTarget& target) {
  if (!tcp_.Connect(target)) {
    retired_ = true;
    return;
  }
  context_->counters.upstream_opened.Add();
  if (!tls_.Start(&tcp_)) {
    start_failure_ = tls_.OnConnectFailed(EPROTO);
    retired_ = true;
    tcp_.Close();
    return;
  }
  if (tls_policy() == 0 && !tcp_.connecting()) OnConnected();
}

bool Http2Upstream::takes_requests() const {
  return !closed_ && !retired_ && tcp_.open() && session_.accepts_requests();
}

bool Http2Upstream::open_for_tries() const {
  return takes_requests() && !aged_ && context_->loop.Now() < life_.ends_at();
}

size_t Http2Upstream::tries_max() const {
  return std::min<size_t>(context_->limits.http2.streams_max, session_.peer_streams_max());
}

UpstreamSide* Http2Upstream::Bind(Stream* stream, uint8_t attempt, const ConnectionLimits& limits) {
  const bool first = tries() == 0;
  const bool idle = first && connected_;
  if (free_.empty()) {
    tries_.push_back(std::make_unique<Try>(this));
    free_.push_back(tries_.back().get());
  }
  Try* one = free_.back();
  free_.pop_back();
  one->Begin(stream, attempt, idle);
  if (first) busy_since_ = context_->loop.Now();
  const bool other_end = life_.OnRequest(limits, context_->loop.Now(), context_->random);
  EndIfAged();
  // What died while nobody listened is found out sooner.
  const bool long_idle = idle && busy_since_ - heard_ >= context_->limits.http2_ping_after;
  if (long_idle && quick_pings_ > 0) Ping();
  if (idle || other_end) ArmTimer();
  if (!tcp_.open()) {
    // It could not even begin to connect.
    one->Lose(start_failure_, /*connecting=*/true);
  }
  return one;
}

void Http2Upstream::Free(Try* one) {
  free_.push_back(one);
  if (closed_ || tries() > 0) return;
  EndIfAged();
  if (closed_) return;
  if (retired_ || !open_for_tries()) return Close();
  BecomeIdle();
}

void Http2Upstream::BecomeIdle() {
  idle_since_ = context_->loop.Now();
  ArmTimer();
}

void Http2Upstream::Retire() {
  retired_ = true;
  if (tries() == 0) Close();
}

void Http2Upstream::EndIfAged() {
  if (aged_ || retired_ || !life_.IsOver(context_->loop.Now())) return;
  aged_ = true;
  context_->counters.upstream_aged.Add();
  if (tries() == 0) Close();
}

void Http2Upstream::Close() {
  if (closed_) return;
  closed_ = true;
  tcp_.Close();
  Cancel();
  pools_->OnClosed(this);
}

void Http2Upstream::Lose(Reason reason) {
  if (closed_) return;
  retired_ = true;
  // What was not even sent may be sent elsewhere.
  std::deque<Try*> waiting = TakeWaiting();
  if (reason != Reason::kDraining) RefuseHeld(waiting);
  for (auto& one : tries_) one->Lose(reason, !connected_);
  Close();
}

void Http2Upstream::OnConnected() {
  connected_ = true;
  session_.SetOutput(&tcp_.out());
  tls_.OnConnected(tcp_);
  NoteReached(context_, cell_, tcp_);
  tcp_.SetCredit(context_->limits.stream_window_bytes);
  heard_ = context_->loop.Now();
  ArmTimer();
  for (auto& one : tries_) one->TellConnected();
  SendLater();
}

void Http2Upstream::OnReceived(Slice bytes) {
  tcp_.SetCredit(context_->limits.stream_window_bytes);
  heard_ = context_->loop.Now();
  suspect_ = false;
  if (std::exchange(pinged_, false)) ArmTimer();
  if (!session_.Receive(bytes, heard_)) return Lose(Reason::kUpstreamProtocol);
  if (std::exchange(answer_frames_, session_.answer_frames()) != session_.answer_frames()) {
    quick_pings_ = context_->limits.http2_quick_pings_max;
  }
  if (!settled_ && session_.peer_settled()) TellSettled();
  StartWaiting();
  SendLater();
}

bool Http2Upstream::MustWait() const {
  return session_.accepts_requests() && (!waiting_.empty() || !session_.has_room());
}

void Http2Upstream::RefuseHeld(const std::deque<Try*>& tries) {
  for (Try* one : tries) one->RefuseHeld();
}

void Http2Upstream::WaitNoMore(Try* one) {
  context_->counters.upstream_waiting.Subtract(std::erase(waiting_, one));
}

std::deque<Http2Upstream::Try*> Http2Upstream::TakeWaiting() {
  context_->counters.upstream_waiting.Subtract(waiting_.size());
  return std::exchange(waiting_, {});
}

bool Http2Upstream::StartWaiting() {
  if (waiting_.empty()) return false;
  if (!session_.accepts_requests()) {
    RefuseHeld(TakeWaiting());
    return false;
  }
  const size_t before = waiting_.size();
  while (!waiting_.empty() && session_.has_room()) {
    Try* one = waiting_.front();
    waiting_.pop_front();
    context_->counters.upstream_waiting.Subtract();
    one->SendHeld();
  }
  return waiting_.size() != before;
}

void Http2Upstream::TellSettled() {
  settled_ = true;
  for (auto& one : tries_) one->TellSettled();
}

void Http2Upstream::OnBeforeFlush() {
  if (!connected_ || closed_) return;
  session_.Produce();
  // Resets that have left make room.
  if (StartWaiting()) session_.Produce();
  // The endpoint broke the protocol, and was told so; or everything has ended.
  if (tcp_.out().empty() && session_.finished()) Lose(Reason::kUpstreamProtocol);
}

void Http2Upstream::OnSent(size_t /*n*/) {
  // The kernel had no room and has some again: the endpoint lives, although it says nothing.
  if (std::exchange(blocked_, !tcp_.out().empty())) pinged_at_ = context_->loop.Now();
  if (tcp_.out().empty()) OnBeforeFlush();
}

void Http2Upstream::OnFailed(int error) {
  if (connected_) return Lose(Reason::kUpstreamReset);
  start_failure_ = tls_.OnConnectFailed(error);
  Lose(start_failure_);
}

void Http2Upstream::OnGoaway() { retired_ = true; }

// ---- Signs of life.

void Http2Upstream::Ping() {
  if (pinged_) return;
  pinged_ = true;
  pinged_at_ = context_->loop.Now();
  --quick_pings_;
  session_.SendPing();
  SendLater();
}

void Http2Upstream::OnTryGivenUp(common::MonotonicTime begun) {
  if (closed_ || retired_ || !connected_ || heard_ > begun || quick_pings_ <= 0) return;
  if (context_->loop.Now() - begun < context_->limits.http2_silent_try_min) return;
  suspect_ = true;
  Ping();
  ArmTimer();
}

common::MonotonicTime Http2Upstream::SilentAt() const {
  const ProxyLimits& limits = context_->limits;
  common::MonotonicTime next = common::MonotonicTime::Infinite();
  if (tries() == 0) next = idle_since_ + limits.upstream_idle_timeout;
  if (pinged_) return std::min(next, pinged_at_ + limits.http2_ping_timeout);
  if (tries() == 0 || !connected_) return next;
  const absl::Duration silence =
      quick_pings_ > 0 ? limits.http2_ping_after
                       : std::max(limits.http2_ping_after, limits.http2_patient_ping_after);
  return std::max(heard_, busy_since_) + silence;
}

common::MonotonicTime Http2Upstream::NextDeadline() const {
  if (aged_ || retired_) return SilentAt();
  return std::min(SilentAt(), life_.ends_at());
}

void Http2Upstream::OnTimer() {
  if (closed_) return;
  EndIfAged();
  if (closed_) return;
  const common::MonotonicTime deadline = NextDeadline();
  if (deadline == common::MonotonicTime::Infinite()) return;  // Armed again when connected.
  if (context_->loop.Now() < deadline) return ArmTimer();
  if (pinged_ && context_->loop.Now() >= pinged_at_ + context_->limits.http2_ping_timeout) {
    context_->counters.upstream_silent.Add();
    return Lose(Reason::kUpstreamReset);
  }
  if (tries() == 0) return Close();
  Ping();
  ArmTimer();
}

}  // namespace pointsman::gateway
