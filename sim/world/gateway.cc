#include "sim/world/gateway.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "sim/random.h"

namespace pointsman::sim {
namespace {

using gateway::VersionPair;

// As gateway/control/control_loop.cc and gateway/proxy/worker.cc have them.
constexpr absl::Duration kSweepInterval = absl::Seconds(5);

// The least a weight may be: the least factor, slow start's beginning and the degraded factor
// together, of a nominal weight of 65,536, with room for re-centring. The most: the largest factor.
constexpr uint32_t kWeightMin = 65'536 / 1000;
constexpr uint32_t kWeightMax = 65'536 * 20;

void WritePair(VersionPair pair, v1::Version* out) {
  out->set_epoch(pair.epoch);
  out->set_revision(pair.revision);
}

}  // namespace

Gateway::Gateway(Parts parts)
    : queue_(parts.queue),
      wires_(parts.wires),
      onlooker_(parts.onlooker),
      index_(parts.index),
      name_(absl::StrCat("gateway-", parts.index)),
      boot_(parts.index + 1),
      random_(parts.seed),
      cells_(1),
      state_(cells_, {}),
      observer_(cells_),
      // Gateways are not started in the same moment.
      observe_schedule_(kObserveInterval, parts.queue.now() + Uniform(random_) * kObserveInterval),
      exchanges_({parts.queue, parts.path, parts.onlooker, random_, cells_.worker(0), parts.index,
                  parts.endpoints, std::move(parts.policy)}),
      summed_at_(parts.queue.now()),
      sweep_at_(parts.queue.now()) {
  observer_.Start(queue_.now());
  queue_.After(Uniform(random_) * kSumInterval, [this] { Turn(); });
}

VersionPair Gateway::version() const {
  const auto slice = state_.slices().find(kService);
  return slice == state_.slices().end() ? VersionPair() : slice->second.version();
}

void Gateway::OnStreamUp() {
  bundle_seen_ = false;
  v1::GatewayMessage message;
  v1::GatewayHello* hello = message.mutable_hello();
  hello->set_gateway_id(name_);
  hello->set_boot_id(boot_);
  hello->set_version("simulated");
  if (state_.has_config()) WritePair(state_.config_version(), hello->mutable_config());
  for (const auto& [service, slice] : state_.slices()) {
    v1::HeldSlice* held = hello->add_slices();
    held->set_service(service);
    WritePair(slice.version(), held->mutable_version());
  }
  hello->set_store_id(state_.store_id());
  wires_.GatewaySays(index_, std::move(message));
}

void Gateway::OnStreamDown() { bundle_seen_ = false; }

void Gateway::OnBundle(const v1::Bundle& bundle) {
  bundle_seen_ = true;
  const gateway::BundleResult result = state_.Apply(bundle, queue_.now());
  for (const std::string& service : bundle.upload()) {
    v1::GatewayMessage message;
    v1::SliceFrame* frame = message.mutable_uploaded_slice()->mutable_slice();
    const auto slice = state_.slices().find(service);
    frame->set_service(service);
    if (slice != state_.slices().end()) *frame = slice->second.ToFrame(service);
    wires_.GatewaySays(index_, std::move(message));
  }
  if (result.changed) Publish();
  SendAck(result);
}

void Gateway::SendAck(const gateway::BundleResult& result) {
  v1::GatewayMessage message;
  v1::Ack& ack = *message.mutable_ack();
  for (const std::string& service : result.services) {
    const auto slice = state_.slices().find(service);
    if (slice == state_.slices().end()) continue;
    v1::HeldSlice* held = ack.add_slices();
    held->set_service(service);
    WritePair(slice->second.version(), held->mutable_version());
  }
  if (result.config) WritePair(state_.config_version(), ack.mutable_config());
  for (const gateway::BundleResult::Refused& refused : result.refused) {
    v1::Nack* nack = ack.add_nacks();
    nack->set_service(refused.service);
    nack->set_code(refused.refusal.code);
    nack->set_detail(refused.refusal.detail);
    WritePair(refused.version, nack->mutable_version());
  }
  wires_.GatewaySays(index_, std::move(message));
}

void Gateway::Publish() {
  gateway::BuiltTable built = state_.Build();
  table_ = std::move(built.table);
  std::shared_ptr<const gateway::ServiceTable> service;
  for (const auto& each : table_->services) {
    if (each->name == kService) service = each;
  }
  exchanges_.SetTable(service);
  for (const gateway::CellRef cell : built.retired) cells_.Retire(cell);
  if (service == nullptr) return;
  Check(*service);
  onlooker_.OnTable(index_, *service);
}

void Gateway::Check(const gateway::ServiceTable& table) {
  if (table.version < applied_) {
    onlooker_.OnViolation(absl::StrCat(name_, " went back to revision ", table.version.epoch, ".",
                                       table.version.revision));
  }
  applied_ = table.version;
  const bool routable = !table.groups.empty();
  if (was_routable_ && !routable) {
    onlooker_.OnViolation(absl::StrCat(name_, " has an empty set by health alone"));
  }
  was_routable_ = was_routable_ || routable;
  for (const gateway::Endpoint& endpoint : table.endpoints) {
    if (!endpoint.routable) continue;
    if (endpoint.weight >= kWeightMin && endpoint.weight <= kWeightMax) continue;
    onlooker_.OnViolation(absl::StrCat(name_, ": weight ", endpoint.weight, " of ", endpoint.id()));
  }
}

// One turn of the control loop.
void Gateway::Turn() {
  const common::MonotonicTime now = queue_.now();
  if (state_.Advance(now)) Publish();
  cells_.PublishSums(now - summed_at_);
  summed_at_ = now;
  cells_.Recycle();
  if (observe_schedule_.Due(cells_.HardFailures(), now)) Observe();
  if (now >= sweep_at_) {
    sweep_at_ = now + kSweepInterval;
    exchanges_.Sweep();
  }
  queue_.After(kSumInterval, [this] { Turn(); });
}

void Gateway::Observe() {
  const common::MonotonicTime now = queue_.now();
  const bool told = bundle_seen_ && table_ != nullptr;
  observe_schedule_.Done(cells_.HardFailures(), told, now);
  if (!told) return;
  v1::GatewayMessage message;
  *message.mutable_observations() = observer_.Collect(*table_, now);
  wires_.GatewaySays(index_, std::move(message));
}

}  // namespace pointsman::sim
