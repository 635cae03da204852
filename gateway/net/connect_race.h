#pragma once

// A peer that can be reached at two addresses (RFC 8305): the second one is asked when the first
// has failed, and beside it when the first has taken a while; whichever stands first is used.
// Thread-compatible; on its loop's thread.

#include <optional>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "gateway/net/event_loop.h"
#include "gateway/net/fd.h"
#include "gateway/net/socket.h"

namespace pointsman::gateway {

// Whom to connect to.
struct ConnectTarget {
  SocketAddress address;
  // The same peer; absent: there is no other way to it.
  std::optional<SocketAddress> other;
  // `other` is asked first.
  bool other_first = false;
  // So long the address that is asked first has alone, unless it fails.
  absl::Duration head_start = absl::Milliseconds(250);
};

// At which of a target's addresses a connection stands.
struct ReachedAddress {
  bool had_choice = false;  // There were two.
  bool other = false;
  bool second = false;  // Not the one that was asked first.
};

// The address that is asked second, while a connection is made to the first.
class SecondConnect final : public Mortal, public IoHandler, public TimerEntry {
 public:
  // Begins `head_start` from now. `on_stands` is called in an event of the loop when it stands;
  // Stop() or Take() comes from there.
  SecondConnect(EventLoop* loop, const SocketAddress& address, absl::Duration head_start,
                absl::AnyInvocable<void()> on_stands);

  // The socket, connecting or connected and registered with the loop; it begins now if it has not
  // yet. Invalid: it failed. No callback comes afterwards.
  Fd Take();
  // It is not needed. No callback comes afterwards.
  void Stop();

  void OnIo(uint32_t events) override;
  void OnTimer() override;

 private:
  void Begin();

  EventLoop* const loop_;
  const SocketAddress address_;
  const common::MonotonicTime begin_at_;
  absl::AnyInvocable<void()> on_stands_;
  Fd fd_;
  bool begun_ = false;
};

}  // namespace pointsman::gateway
