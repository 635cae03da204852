#include "gateway/proxy/http1_client.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "gateway/core/age.h"
#include "gateway/http1/serializer.h"
#include "gateway/proxy/stream.h"

namespace pointsman::gateway {

Http1Client::Http1Client(WorkerContext* context, ClientRegistry* registry, const ClientPeer& peer)
    : context_(context),
      registry_(registry),
      tcp_(&context->loop, &context->chunks, this),
      aged_at_(context->loop.Now() +
               DrawAge(context->limits.client_connection_age, context->random)),
      peer_(peer) {}

Http1Client::~Http1Client() = default;

bool Http1Client::Start(Fd fd) {
  if (!tcp_.Attach(std::move(fd))) return false;
  StartReceiving();
  return true;
}

void Http1Client::Start(TcpConnection* socket, bool http2) {
  http2_ = http2;
  tcp_.TakeOver(socket);
  StartReceiving();
  if (context_->draining) Drain();
}

void Http1Client::StartReceiving() {
  tcp_.SetCredit(context_->limits.stream_window_bytes);
  // The first head must come as quickly as an unfinished one.
  ArmAt(context_->loop.Now() + context_->limits.client_head_timeout);
}

void Http1Client::ArmAt(common::MonotonicTime deadline) {
  deadline_ = deadline;
  context_->loop.timers().Arm(*this, deadline);
}

void Http1Client::Drain() {
  // The head of an answer that is still to come says "close"; see SendHead().
  if (state_ != State::kIdle) return;
  // Whoever has just connected is about to send.
  AwaitLastRequest(fresh_ ? context_->limits.drain_first_request_wait : absl::ZeroDuration());
}

void Http1Client::AwaitLastRequest(absl::Duration at_least) {
  const common::MonotonicTime now = context_->loop.Now();
  const common::MonotonicTime idle = now + context_->limits.client_idle_timeout;
  const common::MonotonicTime end = context_->draining ? context_->drain_idle_until : aged_at_;
  ArmAt(end >= idle ? idle : std::min(idle, std::max(end, now + at_least)));
}

void Http1Client::Kill() {
  if (state_ == State::kClosed) return;
  Leave(context_->draining ? Reason::kDraining : Reason::kClientGone);
}

void Http1Client::Close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  tcp_.Close();
  Cancel();
  pending_ = Slice{};
  ReturnParsers();
  registry_->OnClientClosed(this);
}

void Http1Client::Push(StreamEvent::Kind kind, bool end, Slice data, Reason reason) {
  StreamEvent event;
  event.stream = stream_->handle();
  event.kind = kind;
  event.end = end;
  event.reason = reason;
  event.data = std::move(data);
  context_->ready.Push(std::move(event));
}

// ---- Receiving.

void Http1Client::OnReceived(Slice bytes) {
  context_->counters.received_bytes.Add(bytes.size);
  if (state_ == State::kTunnel)
    return Push(StreamEvent::Kind::kRequestData, false, std::move(bytes));
  if (state_ == State::kLinger || state_ == State::kFlushing || state_ == State::kRefused) {
    lingered_bytes_ += bytes.size;
    if (lingered_bytes_ > context_->limits.linger_bytes_max) {
      if (state_ == State::kLinger) {
        Close();
      } else {
        tcp_.SetCredit(0);
      }
    }
    return;
  }
  if (fresh_ && !pending_.empty()) {
    // The preface came in pieces.
    ChunkRef chunk = ChunkRef::Adopt(context_->chunks.Take());
    const size_t before = pending_.size;
    std::memcpy(chunk->data(), pending_.data, before);
    const size_t more = std::min(bytes.size, kChunkDataBytes - before);
    std::memcpy(chunk->data() + before, bytes.data, more);
    const char* data = chunk->data();
    pending_ = Slice{std::move(chunk), data, before + more};
    bytes.Advance(more);
  } else {
    pending_ = std::exchange(bytes, Slice{});
  }
  if (fresh_ && TakePreface()) return;
  ParseInput();
  // At most the few bytes that did not fit behind a piece of a preface.
  if (!bytes.empty()) OnReceived(std::move(bytes));
}

bool Http1Client::TakePreface() {
  // RFC 9113 3.4. No HTTP/1 request begins with its first line: "PRI" is reserved.
  constexpr absl::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  const absl::string_view seen = pending_.view().substr(0, kPreface.size());
  if (!http2_ || seen != kPreface.substr(0, seen.size())) {
    fresh_ = false;
    return false;
  }
  if (seen.size() < kPreface.size()) return true;
  registry_->OnHttp2(this, &tcp_, peer_, std::exchange(pending_, Slice{}));
  Close();
  return true;
}

absl::string_view Http1Client::Via() const {
  return stream_ != nullptr && stream_->request().legacy ? "1.0 pointsman" : "1.1 pointsman";
}

void Http1Client::ParseInput() {
  while (!pending_.empty()) {
    // Answers the client does not read yet hold back its next requests.
    if (stream_ == nullptr && tcp_.out().bytes() >= context_->limits.stream_window_bytes) {
      tcp_.SetCredit(0);
      return;
    }
    bool more = false;
    switch (state_) {
      case State::kIdle:
      case State::kHead:
        more = ParseHead();
        break;
      case State::kBody:
        more = ParseBody();
        break;
      case State::kAnswer:
        // The next request waits, and what follows it waits in the kernel.
        tcp_.SetCredit(0);
        break;
      default:
        pending_ = Slice{};
        break;
    }
    if (!more) return;
  }
}

bool Http1Client::ParseHead() {
  if (state_ == State::kIdle) {
    stream_ = context_->streams->New(this);
    parsers_ = context_->request_parsers.Take();
    parsers_->head.Start(&stream_->request());
    state_ = State::kHead;
    deadline_ = context_->loop.Now() + context_->limits.client_head_timeout;
  }
  const HeadProgress progress = parsers_->head.Feed(pending_.view());
  pending_.Advance(progress.consumed);
  if (progress.state == ParseState::kMore) {
    context_->loop.timers().Arm(*this, deadline_);
    return false;
  }
  if (progress.state == ParseState::kError) {
    RefuseInput(progress.reason);
    return false;
  }
  RequestHead& head = stream_->request();
  BodyParser& body = parsers_->body;
  body.Start(head.body, head.content_length, &head.block);
  state_ = body.done() ? State::kAnswer : State::kBody;
  Push(StreamEvent::Kind::kRequestHead, body.done());
  return true;
}

bool Http1Client::ParseBody() {
  const BodyProgress progress = parsers_->body.Next(pending_.view());
  if (progress.state == ParseState::kError) {
    RefuseInput(progress.reason);
    return false;
  }
  const bool end = progress.state == ParseState::kDone;
  if (end) state_ = State::kAnswer;
  if (!progress.data.empty()) {
    Push(StreamEvent::Kind::kRequestData, end,
         Slice{pending_.chunk, progress.data.data(), progress.data.size()});
  } else if (end) {
    Push(StreamEvent::Kind::kRequestEnd, true);
  } else {
    // Framing alone: nobody is told who could grant what it took.
    tcp_.SetCredit(tcp_.credit() + static_cast<int64_t>(progress.consumed));
  }
  pending_.Advance(progress.consumed);
  return true;
}

// The client's bytes cannot be trusted any more: none of them is looked at again.
void Http1Client::RefuseInput(Reason reason) {
  pending_ = Slice{};
  state_ = State::kRefused;
  close_after_ = true;
  Push(StreamEvent::Kind::kRequestReset, true, Slice{}, reason);
}

void Http1Client::OnInputEnd() {
  input_ended_ = true;
  switch (state_) {
    case State::kTunnel:
      return Push(StreamEvent::Kind::kRequestEnd, true);
    case State::kAnswer:
    case State::kRefused:
    case State::kFlushing:
      // The client may have closed its sending side only.
      close_after_ = true;
      return;
    case State::kIdle:
      if (tcp_.out().empty()) return ClientGone();
      close_after_ = true;
      state_ = State::kFlushing;
      return;
    default:
      ClientGone();
  }
}

void Http1Client::OnHangUp() {
  // A tunnel's client that ends when both directions have: its last bytes are still to be read.
  if (state_ == State::kTunnel && output_ended_) return;
  ClientGone();
}

void Http1Client::OnFailed(int /*error*/) { ClientGone(); }

void Http1Client::ClientGone() { Leave(Reason::kClientGone); }

void Http1Client::Leave(Reason reason) {
  if (stream_ != nullptr) Push(StreamEvent::Kind::kRequestReset, true, Slice{}, reason);
  Close();
}

// ---- Sending.

void Http1Client::OnSent(size_t n) {
  context_->counters.sent_bytes.Add(n);
  if (stream_ != nullptr) {
    if (stream_->waits_for_client()) Push(StreamEvent::Kind::kClientSent);
    if (output_ended_) EndTunnelOutput();
  } else if (state_ == State::kFlushing && tcp_.out().empty()) {
    FinishFlushing();
  } else if (state_ == State::kIdle && !pending_.empty()) {
    tcp_.SetCredit(context_->limits.stream_window_bytes);
    ParseInput();
  } else if (state_ == State::kIdle && tcp_.out().empty()) {
    tcp_.out().ReleaseMemory();
  }
}

void Http1Client::BeginFlushing() {
  pending_ = Slice{};
  state_ = State::kFlushing;
  ArmAt(context_->loop.Now() + context_->limits.client_idle_timeout);
  tcp_.ExpectEnd();
  if (tcp_.out().empty()) FinishFlushing();
}

void Http1Client::FinishFlushing() {
  if (input_ended_) {
    Close();
    return;
  }
  // Closing with unread input would make the kernel reset the connection, and the client could
  // lose the answer: say that nothing more comes, and read for a while.
  tcp_.ShutdownWrite();
  state_ = State::kLinger;
  ArmAt(context_->loop.Now() + context_->limits.linger_timeout);
  tcp_.SetCredit(context_->limits.linger_bytes_max);
}

void Http1Client::SendContinue() {
  if (state_ == State::kClosed) return;
  WriteContinue(&tcp_.out());
  context_->FlushLater(&tcp_);
}

void Http1Client::SendInterim(const ResponseHead& head) {
  if (state_ == State::kClosed || stream_->request().legacy) return;
  WriteResponseHead(head, ResponseFraming{}, &tcp_.out());
  context_->FlushLater(&tcp_);
}

void Http1Client::DecideClose(bool request_ended) {
  if (!stream_->request().keep_alive || !request_ended || context_->draining) close_after_ = true;
  if (close_after_ || !aged()) return;
  close_after_ = true;
  context_->counters.clients_aged.Add();
}

void Http1Client::SendHead(const ResponseHead& head, bool end, bool request_ended) {
  if (state_ == State::kClosed) return;
  if (head.switched) return SwitchProtocols(head);
  const RequestHead& request = stream_->request();
  DecideClose(request_ended);
  ResponseFraming framing;
  framing.body = head.body;
  framing.content_length =
      head.body == BodyKind::kLength || head.body == BodyKind::kNone
          ? (head.status < 200 || head.status == 204 ? -1 : head.content_length)
          : -1;
  if (head.body == BodyKind::kUntilClose || head.body == BodyKind::kChunked) {
    framing.body = request.legacy ? BodyKind::kUntilClose : BodyKind::kChunked;
    if (request.legacy) close_after_ = true;
  }
  chunked_answer_ = framing.body == BodyKind::kChunked;
  body_until_close_ = framing.body == BodyKind::kUntilClose;
  framing.close = close_after_;
  framing.legacy_keep_alive = request.legacy && !close_after_;
  WriteResponseHead(head, framing, &tcp_.out());
  if (end && chunked_answer_) WriteLastChunk(head.block, &tcp_.out());
  context_->FlushLater(&tcp_);
}

void Http1Client::SwitchProtocols(const ResponseHead& head) {
  WriteSwitch(stream_->request(), head, &tcp_.out());
  context_->FlushLater(&tcp_);
  state_ = State::kTunnel;
  // Whatever ends the tunnel, no request follows; when it breaks, only a reset tells.
  close_after_ = body_until_close_ = true;
  chunked_answer_ = false;
  if (!pending_.empty()) Push(StreamEvent::Kind::kRequestData, false, std::exchange(pending_, {}));
  if (input_ended_) Push(StreamEvent::Kind::kRequestEnd, true);
}

void Http1Client::EndTunnelOutput() {
  output_ended_ = true;
  if (tcp_.open() && tcp_.out().empty()) tcp_.ShutdownWrite();
}

void Http1Client::SendData(Slice data) {
  if (state_ == State::kClosed || data.empty()) return;
  if (chunked_answer_) {
    WriteChunk(data, &tcp_.out());
  } else {
    tcp_.out().Append(data);
  }
  context_->FlushLater(&tcp_);
}

void Http1Client::SendEnd(const ResponseHead& head) {
  if (state_ == State::kClosed) return;
  if (state_ == State::kTunnel) return EndTunnelOutput();
  if (chunked_answer_) WriteLastChunk(head.block, &tcp_.out());
  context_->FlushLater(&tcp_);
}

void Http1Client::SendOwn(const OwnResponse& response, bool request_ended) {
  if (state_ == State::kClosed) return;
  const RequestHead& request = stream_->request();
  DecideClose(request_ended);
  OwnResponse own = response;
  own.close = close_after_;
  own.legacy_keep_alive = request.legacy && !close_after_;
  WriteOwnResponse(own, &tcp_.out());
  context_->FlushLater(&tcp_);
}

void Http1Client::Abort() {
  if (state_ == State::kClosed) return;
  close_after_ = true;
  // What was queued may leave; the missing end tells the client. Where the end of the connection is
  // the end of the body, only a reset tells.
  if (body_until_close_) tcp_.Reset();
}

void Http1Client::StreamDone() {
  stream_ = nullptr;
  ReturnParsers();
  if (state_ == State::kClosed) return;
  if (!tcp_.open()) return Close();
  if (close_after_) return BeginFlushing();
  state_ = State::kIdle;
  // An answer that began before the drain, or before the connection's age was over, told nothing.
  AwaitLastRequest(context_->limits.drain_first_request_wait);
  tcp_.SetCredit(context_->limits.stream_window_bytes);
  if (!pending_.empty()) ParseInput();
}

void Http1Client::SetRequestCredit(int64_t bytes) {
  if (state_ == State::kBody || state_ == State::kTunnel) tcp_.SetCredit(bytes);
}

void Http1Client::EndIdle() {
  // A request that has reached this host is answered.
  tcp_.ReceiveNow();
  if (state_ != State::kIdle) return;
  if (!context_->draining) context_->counters.clients_aged.Add();
  // The client may be slow to take the last answer.
  if (!tcp_.out().empty()) return BeginFlushing();
  ClientGone();
}

void Http1Client::OnTimer() {
  if (state_ == State::kClosed) return;
  // The stream has the deadlines.
  if (state_ == State::kBody || state_ == State::kAnswer || state_ == State::kTunnel ||
      state_ == State::kRefused) {
    return;
  }
  if (context_->loop.Now() < deadline_) {
    context_->loop.timers().Arm(*this, deadline_);
    return;
  }
  if (state_ == State::kHead && !parsers_->head.untouched()) {
    RefuseInput(Reason::kHeadTimeout);
    return;
  }
  if (state_ == State::kIdle && (context_->draining || aged())) return EndIdle();
  ClientGone();
}

}  // namespace pointsman::gateway
