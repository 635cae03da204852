#pragma once

// The client side of a controller connection. gRPC itself connects again with exponential back-off
// and jitter within the bounds below; a stream that ends is opened again by its owner, with
// common/core/backoff. Thread-safe.

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/rpc/tls.h"

namespace grpc {
class Channel;
}

namespace pointsman::common {

// A bundle carries at most a configuration (8 MiB) and what fits beside it.
inline constexpr int kMaxMessageBytes = 64 << 20;

struct ChannelOptions {
  // "HOST:PORT" of controllers. One: name or address. Several: IP addresses, all IPv4 or all IPv6;
  // tried in order until one answers.
  std::vector<std::string> targets;
  TlsFiles tls;
  // Allows plain text to an address that is not loopback.
  bool insecure = false;
  absl::Duration backoff_min = absl::Milliseconds(100);
  absl::Duration backoff_max = absl::Seconds(5);
  // One attempt to connect, handshakes included.
  absl::Duration connect_timeout = absl::Seconds(5);
  // A ping after this long without a byte from the controller; the connection is given up when no
  // answer comes within the timeout.
  absl::Duration keepalive_time = absl::Seconds(10);
  absl::Duration keepalive_timeout = absl::Seconds(5);
  // True: a connection of its own, not one shared with other channels of this process to the same
  // target (tests and load generators).
  bool own_connection = false;
};

// Makes a channel; connecting happens with the first call. Ignores proxy settings of the
// environment. InvalidArgument: no target, targets that cannot be mixed, TLS files as in tls.h.
// FailedPrecondition: plain text to an address that is not loopback without `insecure`.
// NotFound, PermissionDenied: a TLS file cannot be read.
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const ChannelOptions& options);

}  // namespace pointsman::common
