#include "gateway/proxy/upstream_target.h"

#include <algorithm>

namespace pointsman::gateway {

ConnectTarget TargetOf(const WorkerContext& context, const UpstreamPlace& place) {
  ConnectTarget target;
  target.address = SocketAddress::From(place.address);
  if (!place.other.has_value()) return target;
  target.other = SocketAddress::From(*place.other, place.address.port);
  target.other_first = context.addresses.OtherFirst(place.cell, context.loop.Now());
  target.head_start = std::min(target.head_start, place.connect_timeout / 2);
  return target;
}

void NoteReached(WorkerContext* context, CellRef cell, const TcpConnection& connection) {
  const ReachedAddress& reached = connection.reached();
  if (!reached.had_choice) return;
  if (reached.second) context->counters.upstream_second_addresses.Add();
  context->addresses.Learn(cell, reached.other, context->loop.Now());
}

}  // namespace pointsman::gateway
