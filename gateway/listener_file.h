#pragma once

// Reads the file behind --listeners (listener.proto) and the certificates it names. Thread-safe (no
// state); reads files.

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gateway/proxy/engine.h"
#include "pointsman/v1/gateway_limits.pb.h"

namespace pointsman::gateway {

struct NamedListener {
  std::string name;
  ListenerOptions options;
};

struct ListenerFile {
  // Empty only where there are limits.
  std::vector<NamedListener> listeners;
  // Absent: the file says nothing of them.
  std::optional<v1::GatewayLimits> limits;
};

// InvalidArgument with every problem of the file, mistakes of writing with their line; or the first
// certificate file that cannot be read. Whether certificates and keys are any good shows when they
// are used.
absl::StatusOr<ListenerFile> ReadListenerFile(const std::string& path);

// "HOST:PORT" of a listener; "localhost" is 127.0.0.1. InvalidArgument: another name, or a unix
// socket.
absl::StatusOr<common::Address> ParseListenAddress(absl::string_view text);

}  // namespace pointsman::gateway
