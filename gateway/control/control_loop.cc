#include "gateway/control/control_loop.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/core/address.h"
#include "common/core/status_macros.h"
#include "common/files.h"
#include "common/log.h"
#include "common/version.h"
#include "gateway/core/slice_check.h"

namespace pointsman::gateway {
namespace {

// The thread looks up at least this often.
constexpr absl::Duration kLongestWait = absl::Seconds(1);
// Looks that see nothing in flight before workers count as idle.
constexpr int kIdleSums = 40;
// From one look for endpoints that are avoided to the next.
constexpr absl::Duration kAvoidedInterval = absl::Seconds(1);

void WritePair(VersionPair pair, v1::Version* out) {
  out->set_epoch(pair.epoch);
  out->set_revision(pair.revision);
}

void WriteDuration(absl::Duration duration, google::protobuf::Duration* out) {
  const int64_t micros = absl::ToInt64Microseconds(duration);
  out->set_seconds(micros / 1'000'000);
  out->set_nanos(static_cast<int32_t>(micros % 1'000'000 * 1000));
}

}  // namespace

ControlLoop::ControlLoop(const common::Clock& clock, EndpointCells& cells, ControlOptions options)
    : clock_(clock),
      cells_(cells),
      options_(std::move(options)),
      observer_(cells),
      observe_schedule_(options_.observe_interval, common::MonotonicTime()),
      backoff_(options_.backoff),
      random_(options_.boot_id),
      active_(options_.active) {
  const TableStateOptions state_options{options_.place, options_.gateway_id, options_.stage_wait};
  state_ = std::make_unique<TableState>(cells_, state_options);
}

void ControlLoop::Stop() {
  {
    common::MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  if (thread_.joinable()) thread_.join();
  subscription_.reset();
  resolver_.reset();
}

ControlLoop::~ControlLoop() {
  Stop();
  // The last word, and the start is proven: the process ended as it was told to.
  if (snapshot_writer_ != nullptr && snapshot_dirty_)
    snapshot_writer_->Put(state_->Snapshot(), CurrentTable()->serial);
  snapshot_writer_.reset();
  if (snapshot_ != nullptr && proven_at_ != common::MonotonicTime::Infinite()) snapshot_->Proven();
}

void ControlLoop::RestoreSnapshot(common::MonotonicTime now) {
  auto bundle = snapshot_->LoadAtStart();
  proven_at_ = now + options_.proven_after;
  if (!bundle.ok()) {
    if (absl::IsNotFound(bundle.status())) return;
    common::LogError("gateway.snapshot_refused",
                     {{"path", snapshot_->path()}, {"error", bundle.status().ToString()}});
    return;
  }
  const absl::Status status = state_->Restore(*bundle, now);
  if (status.ok()) {
    common::LogInfo("gateway.snapshot_loaded",
                    {{"services", state_->slices().size()}, {"bytes", bundle->ByteSizeLong()}});
    return;
  }
  // Its bytes are as written, but its content is refused: keep it for people to look at.
  snapshot_->SetAside();
  common::LogError("gateway.snapshot_refused",
                   {{"path", snapshot_->set_aside_path()}, {"error", status.ToString()}});
  state_ = std::make_unique<TableState>(
      cells_, TableStateOptions{options_.place, options_.gateway_id, options_.stage_wait});
}

absl::Status ControlLoop::RestoreHanded(common::MonotonicTime now) {
  PM_ASSIGN_OR_RETURN(const v1::Bundle bundle, DecodeSnapshot(options_.handed_table));
  return state_->Restore(bundle, now);
}

absl::Status ControlLoop::Load() {
  const common::MonotonicTime now = clock_.Now();
  if (options_.static_config.has_value()) {
    return state_->ApplyStatic(*options_.static_config, ++static_revision_, now);
  }
  if (!options_.handed_table.empty()) PM_RETURN_IF_ERROR(RestoreHanded(now));
  if (options_.state_dir.empty()) return absl::OkStatus();
  PM_RETURN_IF_ERROR(common::MakeFolders(options_.state_dir));
  snapshot_ = std::make_unique<SnapshotFile>(options_.state_dir);
  if (options_.handed_table.empty()) {
    RestoreSnapshot(now);
  } else {
    proven_at_ = now + options_.proven_after;
  }
  snapshot_writer_ =
      std::make_unique<SnapshotWriter>(*snapshot_, clock_, options_.snapshot_interval);
  return absl::OkStatus();
}

void ControlLoop::Start() {
  const common::MonotonicTime now = clock_.Now();
  resolver_ = std::make_unique<NameResolver>(
      clock_, NameResolver::Options{.interval = options_.resolve_interval,
                                    .resolve = options_.resolve,
                                    .on_resolved = [this](const std::string& name,
                                                          std::vector<common::Address> addresses) {
                                      Post(Resolved{name, std::move(addresses)});
                                    }});
  if (options_.channel != nullptr) {
    subscription_ = std::make_unique<Subscription>(
        options_.channel,
        Subscription::Handlers{.on_bundle =
                                   [this](uint64_t stream, std::unique_ptr<v1::Bundle> bundle) {
                                     Post(BundleArrived{stream, std::move(bundle), clock_.Now()});
                                   },
                               .on_closed =
                                   [this](uint64_t stream, absl::Status status) {
                                     Post(StreamClosed{stream, std::move(status)});
                                   }});
  }
  observer_.Start(now);
  summed_at_ = now;
  PublishBuilt();
  last_turn_.store(now.micros(), std::memory_order_relaxed);
  thread_ = std::thread([this] { Run(); });
}

absl::Status ControlLoop::ReplaceStatic(const v1::Config& config) {
  // Tried on a state of its own first: what would be refused never reaches the one that runs.
  EndpointCells cells(1);
  TableState trial(cells, {options_.place, options_.gateway_id, options_.stage_wait});
  PM_RETURN_IF_ERROR(trial.ApplyStatic(config, 1, clock_.Now()));
  Post(StaticReplaced{config});
  return absl::OkStatus();
}

void ControlLoop::Post(Event event) {
  {
    common::MutexLock lock(mutex_);
    events_.push_back(std::move(event));
  }
  wake_.NotifyOne();
}

std::deque<ControlLoop::Event> ControlLoop::WaitForEvents(absl::Duration at_most) {
  common::MutexLock lock(mutex_);
  if (events_.empty() && !stopping_ && at_most > absl::ZeroDuration()) {
    wake_.WaitFor(mutex_, at_most);
  }
  return std::exchange(events_, {});
}

void ControlLoop::Run() {
  while (true) {
    {
      common::MutexLock lock(mutex_);
      if (stopping_) return;
    }
    for (Event& event : WaitForEvents(NextWait(clock_.Now()))) {
      std::visit([this](auto& e) { Handle(std::move(e)); }, event);
    }
    const common::MonotonicTime now = clock_.Now();
    Tick(now);
    last_turn_.store(now.micros(), std::memory_order_relaxed);
  }
}

absl::Duration ControlLoop::NextWait(common::MonotonicTime now) const {
  common::MonotonicTime next = now + kLongestWait;
  next = std::min({next, sum_at_, observe_schedule_.next(), state_->wake_at(), proven_at_});
  if (subscription_ != nullptr && stream_ == 0 && active_) next = std::min(next, connect_at_);
  if (snapshot_dirty_ && snapshot_writer_ != nullptr) next = std::min(next, snapshot_at_);
  if (table_wanted_) next = std::min(next, built_at_ + options_.table_interval);
  return std::max(next - now, absl::ZeroDuration());
}

void ControlLoop::Tick(common::MonotonicTime now) {
  if (state_->Advance(now)) table_wanted_ = true;
  if (table_wanted_ && now >= built_at_ + options_.table_interval) PublishBuilt();
  if (subscription_ != nullptr && stream_ == 0 && now >= connect_at_ && active_) OpenStream(now);
  if (now >= sum_at_) {
    common::MutexLock lock(cells_mutex_);
    const bool busy = cells_.PublishSums(now - summed_at_);
    cells_.Recycle();
    summed_at_ = now;
    idle_sums_ = busy ? 0 : std::min(idle_sums_ + 1, kIdleSums);
    const bool idle = idle_sums_ >= kIdleSums;
    sum_at_ = now + options_.sum_interval * (cells_.workers() == 1 ? 10 : idle ? 5 : 1);
  }
  if (observe_schedule_.Due(cells_.HardFailures(), now)) Observe(now);
  if (now >= avoided_at_) LogAvoided(now);
  if (snapshot_dirty_ && now >= snapshot_at_ && snapshot_writer_ != nullptr) {
    snapshot_writer_->Put(state_->Snapshot(), CurrentTable()->serial);
    snapshot_dirty_ = false;
    snapshot_at_ = now + options_.snapshot_interval;
  }
  if (now >= proven_at_) {
    snapshot_->Proven();
    proven_at_ = common::MonotonicTime::Infinite();
  }
}

v1::GatewayMessage ControlLoop::Hello() const {
  v1::GatewayMessage message;
  v1::GatewayHello* hello = message.mutable_hello();
  hello->set_gateway_id(options_.gateway_id);
  hello->set_boot_id(options_.boot_id);
  hello->set_version(std::string(common::Version()));
  hello->mutable_locality()->set_region(options_.place.region);
  hello->mutable_locality()->set_zone(options_.place.zone);
  if (state_->has_config()) WritePair(state_->config_version(), hello->mutable_config());
  for (const auto& [service, slice] : state_->slices()) {
    v1::HeldSlice* held = hello->add_slices();
    held->set_service(service);
    WritePair(slice.version(), held->mutable_version());
  }
  hello->set_store_id(state_->store_id());
  return message;
}

void ControlLoop::OpenStream(common::MonotonicTime now) {
  bundle_seen_ = false;
  stream_ = subscription_->Open(Hello());
  common::MutexLock lock(mutex_);
  ++status_.connects;
}

void ControlLoop::Handle(const StreamClosed& event) {
  const common::MonotonicTime now = clock_.Now();
  if (bundle_seen_) backoff_.Reset();
  const absl::Duration wait = backoff_.Next(random_);
  connect_at_ = now + wait;
  stream_ = 0;
  pending_acks_.clear();
  common::LogWarning("gateway.controller_lost",
                     {{"error", event.status.ToString()}, {"retry_in", wait}});
  common::MutexLock lock(mutex_);
  if (status_.connected) disconnected_at_ = now;
  status_.connected = false;
}

v1::Ack ControlLoop::AckFor(const BundleResult& result) const {
  v1::Ack ack;
  for (const std::string& service : result.services) {
    const auto slice = state_->slices().find(service);
    if (slice == state_->slices().end()) continue;
    v1::HeldSlice* held = ack.add_slices();
    held->set_service(service);
    WritePair(slice->second.version(), held->mutable_version());
  }
  if (result.config) WritePair(state_->config_version(), ack.mutable_config());
  for (const BundleResult::Refused& refused : result.refused) {
    v1::Nack* nack = ack.add_nacks();
    nack->set_service(refused.service);
    nack->set_code(refused.refusal.code);
    nack->set_detail(refused.refusal.detail);
    WritePair(refused.version, nack->mutable_version());
    common::LogWarning("gateway.nack", {{"service", refused.service},
                                        {"code", refused.refusal.code},
                                        {"detail", refused.refusal.detail}});
  }
  return ack;
}

void ControlLoop::Upload(const v1::Bundle& bundle) {
  for (const std::string& service : bundle.upload()) {
    v1::GatewayMessage message;
    v1::SliceFrame* frame = message.mutable_uploaded_slice()->mutable_slice();
    const auto slice = state_->slices().find(service);
    frame->set_service(service);
    if (slice != state_->slices().end()) *frame = slice->second.ToFrame(service);
    subscription_->Send(std::move(message));
  }
}

void ControlLoop::Handle(BundleArrived event) {
  if (event.stream != stream_) return;
  {
    common::MutexLock lock(mutex_);
    status_.connected = true;
    ++status_.bundles;
    status_.bundle_bytes += event.bundle->ByteSizeLong();
    status_.frames += static_cast<uint64_t>(event.bundle->frames_size());
  }
  if (!std::exchange(bundle_seen_, true)) {
    common::LogInfo("gateway.controller_connected", {{"store", event.bundle->store_id()}});
  }
  BundleResult result;
  {
    common::MutexLock lock(cells_mutex_);
    result = state_->Apply(*event.bundle, event.at);
  }
  PendingAck pending{event.stream, 0, event.at, AckFor(result)};
  {
    common::MutexLock lock(mutex_);
    status_.nacks += result.refused.size();
    status_.store_id = state_->store_id();
    if (!result.refused.empty()) {
      const Refusal& refusal = result.refused.back().refusal;
      status_.last_nack = absl::StrCat(refusal.code, ": ", refusal.detail);
    }
  }
  Upload(*event.bundle);
  if (result.changed) {
    table_wanted_ = true;
    pending_acks_.push_back(std::move(pending));
  } else {
    SendAck(std::move(pending), clock_.Now());
  }
  subscription_->ReadNext();
}

void ControlLoop::SendAck(PendingAck pending, common::MonotonicTime now) {
  const absl::Duration took = now - pending.arrived;
  {
    common::MutexLock lock(mutex_);
    status_.last_apply = took;
  }
  if (pending.stream != stream_) return;
  WriteDuration(took, pending.ack.mutable_apply_duration());
  v1::GatewayMessage message;
  *message.mutable_ack() = std::move(pending.ack);
  subscription_->Send(std::move(message));
}

void ControlLoop::Handle(Adopted event) {
  const common::MonotonicTime now = clock_.Now();
  adopted_serial_ = std::max(adopted_serial_, event.serial);
  const auto runs = [this](uint64_t serial) { return serial != 0 && serial <= adopted_serial_; };
  while (!pending_acks_.empty() && runs(pending_acks_.front().serial)) {
    PendingAck pending = std::move(pending_acks_.front());
    pending_acks_.pop_front();
    SendAck(std::move(pending), now);
  }
  if (options_.free_retired) options_.free_retired();
  common::MutexLock lock(cells_mutex_);
  while (!pending_retirements_.empty() && pending_retirements_.front().serial <= adopted_serial_) {
    for (const CellRef cell : pending_retirements_.front().cells) cells_.Retire(cell);
    pending_retirements_.pop_front();
  }
}

void ControlLoop::Handle(Resolved event) {
  if (state_->SetResolved(event.name, std::move(event.addresses))) table_wanted_ = true;
}

void ControlLoop::Handle(const StaticReplaced& event) {
  const absl::Status status = state_->ApplyStatic(event.config, ++static_revision_, clock_.Now());
  if (!status.ok()) {
    common::LogError("gateway.static_refused", {{"error", status.ToString()}});
    return;
  }
  table_wanted_ = true;
}

std::string ControlLoop::TableForSuccessor() {
  TableWanted wanted;
  std::future<std::string> answer = wanted.answer.get_future();
  Post(std::move(wanted));
  return answer.get();
}

void ControlLoop::Handle(TableWanted event) {
  if (table_wanted_) PublishBuilt();
  const bool has_table = !options_.static_config.has_value() && state_->has_config();
  event.answer.set_value(has_table ? EncodeSnapshot(state_->Snapshot()) : "");
}

void ControlLoop::AwaitNames(absl::Duration at_most) {
  resolver_->AwaitRound(at_most);
  // What it found was posted before: it is in the published table once the thread answers.
  static_cast<void>(TableForSuccessor());
}

void ControlLoop::SetActive(bool active) { Post(Activity{active}); }

void ControlLoop::Handle(Activity event) {
  active_ = event.active;
  if (active_) {
    snapshot_dirty_ = state_->has_config();
    return;
  }
  snapshot_dirty_ = false;
  // What waits to be written is older than what the other process writes.
  if (snapshot_writer_ != nullptr) snapshot_writer_->Drop();
  if (subscription_ != nullptr) subscription_->Cancel();
}

void ControlLoop::PublishBuilt() {
  table_wanted_ = false;
  built_at_ = clock_.Now();
  BuiltTable built;
  {
    common::MutexLock lock(cells_mutex_);
    built = state_->Build();
  }
  const uint64_t serial = built.table->serial;
  for (PendingAck& pending : pending_acks_) {
    if (pending.serial == 0) pending.serial = serial;
  }
  // Even without cells to retire: an adopted serial frees every earlier one.
  if (!built.retired.empty()) pending_retirements_.push_back({serial, std::move(built.retired)});
  // Never an empty one over what a person may still need.
  snapshot_dirty_ = state_->has_config() && active_;
  resolver_->SetNames(state_->Names());
  {
    common::MutexLock lock(mutex_);
    current_ = built.table;
    ++status_.tables;
    status_.has_config = state_->has_config();
  }
  options_.publish(std::move(built.table), [this, serial] { Post(Adopted{serial}); });
}

void ControlLoop::Observe(common::MonotonicTime now) {
  const bool told = stream_ != 0 && bundle_seen_;
  observe_schedule_.Done(cells_.HardFailures(), told, now);
  if (!told) return;
  const std::shared_ptr<const RoutingTable> table = CurrentTable();
  v1::GatewayMessage message;
  *message.mutable_observations() = observer_.Collect(*table, now);
  subscription_->Send(std::move(message));
  common::MutexLock lock(mutex_);
  ++status_.observations;
}

void ControlLoop::LogAvoided(common::MonotonicTime now) {
  avoided_at_ = now + kAvoidedInterval;
  // Cells are freed by this thread only.
  const AvoidanceWatch::Found found = avoidance_watch_.Look(*CurrentTable(), cells_, now);
  for (const AvoidanceChange& change : found.changes) {
    const std::string address = common::ToString(change.address);
    if (change.now.workers > 0) {
      common::LogWarning("gateway.endpoint_avoided", {{"service", change.service},
                                                      {"endpoint", change.endpoint},
                                                      {"address", address},
                                                      {"reason", AvoidedForName(change.now.reason)},
                                                      {"workers", uint64_t{change.now.workers}}});
    } else {
      common::LogInfo("gateway.endpoint_avoided_no_more", {{"service", change.service},
                                                           {"endpoint", change.endpoint},
                                                           {"address", address},
                                                           {"lasted", change.lasted},
                                                           {"answers", change.answers}});
    }
  }
  if (found.untold > 0) {
    common::LogWarning("gateway.avoidance_untold", {{"changes", uint64_t{found.untold}}});
  }
}

std::shared_ptr<const RoutingTable> ControlLoop::CurrentTable() const {
  common::MutexLock lock(mutex_);
  return current_;
}

ControlStatus ControlLoop::status() const {
  SnapshotWriter::Counts counts;
  if (snapshot_writer_ != nullptr) counts = snapshot_writer_->counts();
  common::MutexLock lock(mutex_);
  ControlStatus status = status_;
  if (subscription_ != nullptr) status.observations_dropped = subscription_->dropped();
  status.snapshots_written = counts.written;
  status.snapshots_failed = counts.failed;
  status.snapshot_pending = snapshot_writer_ != nullptr && status.has_config &&
                            current_ != nullptr && current_->serial != counts.serial;
  if (!status.connected) {
    status.disconnected_for = disconnected_at_ == common::MonotonicTime()
                                  ? absl::InfiniteDuration()
                                  : clock_.Now() - disconnected_at_;
  }
  return status;
}

void ControlLoop::WithCells(const std::function<void(const EndpointCells&)>& read) const {
  common::MutexLock lock(cells_mutex_);
  read(cells_);
}

}  // namespace pointsman::gateway
