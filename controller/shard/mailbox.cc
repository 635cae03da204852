#include "controller/shard/mailbox.h"

#include <algorithm>
#include <iterator>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "common/core/error_reason.h"
#include "controller/core/codes.h"

namespace pointsman::controller {
namespace {

absl::string_view ReporterOf(const AgentReportInput& input) { return input.agent; }
absl::string_view ReporterOf(const ObservationsInput& input) { return input.gateway; }

absl::Status Full(absl::string_view what, size_t limit) {
  return common::WithReason(
      absl::ResourceExhaustedError(absl::StrCat(kMailboxFull, ": ", what, ", at most ", limit)),
      kMailboxFull);
}

}  // namespace

absl::Status Mailbox::Post(Letter letter, common::MonotonicTime now, Urgency urgency) {
  common::MutexLock lock(mutex_);
  absl::Status status;
  Input* input = std::get_if<Input>(&letter);
  if (input != nullptr && std::holds_alternative<AgentReportInput>(*input)) {
    status = PostToSlot(std::get<AgentReportInput>(*input), now, reports_);
  } else if (input != nullptr && std::holds_alternative<ObservationsInput>(*input)) {
    status = PostToSlot(std::get<ObservationsInput>(*input), now, observations_);
  } else {
    status = PostToLane({std::move(letter), now});
  }
  if (status.ok()) {
    ++counters_.posted;
    Raise(urgency);
  } else {
    ++counters_.refused;
  }
  return status;
}

void Mailbox::Conflate(AgentReportInput& held, AgentReportInput newer) {
  if (newer.session < held.session) return;
  held = std::move(newer);
}

// Endpoints that only the held input names keep their (cumulative) counters. The window is the sum
// also where handles are of another version and do not mix: the newer counters lie after both.
void Mailbox::Conflate(ObservationsInput& held, ObservationsInput newer) {
  if (newer.session < held.session) return;
  if (newer.session == held.session) newer.window += held.window;
  if (newer.session == held.session && newer.version == held.version) {
    absl::flat_hash_set<uint32_t> named;
    named.reserve(newer.endpoints.size());
    for (const EndpointObservation& endpoint : newer.endpoints) named.insert(endpoint.handle);
    for (EndpointObservation& old : held.endpoints) {
      if (named.contains(old.handle)) continue;
      if (newer.endpoints.size() < limits_.slot_endpoints_max) {
        newer.endpoints.push_back(std::move(old));
      } else {
        ++counters_.shed;
      }
    }
  }
  held = std::move(newer);
}

bool Mailbox::SaidOnce(const Letter& letter) {
  const Input* input = std::get_if<Input>(&letter);
  if (input == nullptr) return false;
  return std::holds_alternative<ConfigInput>(*input) ||
         std::holds_alternative<EpochInput>(*input) ||
         std::holds_alternative<FreezeInput>(*input) ||
         std::holds_alternative<AgentGoneInput>(*input) ||
         std::holds_alternative<GatewayGoneInput>(*input);
}

absl::Status Mailbox::PostToLane(Waiting waiting) {
  const size_t most = limits_.lane_max + (SaidOnce(waiting.letter) ? limits_.lane_reserve : 0);
  if (lane_.size() >= most) return Full("the shard's mailbox is full", most);
  lane_.push_back(std::move(waiting));
  return absl::OkStatus();
}

template <typename T>
absl::Status Mailbox::PostToSlot(T& input, common::MonotonicTime now,
                                 absl::flat_hash_map<SlotKey, Letter*>& index) {
  if (auto it = index.find(SlotKey{ReporterOf(input), input.service}); it != index.end()) {
    ++counters_.conflated;
    Letter* slot = it->second;
    index.erase(it);  // The key's views go with the held strings.
    T& held = std::get<T>(std::get<Input>(*slot));
    Conflate(held, std::move(input));
    index.emplace(SlotKey{ReporterOf(held), held.service}, slot);
    return absl::OkStatus();
  }
  if (slots_.size() >= limits_.slots_max) {
    return Full("the shard's slots are full", limits_.slots_max);
  }
  slots_.push_back({Input(std::move(input)), now});
  Letter& slot = slots_.back().letter;
  const T& kept = std::get<T>(std::get<Input>(slot));
  index.emplace(SlotKey{ReporterOf(kept), kept.service}, &slot);
  return absl::OkStatus();
}

Urgency Mailbox::Await(Urgency urgency, absl::Duration timeout) {
  common::MutexLock lock(mutex_);
  if (urgency_ < urgency && timeout > absl::ZeroDuration()) changed_.WaitFor(mutex_, timeout);
  return urgency_;
}

std::vector<Waiting> Mailbox::Take() {
  std::deque<Waiting> lane, slots;
  {
    common::MutexLock lock(mutex_);
    urgency_ = Urgency::kNone;
    lane.swap(lane_);
    slots.swap(slots_);
    reports_.clear();
    observations_.clear();
  }
  std::vector<Waiting> letters;
  letters.reserve(lane.size() + slots.size());
  std::move(lane.begin(), lane.end(), std::back_inserter(letters));
  std::move(slots.begin(), slots.end(), std::back_inserter(letters));
  return letters;
}

void Mailbox::Wake() {
  common::MutexLock lock(mutex_);
  Raise(Urgency::kNow);
}

// The owner is woken once for each step up, not for each letter.
void Mailbox::Raise(Urgency urgency) {
  if (urgency <= urgency_) return;
  urgency_ = urgency;
  changed_.NotifyOne();
}

MailboxCounters Mailbox::counters() const {
  common::MutexLock lock(mutex_);
  MailboxCounters counters = counters_;
  counters.lane = lane_.size();
  counters.slots = slots_.size();
  return counters;
}

}  // namespace pointsman::controller
