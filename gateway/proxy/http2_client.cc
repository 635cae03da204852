#include "gateway/proxy/http2_client.h"

#include <algorithm>
#include <utility>

#include "gateway/core/age.h"
#include "gateway/proxy/stream.h"
#include "gateway/tls/filter.h"

namespace pointsman::gateway {

// One stream of the connection: the codec's half and the client's side of an exchange.
class Http2Client::Request final : public Http2Stream, public ClientSide {
 public:
  explicit Request(Http2Client* client) : Http2Stream(&client->context_->chunks), client_(client) {}

  void Begin() {
    stream_ = client_->context_->streams->New(this);
    codec_done_ = false;
  }
  bool busy() const { return stream_ != nullptr; }
  void ClientGone(Reason reason) {
    if (stream_ != nullptr) Push(StreamEvent::Kind::kRequestReset, true, {}, reason);
  }

  // The answer is complete, but the client does not open its window for the rest of it.
  void ResetIfStuck(common::MonotonicTime since) {
    if (!codec_done_ && stream_ == nullptr && done_at_ <= since) {
      session().Reset(this, Http2Session::kCancel);
    }
  }

  // The client was given time to stop sending. Returns when it is over for this one.
  common::MonotonicTime EndLingering(common::MonotonicTime now) {
    if (codec_done_ || stream_ != nullptr || !lingers()) return common::MonotonicTime::Infinite();
    const common::MonotonicTime end = done_at_ + client_->context_->limits.linger_timeout;
    if (now < end) return end;
    session().Reset(this, Http2Session::kNoError);
    return common::MonotonicTime::Infinite();
  }

  // ClientSide
  void SendContinue() override {
    session().SendContinue(this);
    client_->SendLater();
  }
  void SendInterim(const ResponseHead& head) override {
    session().SendInterim(this, head);
    client_->SendLater();
  }
  void SendHead(const ResponseHead& head, bool end, bool /*request_ended*/) override {
    session().SendHead(this, head, end);
    client_->SendLater();
  }
  void SendData(Slice data) override {
    session().SendData(this, data);
    client_->SendLater();
  }
  void SendEnd(const ResponseHead& head) override {
    session().SendEnd(this, head.block);
    client_->SendLater();
  }
  void SendOwn(const OwnResponse& response, bool /*request_ended*/) override {
    session().SendOwn(this, response);
    client_->SendLater();
  }
  void Abort() override {
    // RFC 8441 4: what is a reset of TCP elsewhere.
    session().Reset(this, tunnel() ? Http2Session::kCancel : Http2Session::kInternalError);
    client_->SendLater();
  }
  void StreamDone() override {
    stream_ = nullptr;
    client_->head_bytes_ -= std::exchange(head_bytes_, 0);
    done_at_ = client_->context_->loop.Now();
    lingered_bytes_ = 0;
    session().Consume(this);
    if (!codec_done_ && !input_ended()) client_->LookAt(done_at_ + limits().linger_timeout);
    client_->SendLater();
    if (codec_done_) client_->Free(this);
  }
  void SetRequestCredit(int64_t bytes) override {
    if (bytes <= 0) return;
    session().Consume(this);
    client_->SendLater();
  }
  size_t UnsentBytes() const override { return waiting_bytes() + (end_waits() ? 1 : 0); }
  absl::string_view PeerHost() const override { return client_->peer_.host(); }
  bool PeerTrusted() const override { return client_->peer_.trusted(); }
  absl::string_view Proto() const override {
    return TlsOf(client_->tcp_) != nullptr ? "https" : "http";
  }
  bool Misdirected(absl::string_view authority) const override {
    const TlsFilter* tls = TlsOf(client_->tcp_);
    return tls != nullptr && tls->Misdirects(authority);
  }
  absl::string_view Via() const override { return "2 pointsman"; }
  const TlsFilter* Tls() const override { return TlsOf(client_->tcp_); }

 protected:
  // Http2Stream
  RequestHead* RequestPlace() override {
    return stream_ != nullptr ? &stream_->request() : nullptr;
  }
  void OnHead(bool end, Reason refused) override {
    if (refused != Reason::kNone) return Refuse(refused);
    const HeaderBlock& block = stream_->request().block;
    head_bytes_ = block.text_size() + block.fields().size() * sizeof(Field);
    client_->head_bytes_ += head_bytes_;
    if (client_->HoldsTooMuch()) return RefuseHead();
    // What follows the head of an extended CONNECT is none of the request.
    Push(StreamEvent::Kind::kRequestHead, end || stream_->request().extended_connect);
  }
  void OnData(Slice data) override {
    if (stream_ == nullptr) return ThrowAway(data.size);
    Push(StreamEvent::Kind::kRequestData, false, std::move(data));
  }
  void OnEnd(Reason refused) override {
    if (stream_ == nullptr) return;
    if (refused != Reason::kNone) return Refuse(refused);
    Push(StreamEvent::Kind::kRequestEnd, true);
  }
  void OnFramed() override {
    client_->progress_ = client_->context_->loop.Now();
    if (stream_ != nullptr && stream_->waits_for_client()) Push(StreamEvent::Kind::kClientSent);
  }
  void OnClosed(uint32_t /*code*/) override {
    codec_done_ = true;
    if (stream_ == nullptr) return client_->Free(this);
    // A tunnel's last bytes may still be on their way to the endpoint.
    if (!ended_regularly()) {
      ClientGone(peer_erred() ? Reason::kStreamError : Reason::kClientGone);
    }
  }

 private:
  Http2Session& session() { return client_->session_; }
  const ProxyLimits& limits() const { return client_->context_->limits; }
  void ThrowAway(size_t bytes) {
    session().Consume(this);
    lingered_bytes_ += bytes;
    if (lingers() && lingered_bytes_ > limits().linger_bytes_max) {
      session().Reset(this, Http2Session::kNoError);
    }
  }
  // Its memory goes at once, not at the end of the turn: many may come in one. Clients send it
  // again by themselves (RFC 9113 8.7).
  void RefuseHead() {
    client_->head_bytes_ -= std::exchange(head_bytes_, 0);
    stream_->request().Clear();
    stream_->request().block.ReleaseMemory();
    session().Reset(this, Http2Session::kRefusedStream);
    Refuse(Reason::kHeadsHeld);
  }
  void Refuse(Reason reason) { Push(StreamEvent::Kind::kRequestReset, true, {}, reason); }
  void Push(StreamEvent::Kind kind, bool end = false, Slice data = {},
            Reason reason = Reason::kNone) {
    StreamEvent event;
    event.stream = stream_->handle();
    event.kind = kind;
    event.end = end;
    event.reason = reason;
    event.data = std::move(data);
    client_->context_->ready.Push(std::move(event));
  }

  Http2Client* const client_;
  Stream* stream_ = nullptr;
  common::MonotonicTime done_at_;
  size_t lingered_bytes_ = 0;
  size_t head_bytes_ = 0;
  bool codec_done_ = true;
};

Http2Client::Http2Client(WorkerContext* context, ClientRegistry* registry, const ClientPeer& peer)
    : context_(context),
      registry_(registry),
      tcp_(&context->loop, &context->chunks, this),
      session_(Http2Session::Role::kServer, context->limits.http2, context->limits.head, this),
      idle_since_(context->loop.Now()),
      progress_(context->loop.Now()),
      aged_at_(context->loop.Now() +
               DrawAge(context->limits.client_connection_age, context->random)),
      peer_(peer) {}

Http2Client::~Http2Client() = default;

void Http2Client::Start(TcpConnection* socket, const Slice& received) {
  tcp_.TakeOver(socket);
  session_.SetOutput(&tcp_.out());
  tcp_.SetCredit(context_->limits.stream_window_bytes);
  ArmTimer();
  if (context_->draining) Drain();
  // Counted by whoever received it.
  if (!received.empty()) TakeFrames(received);
  SendLater();
}

// ---- Receiving.

void Http2Client::OnReceived(Slice bytes) {
  context_->counters.received_bytes.Add(bytes.size);
  TakeFrames(bytes);
}

bool Http2Client::HoldsTooMuch() const {
  const Http2Limits& limits = context_->limits.http2;
  return head_bytes_ >
         limits.head_bytes_free + received_bytes_ * uint64_t{limits.head_bytes_per_received};
}

void Http2Client::TakeFrames(const Slice& bytes) {
  received_bytes_ += bytes.size;
  // Windows bound what the peer may send; the socket itself is always read.
  tcp_.SetCredit(context_->limits.stream_window_bytes);
  if (closed_ || broken_) return;
  progress_ = context_->loop.Now();
  if (!session_.Receive(bytes, context_->loop.Now())) broken_ = true;
  SendLater();
}

void Http2Client::OnInputEnd() { ClientGone(); }

Http2Stream* Http2Client::OnStreamOpened() {
  if (free_.empty()) {
    requests_.push_back(std::make_unique<Request>(this));
    free_.push_back(requests_.back().get());
  }
  Request* request = free_.back();
  free_.pop_back();
  request->Begin();
  return request;
}

void Http2Client::Free(Request* request) {
  free_.push_back(request);
  if (free_.size() == requests_.size()) idle_since_ = context_->loop.Now();
}

// ---- Sending.

void Http2Client::OnBeforeFlush() {
  session_.Produce();
  if (tcp_.out().empty()) CloseIfFinished();
}

void Http2Client::OnSent(size_t n) {
  context_->counters.sent_bytes.Add(n);
  progress_ = context_->loop.Now();
  if (!tcp_.out().empty()) return;
  session_.Produce();
  if (tcp_.out().empty()) CloseIfFinished();
}

void Http2Client::CloseIfFinished() {
  if (broken_ || session_.finished()) ClientGone();
}

// ---- Ends.

void Http2Client::Drain() {
  if (draining_ || closed_) return;
  draining_ = true;
  session_.SendShutdownNotice();
  goaway_at_ = context_->loop.Now() + context_->limits.http2_goaway_wait;
  ArmTimer();
  SendLater();
}

void Http2Client::Kill() { Leave(context_->draining ? Reason::kDraining : Reason::kClientGone); }

void Http2Client::ClientGone() { Leave(Reason::kClientGone); }

void Http2Client::Leave(Reason reason) {
  if (closed_) return;
  for (auto& request : requests_) request->ClientGone(reason);
  Close();
}

void Http2Client::Close() {
  closed_ = true;
  tcp_.Close();
  Cancel();
  registry_->OnClientClosed(this);
}

// ---- Time.

common::MonotonicTime Http2Client::NextDeadline() const {
  const ProxyLimits& limits = context_->limits;
  if (goaway_at_ != common::MonotonicTime::Infinite()) return goaway_at_;
  // Bytes wait, or a head is half there, and nothing moves.
  if (!tcp_.out().empty() || session_.in_head()) return progress_ + limits.client_head_timeout;
  if (free_.size() == requests_.size()) return idle_since_ + limits.client_idle_timeout;
  return common::MonotonicTime::Infinite();
}

void Http2Client::ArmTimer() {
  // Looks in from time to time: what it waits for changes without a word.
  const common::MonotonicTime look =
      context_->loop.Now() + context_->limits.http2_stuck_timeout / 4;
  const common::MonotonicTime aged = draining_ ? common::MonotonicTime::Infinite() : aged_at_;
  context_->loop.timers().Arm(*this, std::min({look, look_at_, NextDeadline(), aged}));
}

void Http2Client::LookAt(common::MonotonicTime when) {
  if (look_at_ <= when) return;
  look_at_ = when;
  ArmTimer();
}

void Http2Client::OnTimer() {
  if (closed_) return;
  if (!draining_ && context_->loop.Now() >= aged_at_) {
    context_->counters.clients_aged.Add();
    Drain();
  }
  const common::MonotonicTime since = context_->loop.Now() - context_->limits.http2_stuck_timeout;
  look_at_ = common::MonotonicTime::Infinite();
  for (auto& request : requests_) {
    request->ResetIfStuck(since);
    look_at_ = std::min(look_at_, request->EndLingering(context_->loop.Now()));
  }
  SendLater();
  if (context_->loop.Now() < NextDeadline()) return ArmTimer();
  if (goaway_at_ != common::MonotonicTime::Infinite()) {
    goaway_at_ = common::MonotonicTime::Infinite();
    session_.SendGoaway();
    SendLater();
    return ArmTimer();
  }
  ClientGone();
}

}  // namespace pointsman::gateway
