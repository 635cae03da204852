#include "gateway/proxy/service_loads.h"

#include "absl/container/flat_hash_set.h"
#include "gateway/proxy/stream.h"

namespace pointsman::gateway {

void ServiceLoads::Wake(const ServiceLoad& load) {
  const WaitingLine::Entry* first = load.line.Front();
  if (first == nullptr) return;
  Stream* stream = context_->streams->Find({first->stream_index, first->stream_generation});
  if (stream != nullptr) stream->OnTurn();
}

void ServiceLoads::LookSoon(CellRef service) {
  waiting_.insert(service.key());
  context_->loop.timers().Arm(*this, context_->loop.Now() + kLook);
}

void ServiceLoads::OnTimer() {
  absl::erase_if(waiting_, [this](uint64_t key) {
    const ServiceLoad& load = loads_[key];
    Wake(load);
    return load.line.empty();
  });
  if (!waiting_.empty()) context_->loop.timers().Arm(*this, context_->loop.Now() + kLook);
}

bool ServiceLoads::KeepOnly(const RoutingTable& table) {
  absl::flat_hash_set<uint64_t> kept;
  for (const auto& service : table.services) {
    if (service->policy.watches_load()) kept.insert(service->cell.key());
  }
  bool all = true;
  absl::erase_if(loads_, [&](const auto& one) {
    if (kept.contains(one.first)) return false;
    const bool unused = one.second.in_flight == 0 && one.second.line.empty();
    all = all && unused;
    return unused;
  });
  return all;
}

}  // namespace pointsman::gateway
