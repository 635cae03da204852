#pragma once

// Accepts connections on one socket for one worker. Never spins: when the process has no descriptor
// left, a reserved one is given up for a moment to accept and close the waiting connection, and
// when even that fails, accepting pauses. Thread-compatible.

#include "absl/functional/any_invocable.h"
#include "gateway/net/event_loop.h"
#include "gateway/net/fd.h"
#include "gateway/net/socket.h"
#include "gateway/net/timer_wheel.h"
#include "gateway/proxy/worker_context.h"

namespace pointsman::gateway {

class Listener final : public IoHandler, public TimerEntry {
 public:
  static constexpr int kAcceptsPerTurnMax = 16;
  // As many as may wait when the listener closes; whoever connects faster than that is reset.
  static constexpr int kAcceptsAtCloseMax = ListenOptions{}.backlog;
  static constexpr absl::Duration kPause = absl::Milliseconds(100);

  using OnAccepted = absl::AnyInvocable<void(Fd, const SocketAddress&)>;

  Listener(WorkerContext* context, Fd fd, OnAccepted on_accepted);

  // Begins to accept; until then connections wait in the kernel. Idempotent.
  void Start();
  // Accepts what waits already (at most kAcceptsAtCloseMax), then stops listening.
  void Close();
  // Stops listening; what waits is for another process that has the same socket.
  void Abandon();

  void OnIo(uint32_t events) override;
  void OnTimer() override;

 private:
  // Returns false when nothing (more) can be accepted.
  bool AcceptNext();
  void ShedOne();
  // Epoll would hold on to a socket that has other descriptors, here or in another process.
  void Unregister();
  void Pause();
  void Resume();

  WorkerContext* const context_;
  Fd fd_;
  Fd reserve_;
  OnAccepted on_accepted_;
  bool started_ = false;
  bool registered_ = false;
  bool paused_ = false;
};

}  // namespace pointsman::gateway
