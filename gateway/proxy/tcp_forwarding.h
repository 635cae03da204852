#pragma once

// Where a listener passes connections through to. A value; immutable once the engine runs.

#include <string>
#include <vector>

#include "common/core/micros.h"
#include "gateway/tls/server_names.h"

namespace pointsman::gateway {

struct TcpForwarding {
  // Bare IDs. The first is for connections that no name fits; empty: those are closed.
  std::vector<std::string> services = {""};
  // Places in `services` by the server name a TLS connection begins with.
  ServerNames names;
  common::Micros idle_timeout = absl::Hours(1);
};

}  // namespace pointsman::gateway
