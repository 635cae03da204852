#pragma once

// A client's HTTP/2 connection: each of its streams is one request with its answer. Frames are
// collected and written once a turn. A stream's place is used again once its request is over and
// the codec has let go of it. At its age the client is told to open another. Thread-compatible;
// owned by its worker.

#include <cstdint>
#include <memory>
#include <vector>

#include "gateway/http2/session.h"
#include "gateway/net/tcp_connection.h"
#include "gateway/net/timer_wheel.h"
#include "gateway/proxy/client_connection.h"
#include "gateway/proxy/exchange.h"
#include "gateway/proxy/worker_context.h"

namespace pointsman::gateway {

class Stream;

class Http2Client final : public ClientConnection,
                          public ConnectionOwner,
                          public Http2Session::Owner,
                          public TimerEntry {
 public:
  Http2Client(WorkerContext* context, ClientRegistry* registry, const ClientPeer& peer);
  ~Http2Client() override;

  // Takes the socket over from another connection, with what was received on it.
  void Start(TcpConnection* socket, const Slice& received);
  // ClientConnection
  void Drain() override;
  void Kill() override;
  ConnectionFacts Describe() const override {
    return {.upstream = false,
            .protocol = "http2",
            .tls = tcp_.filter() != nullptr,
            .requests = requests_.size() - free_.size(),
            .unsent_bytes = tcp_.out().bytes(),
            .fd = tcp_.fd()};
  }

  // ConnectionOwner
  void OnConnected() override {}
  void OnReceived(Slice bytes) override;
  void OnInputEnd() override;
  void OnBeforeFlush() override;
  void OnSent(size_t n) override;
  void OnHangUp() override { ClientGone(); }
  void OnFailed(int /*error*/) override { ClientGone(); }

  // Http2Session::Owner
  Http2Stream* OnStreamOpened() override;
  void OnGoaway() override {}

  void OnTimer() override;

 private:
  class Request;

  void Free(Request* request);
  void TakeFrames(const Slice& bytes);
  // Memory of the heads of running requests.
  bool HoldsTooMuch() const;
  void SendLater() { context_->FlushAtTurnEnd(&tcp_); }
  // The connection closes once everything was sent.
  void CloseIfFinished();
  void ClientGone();
  // Ends at once; the streams are told why.
  void Leave(Reason reason);
  void Close();
  common::MonotonicTime NextDeadline() const;
  void ArmTimer();
  // Looks in at `when` at the latest.
  void LookAt(common::MonotonicTime when);

  WorkerContext* const context_;
  ClientRegistry* const registry_;
  TcpConnection tcp_;
  Http2Session session_;
  // All places; those in free_ are not in use.
  std::vector<std::unique_ptr<Request>> requests_;
  std::vector<Request*> free_;
  uint64_t received_bytes_ = 0;
  size_t head_bytes_ = 0;
  // Since when nothing was under way; since when the peer took nothing although bytes wait.
  common::MonotonicTime idle_since_;
  common::MonotonicTime progress_;
  common::MonotonicTime look_at_ = common::MonotonicTime::Infinite();
  const common::MonotonicTime aged_at_;
  // While draining and GOAWAY is still to be sent: when.
  common::MonotonicTime goaway_at_ = common::MonotonicTime::Infinite();
  bool draining_ = false;  // With the process, or by its age.
  bool broken_ = false;    // Only what is queued is still sent.
  bool closed_ = false;
  const ClientPeer peer_;
};

}  // namespace pointsman::gateway
