#pragma once

// A client's HTTP/1 connection: turns received bytes into events of its current stream and the
// stream's answers into bytes. One request at a time; bytes of the next one wait unparsed (at most
// one chunk) until the answer is complete, so pipelined answers keep their order. An idle
// connection owns neither buffer nor stream. Thread-compatible; owned by its worker, buried at the
// end of the turn in which it closed.

#include <cstdint>
#include <memory>
#include <utility>

#include "gateway/http1/message_parsers.h"
#include "gateway/net/tcp_connection.h"
#include "gateway/net/timer_wheel.h"
#include "gateway/proxy/client_connection.h"
#include "gateway/proxy/exchange.h"
#include "gateway/proxy/worker_context.h"
#include "gateway/tls/filter.h"

namespace pointsman::gateway {

class Stream;

class Http1Client final : public ClientConnection,
                          public ConnectionOwner,
                          public ClientSide,
                          public TimerEntry {
 public:
  Http1Client(WorkerContext* context, ClientRegistry* registry, const ClientPeer& peer);
  ~Http1Client() override;

  // Takes over an accepted socket; false when it cannot be registered.
  bool Start(Fd fd);
  // Takes the socket over from another connection, with its TLS session. Not `http2`: HTTP/2's
  // preface is a bad request line like any other.
  void Start(TcpConnection* socket, bool http2);
  // The next answer says that it is the last. Without a request that may say so, closes when the
  // drain's wait for idle connections is over.
  void Drain() override;
  void Kill() override;
  ConnectionFacts Describe() const override {
    return {.upstream = false,
            .protocol = "http1",
            .tls = tcp_.filter() != nullptr,
            .requests = stream_ != nullptr ? size_t{1} : 0,
            .unsent_bytes = tcp_.out().bytes(),
            .fd = tcp_.fd()};
  }

  // ConnectionOwner
  void OnConnected() override {}
  void OnReceived(Slice bytes) override;
  void OnInputEnd() override;
  void OnSent(size_t n) override;
  void OnHangUp() override;
  void OnFailed(int error) override;

  // ClientSide
  void SendContinue() override;
  void SendInterim(const ResponseHead& head) override;
  void SendHead(const ResponseHead& head, bool end, bool request_ended) override;
  void SendData(Slice data) override;
  void SendEnd(const ResponseHead& head) override;
  void SendOwn(const OwnResponse& response, bool request_ended) override;
  void Abort() override;
  void StreamDone() override;
  void SetRequestCredit(int64_t bytes) override;
  size_t UnsentBytes() const override { return tcp_.out().bytes(); }
  absl::string_view PeerHost() const override { return peer_.host(); }
  bool PeerTrusted() const override { return peer_.trusted(); }
  absl::string_view Proto() const override { return TlsOf(tcp_) != nullptr ? "https" : "http"; }
  bool Misdirected(absl::string_view authority) const override {
    return TlsOf(tcp_) != nullptr && TlsOf(tcp_)->Misdirects(authority);
  }
  absl::string_view Via() const override;
  const TlsFilter* Tls() const override { return TlsOf(tcp_); }

  void OnTimer() override;

 private:
  void StartReceiving();

  enum class State : uint8_t {
    kIdle,      // Between requests.
    kHead,      // Some of a head came.
    kBody,      // Receiving a body.
    kAnswer,    // The request is complete; waiting for the end of the answer.
    kTunnel,    // Opaque bytes both ways.
    kRefused,   // Input is no longer read; the answer is still under way.
    kFlushing,  // The last answer leaves, then the connection closes.
    kLinger,    // Everything was sent; input is thrown away for a while.
    kClosed,
  };

  void ParseInput();
  // True: what came is, or may become, the preface of HTTP/2, and was dealt with.
  bool TakePreface();
  // Each returns false when there is nothing more to do with the input now.
  bool ParseHead();
  bool ParseBody();
  void Push(StreamEvent::Kind kind, bool end = false, Slice data = {},
            Reason reason = Reason::kNone);
  void RefuseInput(Reason reason);
  // The endpoint follows the upgrade: says so, and lets what waited unread go on.
  void SwitchProtocols(const ResponseHead& head);
  void EndTunnelOutput();
  void ClientGone();
  // Ends at once; the stream is told why.
  void Leave(Reason reason);
  // Nothing follows what is queued.
  void BeginFlushing();
  void FinishFlushing();
  // It is so old that no request is taken behind an answer that begins now.
  bool aged() const { return context_->loop.Now() >= aged_at_; }
  // An answer begins: whether it is the last.
  void DecideClose(bool request_ended);
  // Idle: when to close. `at_least`: to give the client from now on, if the connection is to end
  // by a drain or its age.
  void AwaitLastRequest(absl::Duration at_least);
  // Idle, and to end by a drain or its age.
  void EndIdle();
  void ReturnParsers() { context_->request_parsers.Return(std::move(parsers_)); }
  void Close();
  void ArmAt(common::MonotonicTime deadline);

  WorkerContext* const context_;
  ClientRegistry* const registry_;
  TcpConnection tcp_;
  // From a head's first byte to the end of its answer.
  std::unique_ptr<RequestParsers> parsers_;
  // Received, not parsed yet.
  Slice pending_;
  Stream* stream_ = nullptr;
  common::MonotonicTime deadline_;
  const common::MonotonicTime aged_at_;
  size_t lingered_bytes_ = 0;
  State state_ = State::kIdle;
  bool close_after_ = false;
  // The answer's body is sent in chunks.
  bool chunked_answer_ = false;
  bool body_until_close_ = false;
  // Of a tunnel: nothing follows what is queued.
  bool output_ended_ = false;
  bool input_ended_ = false;
  // No byte of a request was parsed yet.
  bool fresh_ = true;
  // While fresh it may still turn out to be HTTP/2.
  bool http2_ = true;
  const ClientPeer peer_;
};

}  // namespace pointsman::gateway
