#pragma once

// A gateway's connections as JSON for people: how many there are, and some of them one by one.
// Thread-safe (no state).

#include <string>

#include "gateway/proxy/engine.h"

namespace pointsman::gateway {

// Connections shown of each kind, those with clients and those with endpoints.
inline constexpr size_t kConnectionsShownMax = 1000;

std::string DumpConnections(const Engine::Connections& connections);

}  // namespace pointsman::gateway
