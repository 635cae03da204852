#pragma once

// A client's connection that is passed through to an endpoint of a TCP service: bytes both ways,
// with back-pressure, each direction ended by itself. Until an endpoint's connection stands, what
// the client says waits here (bounded), so that another endpoint may be tried. Thread-compatible;
// owned by its worker, buried at the end of the turn in which it closed.

#include <memory>
#include <string>
#include <vector>

#include "gateway/core/picker.h"
#include "gateway/net/socket.h"
#include "gateway/net/tcp_connection.h"
#include "gateway/net/timer_wheel.h"
#include "gateway/proxy/client_connection.h"
#include "gateway/proxy/tcp_forwarding.h"
#include "gateway/proxy/upstream_tls_binding.h"
#include "gateway/proxy/worker_context.h"

namespace pointsman::gateway {

class TcpClient final : public ClientConnection, public ConnectionOwner, public TimerEntry {
 public:
  TcpClient(WorkerContext* context, ClientRegistry* registry,
            std::shared_ptr<const TcpForwarding> forwarding);
  ~TcpClient() override;

  // Takes over an accepted socket; false when it cannot be registered.
  bool Start(Fd fd);
  // Takes the socket over from another connection, with its TLS session.
  void Start(TcpConnection* socket);
  // After it is in the worker's list: it may close at once.
  void Begin();

  // ClientConnection. A drain lets it go on until the deadline: its bytes have no place to stop.
  void Drain() override {}
  void Kill() override;
  ConnectionFacts Describe() const override {
    return {.upstream = false,
            .protocol = "tcp",
            .tls = tcp_.filter() != nullptr,
            .requests = upstream_ != nullptr ? size_t{1} : 0,
            .unsent_bytes = tcp_.out().bytes(),
            .fd = tcp_.fd()};
  }

  // ConnectionOwner: the client's side.
  void OnConnected() override {}
  void OnReceived(Slice bytes) override;
  void OnInputEnd() override;
  void OnSent(size_t n) override;
  void OnFailed(int error) override;

  void OnTimer() override;

 private:
  class Upstream;
  enum class State : uint8_t {
    kHello,       // Waiting for the client's first message, which names a server.
    kConnecting,  // To an endpoint.
    kOpen,
    kClosed,
  };

  void ReadHello();
  void Enter(const std::string& service);
  const ServiceTable* FindService(absl::string_view name) const;
  bool MayRetry(const ServiceTable& service);
  PickKey KeyOf(const ServiceTable& service) const;
  void TryNext(const ServiceTable& service);
  void OnUpstreamConnected();
  void OnUpstreamFailed(int error);
  // The client's and the endpoint's directions.
  void Relay(const Slice& bytes, TcpConnection* to);
  void UpdateCredit();
  void EndIfFlushed();
  void Fail(Reason reason);
  void Close();
  void EndTry(TryOutcome outcome);
  void ArmAt(common::MonotonicTime deadline);

  WorkerContext* const context_;
  ClientRegistry* const registry_;
  const std::shared_ptr<const TcpForwarding> forwarding_;
  TcpConnection tcp_;
  std::unique_ptr<Upstream> upstream_;
  // What the client said before an endpoint's connection stood.
  OutQueue early_;
  std::string service_name_;
  ServicePolicy policy_;
  CellRef service_cell_;
  CellRef cell_;
  std::vector<CellRef> tried_;
  common::MonotonicTime deadline_;
  common::MonotonicTime progress_;
  State state_ = State::kHello;
  bool in_service_ = false;
  bool in_try_ = false;
  // Nothing more comes from there / the other side was told.
  bool client_ended_ = false;
  bool upstream_ended_ = false;
  bool client_end_passed_ = false;
  bool upstream_end_passed_ = false;
};

}  // namespace pointsman::gateway
