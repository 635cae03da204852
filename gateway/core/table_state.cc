#include "gateway/core/table_state.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/core/check.h"
#include "common/core/names.h"
#include "common/core/status_macros.h"
#include "gateway/core/config_convert.h"
#include "gateway/core/route_convert.h"
#include "gateway/core/slice_check.h"

namespace pointsman::gateway {
namespace {

VersionPair PairOf(const v1::Version& version) { return {version.epoch(), version.revision()}; }

void Merge(const SliceChange& next, SliceChange* into) {
  if (into->whole) return;
  if (next.whole) {
    *into = next;
    return;
  }
  into->head |= next.head;
  std::set<uint32_t> changed(into->handles.begin(), into->handles.end());
  std::set<uint32_t> removed(into->removed.begin(), into->removed.end());
  for (const uint32_t handle : next.removed) {
    changed.erase(handle);
    removed.insert(handle);
  }
  changed.insert(next.handles.begin(), next.handles.end());
  into->handles.assign(changed.begin(), changed.end());
  into->removed.assign(removed.begin(), removed.end());
}

SliceChange Whole() {
  SliceChange change;
  change.whole = true;
  return change;
}

int Families(const std::vector<common::Address>& addresses) {
  bool v6 = false;
  bool v4 = false;
  for (const common::Address& one : addresses) {
    (one.kind == common::Address::Kind::kIpv6 ? v6 : v4) = true;
  }
  return (v6 ? 1 : 0) + (v4 ? 1 : 0);
}

// Adds what `known` has of the family that `addresses`, sorted and of one family, lack.
void KeepOtherFamily(const std::vector<common::Address>& known,
                     std::vector<common::Address>* addresses) {
  const common::Address::Kind there = addresses->front().kind;
  for (const common::Address& one : known) {
    if (one.kind != there) addresses->push_back(one);
  }
  std::sort(addresses->begin(), addresses->end());
}

// The slice a service would have if its configured endpoints were all there is.
v1::SliceFrame StaticFrame(const v1::Service& service, uint64_t revision) {
  constexpr double kNominal = 65'536;
  v1::SliceFrame frame;
  frame.set_service(std::string(common::BareId(service.name(), "services")));
  frame.set_epoch(revision);  // Each configuration is a lineage of its own.
  frame.set_to(1);
  uint32_t handle = 0;
  for (const v1::Endpoint& endpoint : service.endpoints()) {
    v1::EndpointEntry* entry = frame.add_entries();
    entry->set_handle(++handle);
    entry->set_revision(1);
    entry->set_info_revision(1);
    *entry->mutable_info() = endpoint;
    entry->set_verdict(v1::VERDICT_HEALTHY);
    entry->set_reason(v1::REASON_STATIC);
    const double capacity = endpoint.capacity() > 0 ? std::min(endpoint.capacity(), 100.0) : 1.0;
    entry->set_weight(std::max<uint32_t>(1, static_cast<uint32_t>(capacity * kNominal)));
    entry->set_routable(true);
  }
  frame.mutable_head()->set_revision(1);
  return frame;
}

}  // namespace

TableState::TableState(EndpointCells& cells, TableStateOptions options)
    : cells_(cells), options_(std::move(options)) {}

absl::StatusOr<std::shared_ptr<const TableState::Configuration>> TableState::Read(
    const v1::ConfigFrame& frame) const {
  const Configuration* newest = staged_ != nullptr ? staged_.get() : running_.get();
  auto next = std::make_shared<Configuration>();
  next->version = PairOf(frame.version());
  next->message = frame.config();
  PM_ASSIGN_OR_RETURN(next->services, ServiceIds(next->message));
  for (uint32_t i = 0; i < next->services.size(); ++i) next->indexes[next->services[i]] = i;
  PM_ASSIGN_OR_RETURN(
      std::vector<RouteEntry> routes,
      RoutesOf(next->message, next->indexes, newest == nullptr ? nullptr : newest->router.get()));
  PM_ASSIGN_OR_RETURN(next->router, Router::Build(std::move(routes)));
  next->upstream_tls = UpstreamTlsOf(next->message);
  for (const v1::Service& service : next->message.services()) {
    next->settings[std::string(common::BareId(service.name(), "services"))] = {
        PolicyOf(service), PickerOf(service.picker())};
  }
  return std::shared_ptr<const Configuration>(std::move(next));
}

std::optional<Refusal> TableState::ApplyConfig(const v1::ConfigFrame& frame,
                                               common::MonotonicTime now, bool* changed) {
  const VersionPair version = PairOf(frame.version());
  if (version == config_version() && version != VersionPair()) return std::nullopt;  // Again.
  if (version <= config_version()) {
    return Refuse(kNackStale, absl::StrCat("configuration ", version.epoch, ".", version.revision,
                                           " is not above the one held"));
  }
  auto next = Read(frame);
  if (!next.ok()) {
    const bool large = next.status().code() == absl::StatusCode::kResourceExhausted;
    return Refuse(large ? kNackTooLarge : kNackInvalid, absl::string_view(next.status().message()));
  }
  staged_ = *std::move(next);
  std::map<std::string, common::MonotonicTime> waiting;
  for (const std::string& name : staged_->services) {
    const bool known = running_ != nullptr && running_->settings.contains(name);
    if (known) continue;
    const auto since = waiting_since_.find(name);
    waiting[name] = since == waiting_since_.end() ? now : since->second;
  }
  waiting_since_ = std::move(waiting);
  *changed = true;
  return std::nullopt;
}

std::optional<Refusal> TableState::ApplySlice(const v1::SliceFrame& frame, bool* changed) {
  auto it = slices_.find(frame.service());
  if (it != slices_.end() && it->second.version() == VersionPair{frame.epoch(), frame.to()}) {
    return std::nullopt;  // Again.
  }
  if (it == slices_.end() && slices_.size() >= kSlicesMax) {
    return Refuse(kNackTooLarge, absl::StrCat("more than ", kSlicesMax, " slices"));
  }
  const size_t held = it == slices_.end() ? 0 : it->second.entries().size();
  const size_t more = frame.base() == 0 && frame.entries_size() > static_cast<int>(held)
                          ? frame.entries_size() - held
                          : 0;
  if (cells_.in_use() + more > kCellsMax) {
    return Refuse(kNackNoCells,
                  absl::StrCat("this gateway counts at most ", kCellsMax, " endpoints"));
  }
  SliceState fresh;
  SliceState& slice = it == slices_.end() ? fresh : it->second;
  SliceChange change;
  if (auto refusal = slice.Apply(frame, &change)) return refusal;
  if (it == slices_.end()) slices_.emplace(frame.service(), std::move(fresh));
  if (change.members) wanted_names_.reset();
  Merge(change, &changes_[frame.service()]);
  *changed = true;
  return std::nullopt;
}

BundleResult TableState::Apply(const v1::Bundle& bundle, common::MonotonicTime now) {
  BundleResult result;
  if (!bundle.store_id().empty()) store_id_ = bundle.store_id();
  if (bundle.has_config()) {
    result.config = true;
    if (auto refusal = ApplyConfig(bundle.config(), now, &result.changed)) {
      result.refused.push_back({"", *std::move(refusal), PairOf(bundle.config().version())});
    }
  }
  std::set<std::string> named;
  for (const v1::SliceFrame& frame : bundle.frames()) {
    named.insert(frame.service());
    if (auto refusal = ApplySlice(frame, &result.changed)) {
      result.refused.push_back({frame.service(), *std::move(refusal), {frame.epoch(), frame.to()}});
    }
  }
  result.services.assign(named.begin(), named.end());
  Advance(now);
  return result;
}

absl::Status TableState::Restore(const v1::Bundle& snapshot, common::MonotonicTime now) {
  const BundleResult result = Apply(snapshot, now);
  if (!result.refused.empty()) {
    const auto& first = result.refused.front();
    return absl::InvalidArgumentError(absl::StrCat("snapshot: ", first.service, ": ",
                                                   first.refusal.code, ": ", first.refusal.detail));
  }
  if (staged_ != nullptr) Activate(std::exchange(staged_, nullptr));
  if (running_ == nullptr) return absl::InvalidArgumentError("snapshot: no configuration");
  return absl::OkStatus();
}

absl::Status TableState::ApplyStatic(const v1::Config& config, uint64_t revision,
                                     common::MonotonicTime now) {
  v1::Bundle bundle;
  bundle.mutable_config()->mutable_version()->set_epoch(1);
  bundle.mutable_config()->mutable_version()->set_revision(revision);
  *bundle.mutable_config()->mutable_config() = config;
  for (const v1::Service& service : config.services()) {
    v1::SliceFrame* frame = bundle.add_frames();
    *frame = StaticFrame(service, revision);
    // A person who takes the last endpoint away means it.
    const auto held = slices_.find(frame->service());
    if (frame->entries_size() > 0 || held == slices_.end()) continue;
    for (const auto& [handle, entry] : held->second.entries()) {
      frame->add_removed()->set_handle(handle);
    }
  }
  return Restore(bundle, now);
}

bool TableState::Advance(common::MonotonicTime now) {
  if (staged_ == nullptr) return false;
  for (const auto& [name, since] : waiting_since_) {
    if (!slices_.contains(name) && now < since + options_.stage_wait) return false;
  }
  Activate(std::exchange(staged_, nullptr));
  return true;
}

common::MonotonicTime TableState::wake_at() const {
  if (staged_ == nullptr) return common::MonotonicTime::Infinite();
  common::MonotonicTime latest;
  for (const auto& [name, since] : waiting_since_) {
    if (!slices_.contains(name)) latest = std::max(latest, since + options_.stage_wait);
  }
  return latest;
}

void TableState::Drop(const std::string& service) {
  slices_.erase(service);
  wanted_names_.reset();
  changes_.erase(service);
  built_.erase(service);
  if (const auto it = builders_.find(service); it != builders_.end()) {
    it->second.Release(&retired_);
    builders_.erase(it);
  }
}

// Slices whose service the last configuration named, or that no configuration has named for two in
// a row; one alone may only have come before its configuration.
void TableState::DropUnnamed(const Configuration& next) {
  std::set<std::string> unnamed;
  std::vector<std::string> dropped;
  for (const auto& [name, slice] : slices_) {
    if (next.settings.contains(name)) continue;
    const bool known = running_ != nullptr && running_->settings.contains(name);
    if (known || unnamed_.contains(name)) {
      dropped.push_back(name);
    } else {
      unnamed.insert(name);
    }
  }
  if (running_ != nullptr) {
    for (const std::string& name : running_->services) {
      if (!next.settings.contains(name)) dropped.push_back(name);
    }
  }
  for (const std::string& name : dropped) Drop(name);
  unnamed_ = std::move(unnamed);
}

void TableState::Activate(std::shared_ptr<const Configuration> next) {
  waiting_since_.clear();
  DropUnnamed(*next);
  if (running_ != nullptr) {
    for (const auto& [name, settings] : next->settings) {
      const auto before = running_->settings.find(name);
      if (before != running_->settings.end() && before->second != settings) {
        repolicied_.insert(name);
      }
    }
  }
  running_ = std::move(next);
  relist_ = true;
}

const std::vector<std::string>& TableState::Names() {
  if (wanted_names_.has_value()) return *wanted_names_;
  std::set<std::string> names;
  for (const auto& [service, slice] : slices_) {
    for (const auto& [handle, entry] : slice.entries()) {
      if (entry.address.kind == common::Address::Kind::kName) names.insert(entry.address.name);
    }
  }
  return wanted_names_.emplace(names.begin(), names.end());
}

bool TableState::SetResolved(const std::string& name, std::vector<common::Address> addresses) {
  std::sort(addresses.begin(), addresses.end());
  std::vector<common::Address>& known = names_[name];
  if (addresses.empty()) return false;
  if (Families(known) <= Families(addresses) || ++lacking_[name] >= kAnswersWithoutFamily) {
    lacking_.erase(name);
  } else {
    KeepOtherFamily(known, &addresses);
  }
  if (known == addresses) return false;
  known = std::move(addresses);
  bool changed = false;
  for (const auto& [service, slice] : slices_) {
    SliceChange change;
    for (const auto& [handle, entry] : slice.entries()) {
      const bool same =
          entry.address.kind == common::Address::Kind::kName && entry.address.name == name;
      if (same) change.handles.push_back(handle);
    }
    if (change.handles.empty()) continue;
    Merge(change, &changes_[service]);
    changed = true;
  }
  return changed;
}

std::shared_ptr<const ServiceTable> TableState::BuildService(const std::string& name) {
  const auto slice = slices_.find(name);
  const auto built = built_.find(name);
  const auto change = changes_.find(name);
  const bool dirty =
      built == built_.end() || change != changes_.end() || repolicied_.contains(name);
  if (!dirty) return built->second;
  auto [builder, added] = builders_.try_emplace(name, name, cells_);
  // A builder that is new has seen nothing of a slice that came before its service.
  SliceChange since = added ? Whole() : SliceChange();
  if (!added && change != changes_.end()) since = change->second;
  std::shared_ptr<const ServiceTable> table = builder->second.Build(
      slice == slices_.end() ? nullptr : &slice->second, since, running_->settings.at(name),
      {options_.place, names_, options_.gateway}, &retired_);
  if (change != changes_.end()) changes_.erase(change);
  built_[name] = table;
  return table;
}

void TableState::BuildServices() {
  const bool relisted = std::exchange(relist_, false);
  if (relisted) services_ = {};
  BlockListEditor<std::shared_ptr<const ServiceTable>> editor(&services_);
  if (relisted) {
    for (size_t i = 0; i < running_->services.size(); ++i) {
      editor.Set(i, BuildService(running_->services[i]));
    }
  } else {
    // A slice may come before its service.
    for (auto next = changes_.begin(); next != changes_.end();) {
      const auto change = next++;
      const auto place = running_->indexes.find(change->first);
      if (place != running_->indexes.end()) editor.Set(place->second, BuildService(place->first));
    }
  }
  editor.Finish();
  repolicied_.clear();
  if (relisted || !retired_.empty()) ++lineup_;
}

BuiltTable TableState::Build() {
  auto table = std::make_shared<RoutingTable>();
  table->serial = ++serial_;
  if (running_ != nullptr) {
    table->config = running_->version;
    table->router = running_->router;
    table->upstream_tls = running_->upstream_tls;
    BuildServices();
    table->services = services_;
  }
  table->lineup = lineup_;
  return {std::move(table), std::exchange(retired_, {})};
}

VersionPair TableState::config_version() const {
  if (staged_ != nullptr) return staged_->version;
  return running_ == nullptr ? VersionPair() : running_->version;
}

bool TableState::complete() const {
  if (running_ == nullptr) return false;
  return std::all_of(running_->services.begin(), running_->services.end(),
                     [this](const std::string& name) { return slices_.contains(name); });
}

v1::Bundle TableState::Snapshot() const {
  v1::Bundle bundle;
  bundle.set_store_id(store_id_);
  if (running_ == nullptr) return bundle;
  v1::ConfigFrame* config = bundle.mutable_config();
  config->mutable_version()->set_epoch(running_->version.epoch);
  config->mutable_version()->set_revision(running_->version.revision);
  *config->mutable_config() = running_->message;
  for (const std::string& name : running_->services) {
    const auto slice = slices_.find(name);
    if (slice != slices_.end()) *bundle.add_frames() = slice->second.ToFrame(name);
  }
  return bundle;
}

}  // namespace pointsman::gateway
