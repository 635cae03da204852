#pragma once

// Reads the file behind --listeners (listener.proto) and the certificates it names. Thread-safe (no
// state); reads files.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gateway/proxy/engine.h"

namespace pointsman::gateway {

struct NamedListener {
  std::string name;
  ListenerOptions options;
};

// InvalidArgument with every problem of the file, each with its line; or the first certificate file
// that cannot be read. Whether certificates and keys are any good shows when they are used.
absl::StatusOr<std::vector<NamedListener>> ReadListenerFile(const std::string& path);

// "HOST:PORT" of a listener; "localhost" is 127.0.0.1. InvalidArgument: another name.
absl::StatusOr<common::Address> ParseListenAddress(absl::string_view text);

}  // namespace pointsman::gateway
