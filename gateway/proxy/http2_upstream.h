#pragma once

// An HTTP/2 connection to an endpoint: many tries at once, each a stream of its own. It is opened
// for the first one that needs it, takes more up to the endpoint's limit, and is closed after some
// time without any. One that is too old, or had all the tries it may have, takes no more and is
// closed after the last. Thread-compatible; owned by its worker's UpstreamPools.

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "gateway/core/age.h"
#include "gateway/core/cells.h"
#include "gateway/http2/session.h"
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

class Http2Upstream final : public Mortal,
                            public ConnectionOwner,
                            public Http2Session::Owner,
                            public TimerEntry {
 public:
  // `tls`: policy to speak TLS by; 0: plain.
  Http2Upstream(WorkerContext* context, UpstreamPools* pools, CellRef cell, uint64_t tls);
  ~Http2Upstream() override;

  // Begins to connect. A failure is told to the streams bound to it, in the same turn.
  void Connect(const ConnectTarget& target);
  // A try on this connection. Once it is connected(), the request may be sent.
  UpstreamSide* Bind(Stream* stream, uint8_t attempt, const ConnectionLimits& limits);
  // No further try; closes when the last one has ended, at once when there is none.
  void Retire();
  // Closes at once; tries under way fail for this reason.
  void Lose(Reason reason);

  CellRef cell() const { return cell_; }
  uint64_t tls_policy() const { return tls_.policy(); }
  // Another try may be bound.
  bool open_for_tries() const;
  // Tries bound now, and how many the endpoint takes at once.
  size_t tries() const { return tries_.size() - free_.size(); }
  size_t tries_max() const;
  // It may be dead: others are better, until something comes.
  bool suspect() const { return suspect_; }
  bool connected() const { return connected_; }
  ConnectionFacts Describe() const {
    return {.upstream = true,
            .protocol = "http2",
            .tls = tls_policy() != 0,
            .requests = tries(),
            .unsent_bytes = tcp_.out().bytes(),
            .fd = tcp_.fd()};
  }

  // ConnectionOwner
  void OnConnected() override;
  void OnReceived(Slice bytes) override;
  void OnInputEnd() override { Lose(Reason::kUpstreamReset); }
  void OnBeforeFlush() override;
  void OnSent(size_t n) override;
  void OnHangUp() override {}
  void OnFailed(int error) override;

  // Http2Session::Owner
  Http2Stream* OnStreamOpened() override { return nullptr; }
  void OnGoaway() override;

  void OnTimer() override;

  // Place in the pools' list.
  size_t registry_index = 0;

 private:
  class Try;

  // The endpoint takes another request.
  bool takes_requests() const;
  void Free(Try* one);
  // No further try once its tries or its age are used up; closes when there is none.
  void EndIfAged();
  void SendLater() { context_->FlushAtTurnEnd(&tcp_); }
  void Close();
  void BecomeIdle();
  // The endpoint's settings have come.
  void TellSettled();
  // Another request would be beyond the endpoint's limit of streams, or of those that wait.
  bool MustWait() const;
  // It is given up while it waits, or did until the connection was lost.
  void WaitNoMore(Try* one);
  // All that wait, which wait no more.
  std::deque<Try*> TakeWaiting();
  // Sends what waits and has room now. False: nothing.
  bool StartWaiting();
  static void RefuseHeld(const std::deque<Try*>& tries);
  void Ping();
  // A try was given up that began then.
  void OnTryGivenUp(common::MonotonicTime begun);
  // When it was silent for too long, or without a try.
  common::MonotonicTime SilentAt() const;
  common::MonotonicTime NextDeadline() const;
  void ArmTimer() { context_->loop.timers().Arm(*this, NextDeadline()); }

  WorkerContext* const context_;
  UpstreamPools* const pools_;
  const CellRef cell_;
  UpstreamTlsBinding tls_;
  TcpConnection tcp_;
  Http2Session session_;
  std::vector<std::unique_ptr<Try>> tries_;
  std::vector<Try*> free_;
  // Held back by the endpoint's limit of streams, in order; each is one of tries_.
  std::deque<Try*> waiting_;
  ConnectionLife life_;
  common::MonotonicTime idle_since_;
  common::MonotonicTime busy_since_;
  // The last bytes that came, and the PING that waits for some.
  common::MonotonicTime heard_;
  common::MonotonicTime pinged_at_;
  uint64_t answer_frames_ = 0;
  int quick_pings_;
  Reason start_failure_ = Reason::kConnectFailed;
  bool connected_ = false;
  bool settled_ = false;
  bool retired_ = false;
  bool aged_ = false;
  bool closed_ = false;
  bool pinged_ = false;
  bool suspect_ = false;
  bool blocked_ = false;  // Bytes wait for the endpoint to take those before.
};

}  // namespace pointsman::gateway
