#pragma once

// Where a new connection to an endpoint goes, and what is learned of where it came to stand.
// Thread-compatible; on the worker's thread.

#include <optional>

#include "absl/time/time.h"
#include "common/core/address.h"
#include "common/core/ip_address.h"
#include "gateway/core/cells.h"
#include "gateway/net/connect_race.h"
#include "gateway/proxy/worker_context.h"

namespace pointsman::gateway {

struct UpstreamPlace {
  CellRef cell;
  // Both as Endpoint has them.
  const common::Address& address;
  const std::optional<common::IpAddress>& other;
  absl::Duration connect_timeout;
};

// The address that worked last comes first. The head start leaves half of the time to the second.
ConnectTarget TargetOf(const WorkerContext& context, const UpstreamPlace& place);

// A connection to the endpoint of `cell` stands.
void NoteReached(WorkerContext* context, CellRef cell, const TcpConnection& connection);

}  // namespace pointsman::gateway
