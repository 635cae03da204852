#pragma once

// One HTTP/1 connection to an endpoint: connecting, serving one try at a time, or idle in the pool.
// An idle connection that becomes readable, for whatever reason, is destroyed and never used again.
// Thread-compatible; owned by its worker's UpstreamPools.

#include <cstdint>
#include <memory>
#include <utility>

#include "gateway/core/age.h"
#include "gateway/core/cells.h"
#include "gateway/http1/message_parsers.h"
#include "gateway/net/socket.h"
#include "gateway/net/tcp_connection.h"
#include "gateway/net/timer_wheel.h"
#include "gateway/proxy/connection_facts.h"
#include "gateway/proxy/exchange.h"
#include "gateway/proxy/upstream_tls_binding.h"
#include "gateway/proxy/worker_context.h"

namespace pointsman::gateway {

class Stream;
class UpstreamPools;

class Http1Upstream final : public Mortal,
                            public ConnectionOwner,
                            public UpstreamSide,
                            public TimerEntry {
 public:
  // `tls`: policy to speak TLS by; 0: plain.
  Http1Upstream(WorkerContext* context, UpstreamPools* pools, CellRef cell, uint64_t tls);

  // Begins to connect for `stream`'s try; the outcome comes as an event.
  void Connect(const ConnectTarget& target, Stream* stream, uint8_t attempt,
               const ConnectionLimits& limits);
  // Takes an idle connection for a try.
  void Bind(Stream* stream, uint8_t attempt, const ConnectionLimits& limits);
  // The same of one that another worker had, without limits; false: the kernel refuses, and it is
  // closed.
  bool Adopt(Fd fd, bool at_other, Stream* stream, uint8_t attempt);
  // Of an idle plain one: the socket, for another worker. The rest is as after Close().
  Fd Surrender();
  void Close();
  // Closes it when its requests or its age are used up; false: they are not. REQUIRES: no try.
  bool CloseIfAged() {
    if (!life_.IsOver(context_->loop.Now())) return false;
    CloseAged();
    return true;
  }
  // It has a limit of requests or an age.
  bool limited() const { return life_.limited(); }
  // From now on idle until `deadline`.
  void BecomeIdle(common::MonotonicTime deadline);
  CellRef cell() const { return cell_; }
  ConnectionFacts Describe() const {
    return {.upstream = true,
            .protocol = "http1",
            .tls = tls_.policy() != 0,
            .requests = stream_ != nullptr ? size_t{1} : 0,
            .unsent_bytes = tcp_.out().bytes(),
            .fd = tcp_.fd()};
  }
  uint64_t tls_policy() const { return tls_.policy(); }
  // While idle.
  common::MonotonicTime idle_deadline() const { return idle_deadline_; }

  // ConnectionOwner
  void OnConnected() override;
  void OnReceived(Slice bytes) override;
  void OnInputEnd() override;
  void OnSent(size_t n) override;
  void OnHangUp() override;
  void OnFailed(int error) override;

  // UpstreamSide
  void SendHead(const RequestHead& head, const ForwardedFacts& facts, bool end) override;
  void SendData(Slice data) override;
  void SendEnd(const RequestHead& head) override;
  void ContinueAfterInterim() override;
  void Release(bool clean) override;
  void SetResponseCredit(int64_t bytes) override { tcp_.SetCredit(bytes); }
  size_t UnsentBytes() const override { return tcp_.out().bytes(); }
  bool stale() const override { return reused_; }
  bool refused_unseen() const override { return false; }
  bool connected() const override { return tcp_.open() && !tcp_.connecting(); }
  bool at_other() const override { return adopted_at_other_ || tcp_.reached().other; }
  bool sent_any() const override { return sent_any_; }
  bool received_any() const override { return received_any_; }

  void OnTimer() override;

  // Places in the pools' lists.
  Http1Upstream* idle_next = nullptr;
  Http1Upstream* idle_previous = nullptr;
  size_t registry_index = 0;

 private:
  enum class State : uint8_t {
    kConnecting,
    kIdle,
    kHead,     // Waiting for a response head.
    kInterim,  // An interim head waits to be taken over.
    kBody,
    kTunnel,  // Opaque bytes both ways.
    kDone,    // The response is complete.
    kClosed,
  };

  void StartTry(Stream* stream, uint8_t attempt, const ConnectionLimits& limits);
  void CloseAged();
  // While idle: when it is no longer this worker's.
  common::MonotonicTime KeptUntil() const;
  void StartHead();
  void ReturnParsers() { context_->response_parsers.Return(std::move(parsers_)); }
  void ParseInput();
  bool ParseHead();
  bool ParseBody();
  void FinishHead();
  // The endpoint says that it follows the upgrade; false: not as it must be said.
  bool EnterTunnel();
  void EndTunnelOutput();
  void Push(StreamEvent::Kind kind, bool end = false, Slice data = {},
            Reason reason = Reason::kNone);
  // The try cannot get a (further) response.
  void Lose(Reason reason);

  WorkerContext* const context_;
  UpstreamPools* const pools_;
  const CellRef cell_;
  UpstreamTlsBinding tls_;
  TcpConnection tcp_;
  // While there is a try.
  std::unique_ptr<ResponseParsers> parsers_;
  Slice pending_;
  Stream* stream_ = nullptr;
  common::MonotonicTime idle_deadline_;
  ConnectionLife life_;
  State state_ = State::kConnecting;
  uint8_t attempt_ = 0;
  bool reused_ = false;
  bool sent_any_ = false;
  bool received_any_ = false;
  bool chunked_request_ = false;
  // Bytes came that belong to no response.
  bool adopted_at_other_ = false;
  bool polluted_ = false;
  // Of a tunnel: nothing follows what is queued.
  bool output_ended_ = false;
  int interim_left_ = 0;
};

}  // namespace pointsman::gateway
