#include "controller/rpc/gateway_directory.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/core/proto_time.h"
#include "common/core/utf8.h"
#include "controller/rpc/ack_check.h"

namespace pointsman::controller {

absl::Status GatewayDirectory::Add(GatewayRecord record) {
  std::function<void(const absl::Status&)> close_old;
  {
    common::MutexLock lock(mutex_);
    if (closed_) return absl::UnavailableError("CONTROLLER_STOPPING: this controller shuts down");
    auto it = gateways_.find(record.gateway);
    if (it == gateways_.end() && gateways_.size() >= kGatewaysMax) {
      if (const auto oldest = gone_.PopOldest()) gateways_.erase(*oldest);
    }
    if (it == gateways_.end() && gateways_.size() >= kGatewaysMax) {
      return absl::ResourceExhaustedError(absl::StrCat("GATEWAYS_MAX: this controller carries ",
                                                       kGatewaysMax, " gateways already"));
    }
    if (it != gateways_.end() && it->second.connected) {
      if (it->second.boot != record.boot) {
        return absl::AlreadyExistsError(
            absl::StrCat("GATEWAY_CONNECTED: a gateway called ", record.gateway,
                         " is connected from ", it->second.peer, "; give each an id of its own"));
      }
      close_old = std::move(it->second.close);
    }
    record.connected = true;
    gone_.Erase(record.gateway);
    std::string name = record.gateway;
    gateways_[std::move(name)] = std::move(record);
  }
  if (close_old)
    close_old(absl::AbortedError("STREAM_REPLACED: by a newer stream of the same process"));
  return absl::OkStatus();
}

void GatewayDirectory::Remove(const std::string& gateway, uint64_t session) {
  common::MutexLock lock(mutex_);
  auto it = gateways_.find(gateway);
  if (it == gateways_.end() || it->second.session != session) return;
  it->second.connected = false;
  it->second.close = nullptr;
  const common::MonotonicTime now = clock_.Now();
  gone_.Insert(gateway, now);
  while (const auto due = gone_.PopDue(now)) gateways_.erase(*due);
}

void GatewayDirectory::OnAck(const std::string& gateway, uint64_t session, const v1::Ack& ack) {
  common::MutexLock lock(mutex_);
  auto it = gateways_.find(gateway);
  if (it == gateways_.end() || it->second.session != session) return;
  GatewayRecord& record = it->second;
  record.apply_duration = common::FromProto(ack.apply_duration());
  if (ack.has_config()) record.config = {ack.config().epoch(), ack.config().revision()};
  record.nacks += static_cast<uint64_t>(ack.nacks_size());
  for (const v1::Nack& nack : ack.nacks()) {
    record.last_nack = absl::StrCat(nack.code(), " ", nack.service(), ": ",
                                    common::CutUtf8(nack.detail(), kDetailBytesMax));
  }
}

void GatewayDirectory::OnObservations(const std::string& gateway, uint64_t session) {
  common::MutexLock lock(mutex_);
  auto it = gateways_.find(gateway);
  if (it == gateways_.end() || it->second.session != session) return;
  it->second.observed_at = clock_.Now();
}

void GatewayDirectory::CloseAll() {
  std::vector<std::function<void(const absl::Status&)>> closes;
  {
    common::MutexLock lock(mutex_);
    closed_ = true;
    for (auto& [name, record] : gateways_) {
      if (record.close) closes.push_back(std::exchange(record.close, nullptr));
    }
  }
  for (auto& close : closes)
    close(absl::UnavailableError("CONTROLLER_STOPPING: this controller shuts down"));
}

std::vector<v1::GatewayState> GatewayDirectory::States(const Publisher& publisher) const {
  std::vector<v1::GatewayState> states;
  const common::MonotonicTime now = clock_.Now();
  common::MutexLock lock(mutex_);
  for (const auto& [name, record] : gateways_) {
    v1::GatewayState& state = states.emplace_back();
    state.set_name(absl::StrCat("gateways/", name));
    state.set_connected(record.connected);
    state.set_version(record.version);
    state.set_peer(record.peer);
    *state.mutable_locality() = record.locality;
    if (auto progress = publisher.Progress(name); progress && record.connected) {
      state.set_slices(progress->slices);
      state.set_slices_behind(progress->slices_behind);
      if (progress->lag > absl::ZeroDuration()) common::ToProto(progress->lag, state.mutable_lag());
    }
    common::ToProto(record.apply_duration, state.mutable_apply_duration());
    state.set_nacks(record.nacks);
    state.set_last_nack(record.last_nack);
    if (record.observed_at != common::MonotonicTime()) {
      common::ToProto(now - record.observed_at, state.mutable_observation_age());
    }
    state.mutable_config()->set_epoch(record.config.epoch);
    state.mutable_config()->set_revision(record.config.revision);
  }
  return states;
}

size_t GatewayDirectory::connected() const {
  common::MutexLock lock(mutex_);
  size_t count = 0;
  for (const auto& [name, record] : gateways_) count += record.connected ? 1 : 0;
  return count;
}

}  // namespace pointsman::controller
