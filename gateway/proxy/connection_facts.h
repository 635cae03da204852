#pragma once

// What is shown of one connection, as its worker saw it. Plain data.

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace pointsman::gateway {

struct ConnectionFacts {
  // With an endpoint, not with a client.
  bool upstream = false;
  // "http1", "http2", "tcp"; "tls_handshake", "proxy_header": not known yet.
  absl::string_view protocol;
  bool tls = false;
  // Requests under way.
  size_t requests = 0;
  // Waiting for the peer to take them.
  size_t unsent_bytes = 0;
  // Of its socket; valid on the worker's thread only.
  int fd = -1;

  // Filled in by the worker. Empty: the socket is not connected.
  std::string remote = {};
  size_t worker = 0;
};

}  // namespace pointsman::gateway
