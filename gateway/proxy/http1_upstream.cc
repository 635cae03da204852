#include "gateway/proxy/http1_upstream.h"

#include <algorithm>
#include <cerrno>

#include "gateway/http/upgrade.h"
#include "gateway/http1/serializer.h"
#include "gateway/proxy/stream.h"
#include "gateway/proxy/upstream_pools.h"
#include "gateway/proxy/upstream_target.h"

namespace pointsman::gateway {

Http1Upstream::Http1Upstream(WorkerContext* context, UpstreamPools* pools, CellRef cell,
                             uint64_t tls)
    : context_(context),
      pools_(pools),
      cell_(cell),
      tls_(context, cell, tls),
      tcp_(&context->loop, &context->chunks, this) {}

void Http1Upstream::StartTry(Stream* stream, uint8_t attempt, const ConnectionLimits& limits) {
  life_.OnRequest(limits, context_->loop.Now(), context_->random);
  stream_ = stream;
  attempt_ = attempt;
  sent_any_ = received_any_ = polluted_ = false;
  interim_left_ = context_->limits.interim_responses_max;
}

void Http1Upstream::Connect(const ConnectTarget& target, Stream* stream, uint8_t attempt,
                            const ConnectionLimits& limits) {
  StartTry(stream, attempt, limits);
  if (!tcp_.Connect(target)) {
    Push(StreamEvent::Kind::kUpstreamFailed, true, Slice{}, Reason::kConnectFailed);
    stream_ = nullptr;
    Close();
    return;
  }
  context_->counters.upstream_opened.Add();
  if (!tls_.Start(&tcp_)) return OnFailed(EPROTO);
  if (tls_policy() == 0 && !tcp_.connecting()) OnConnected();
}

void Http1Upstream::Bind(Stream* stream, uint8_t attempt, const ConnectionLimits& limits) {
  StartTry(stream, attempt, limits);
  reused_ = true;
  StartHead();
}

bool Http1Upstream::Adopt(Fd fd, bool at_other, Stream* stream, uint8_t attempt) {
  adopted_at_other_ = at_other;
  if (!tcp_.Attach(std::move(fd))) {
    Close();
    return false;
  }
  Bind(stream, attempt, ConnectionLimits());
  return true;
}

Fd Http1Upstream::Surrender() {
  state_ = State::kClosed;
  Cancel();
  return tcp_.Detach();
}

void Http1Upstream::StartHead() {
  state_ = State::kHead;
  const RequestHead& request = stream_->request();
  if (parsers_ == nullptr) parsers_ = context_->response_parsers.Take();
  parsers_->head.Start(&stream_->response(attempt_), request.method, request.upgrade);
  tcp_.SetCredit(context_->limits.stream_window_bytes);
}

void Http1Upstream::Close() {
  if (state_ == State::kClosed) return;
  const bool idle = state_ == State::kIdle;
  state_ = State::kClosed;
  tcp_.Close();
  Cancel();
  pending_ = Slice{};
  ReturnParsers();
  pools_->OnClosed(this, idle);
}

void Http1Upstream::CloseAged() {
  context_->counters.upstream_aged.Add();
  Close();
}

void Http1Upstream::BecomeIdle(common::MonotonicTime deadline) {
  state_ = State::kIdle;
  stream_ = nullptr;
  ReturnParsers();
  tcp_.out().ReleaseMemory();
  idle_deadline_ = deadline;
  context_->loop.timers().Arm(*this, KeptUntil());
  // Whatever comes now ends the connection.
  tcp_.SetCredit(1);
}

void Http1Upstream::Push(StreamEvent::Kind kind, bool end, Slice data, Reason reason) {
  StreamEvent event;
  event.stream = stream_->handle();
  event.kind = kind;
  event.end = end;
  event.reason = reason;
  event.attempt = attempt_;
  event.data = std::move(data);
  context_->ready.Push(std::move(event));
}

void Http1Upstream::Lose(Reason reason) {
  if (stream_ != nullptr && state_ != State::kDone) {
    const auto kind = state_ == State::kConnecting ? StreamEvent::Kind::kUpstreamFailed
                                                   : StreamEvent::Kind::kResponseReset;
    Push(kind, true, Slice{}, reason);
  }
  stream_ = nullptr;
  Close();
}

// ---- Receiving.

void Http1Upstream::OnConnected() {
  tls_.OnConnected(tcp_);
  NoteReached(context_, cell_, tcp_);
  Push(StreamEvent::Kind::kUpstreamConnected);
  StartHead();
}

void Http1Upstream::OnReceived(Slice bytes) {
  if (state_ == State::kIdle || state_ == State::kDone) {
    polluted_ = true;
    if (state_ == State::kIdle) Close();
    return;
  }
  if (state_ == State::kInterim) {
    // Reading stops at an interim head; this is the chunk that was under way.
    polluted_ = true;
    Lose(Reason::kUpstreamProtocol);
    return;
  }
  received_any_ = true;
  pending_ = std::move(bytes);
  ParseInput();
}

void Http1Upstream::ParseInput() {
  while (!pending_.empty()) {
    bool more = false;
    if (state_ == State::kHead) {
      more = ParseHead();
    } else if (state_ == State::kBody) {
      more = ParseBody();
    } else if (state_ == State::kTunnel) {
      Push(StreamEvent::Kind::kResponseData, false, std::exchange(pending_, {}));
    } else if (state_ == State::kDone) {
      polluted_ = true;
      pending_ = Slice{};
    }
    if (!more) return;
  }
}

bool Http1Upstream::ParseHead() {
  const HeadProgress progress = parsers_->head.Feed(pending_.view());
  pending_.Advance(progress.consumed);
  if (progress.state == ParseState::kMore) return false;
  if (progress.state == ParseState::kError) {
    Lose(Reason::kUpstreamProtocol);
    return false;
  }
  if (stream_->response(attempt_).switched) return EnterTunnel();
  if (stream_->response(attempt_).status < 200) {
    if (--interim_left_ < 0) {
      Lose(Reason::kUpstreamProtocol);
      return false;
    }
    state_ = State::kInterim;
    tcp_.SetCredit(0);
    Push(StreamEvent::Kind::kInterimResponse);
    return false;
  }
  FinishHead();
  return state_ != State::kClosed;
}

bool Http1Upstream::EnterTunnel() {
  if (!TakeHandshake(stream_->request(), &stream_->response(attempt_).block)) {
    Lose(Reason::kUpstreamProtocol);
    return false;
  }
  state_ = State::kTunnel;
  Push(StreamEvent::Kind::kResponseHead);
  return true;
}

void Http1Upstream::EndTunnelOutput() {
  output_ended_ = true;
  if (tcp_.out().empty()) tcp_.ShutdownWrite();
}

void Http1Upstream::FinishHead() {
  ResponseHead& head = stream_->response(attempt_);
  if (!head.keep_alive) polluted_ = true;  // The endpoint closes it.
  BodyParser& body = parsers_->body;
  body.Start(head.body, head.content_length, &head.block);
  if (head.body == BodyKind::kNone && !pending_.empty()) {
    // A body where none may be: the next response could begin anywhere.
    Lose(Reason::kUpstreamProtocol);
    return;
  }
  state_ = body.done() ? State::kDone : State::kBody;
  Push(StreamEvent::Kind::kResponseHead, body.done());
}

bool Http1Upstream::ParseBody() {
  const BodyProgress progress = parsers_->body.Next(pending_.view());
  if (progress.state == ParseState::kError) {
    Lose(Reason::kUpstreamProtocol);
    return false;
  }
  const bool end = progress.state == ParseState::kDone;
  if (end) state_ = State::kDone;
  if (!progress.data.empty()) {
    Push(StreamEvent::Kind::kResponseData, end,
         Slice{pending_.chunk, progress.data.data(), progress.data.size()});
  } else if (end) {
    Push(StreamEvent::Kind::kResponseEnd, true);
  }
  pending_.Advance(progress.consumed);
  return true;
}

void Http1Upstream::ContinueAfterInterim() {
  if (state_ != State::kInterim) return;
  StartHead();
  ParseInput();
}

void Http1Upstream::OnInputEnd() {
  if (state_ == State::kTunnel) return Push(StreamEvent::Kind::kResponseEnd, true);
  if (state_ == State::kBody && stream_->response(attempt_).body == BodyKind::kUntilClose) {
    state_ = State::kDone;
    polluted_ = true;  // Not to be used again.
    Push(StreamEvent::Kind::kResponseEnd, true);
    return;
  }
  if (state_ == State::kDone) {
    polluted_ = true;
    return;
  }
  Lose(Reason::kUpstreamReset);
}

void Http1Upstream::OnHangUp() {
  // With a response held back by a slow client, what the peer sent is still to be read; the end
  // shows then.
  if (state_ == State::kIdle) Close();
}

void Http1Upstream::OnFailed(int error) {
  if (state_ == State::kDone) {
    polluted_ = true;
    return;
  }
  const bool connecting = state_ == State::kConnecting;
  Lose(connecting ? tls_.OnConnectFailed(error) : Reason::kUpstreamReset);
}

// ---- Sending.

void Http1Upstream::OnSent(size_t /*n*/) {
  sent_any_ = true;
  if (stream_ != nullptr && stream_->waits_for_upstream()) {
    Push(StreamEvent::Kind::kUpstreamSent);
  }
  if (output_ended_) EndTunnelOutput();
}

void Http1Upstream::SendHead(const RequestHead& head, const ForwardedFacts& facts, bool end) {
  if (!tcp_.open()) return;
  chunked_request_ = head.body == BodyKind::kChunked;
  WriteRequestHead(head, facts, &tcp_.out());
  if (end) SendEnd(head);
  context_->FlushLater(&tcp_);
}

void Http1Upstream::SendData(Slice data) {
  if (!tcp_.open() || data.empty()) return;
  if (chunked_request_) {
    WriteChunk(data, &tcp_.out());
  } else {
    tcp_.out().Append(data);
  }
  context_->FlushLater(&tcp_);
}

void Http1Upstream::SendEnd(const RequestHead& head) {
  if (!tcp_.open()) return;
  if (state_ == State::kTunnel) return EndTunnelOutput();
  if (chunked_request_) WriteLastChunk(head.block, &tcp_.out());
  context_->FlushLater(&tcp_);
}

void Http1Upstream::Release(bool clean) {
  stream_ = nullptr;
  if (state_ == State::kClosed) return;
  const bool usable = clean && !polluted_ && state_ == State::kDone && tcp_.open() &&
                      tcp_.out().empty() && !tcp_.input_ended();
  if (!usable) return Close();
  if (!CloseIfAged()) pools_->GiveBack(this);
}

common::MonotonicTime Http1Upstream::KeptUntil() const {
  if (!pools_->MayShelve(*this)) return std::min(idle_deadline_, life_.ends_at());
  const ProxyLimits& limits = context_->limits;
  return idle_deadline_ - limits.upstream_idle_timeout +
         std::min<absl::Duration>(limits.upstream_shelf_after, limits.upstream_idle_timeout);
}

void Http1Upstream::OnTimer() {
  if (state_ != State::kIdle) return;
  const common::MonotonicTime now = context_->loop.Now();
  if (now < KeptUntil()) return context_->loop.timers().Arm(*this, KeptUntil());
  if (CloseIfAged()) return;
  if (now >= idle_deadline_) return Close();
  pools_->Shelve(this);
}

}  // namespace pointsman::gateway
