#include "sim/world/record.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/core/check.h"
#include "common/core/hashing.h"
#include "controller/core/codes.h"

namespace pointsman::sim {
namespace {

uint32_t IndexOf(absl::string_view id) {
  uint32_t index = 0;
  PM_CHECK(!id.empty() && absl::SimpleAtoi(id.substr(1), &index));
  return index;
}

// Part of all requests by endpoint, as far as weights decide it; those not routed to are missing.
std::map<uint32_t, double> SharesOf(const gateway::ServiceTable& table) {
  std::map<uint32_t, double> shares;
  double sum = 0;
  for (const gateway::Endpoint& endpoint : table.endpoints) {
    if (!endpoint.routable) continue;
    shares[IndexOf(endpoint.id)] = endpoint.weight;
    sum += endpoint.weight;
  }
  for (auto& [index, share] : shares) share /= sum;
  return shares;
}

absl::string_view DetailOf(const controller::EventOut& event, absl::string_view key) {
  for (const auto& [name, value] : event.details) {
    if (name == key) return value;
  }
  return "";
}

double ShareOf(const std::map<uint32_t, double>& shares, uint32_t endpoint) {
  const auto it = shares.find(endpoint);
  return it == shares.end() ? 0 : it->second;
}

// Its weight by that of all others.
double OddsOf(double share) { return share / (1 - share); }

// One step down is half; the others move a little meanwhile.
constexpr double kHalf = 0.525;

}  // namespace

Record::Record(const EventQueue& queue, const WorldOptions& options, common::MonotonicTime from)
    : queue_(queue), options_(options), from_(from) {
  for (const FaultSpec& fault : options_.faults) {
    Watch& watch = watches_.emplace_back();
    watch.fault = &fault;
    watch.clear.resize(options_.gateways);
    watch.halved.resize(options_.gateways);
    watch.share_before.resize(options_.gateways);
  }
  result_.faults.resize(watches_.size());
}

void Record::Mix(uint64_t value) { result_.digest = common::HashCombine(result_.digest, value); }

void Record::OnRequestEnd(const RequestEnd& end) {
  Mix(static_cast<uint64_t>(queue_.now().micros()));
  Mix(static_cast<uint64_t>(absl::ToInt64Microseconds(end.took)) << 8 |
      static_cast<uint64_t>(end.ending));
  Mix(uint64_t{end.tries} << 32 | end.gateway);
  if (queue_.now() < from_) return;
  ++result_.requests;
  result_.tries += end.tries;
  switch (end.ending) {
    case Ending::kOk:
      ++result_.ok;
      result_.latency.Add(absl::ToInt64Microseconds(end.took));
      break;
    case Ending::kServerError:
      ++result_.server_errors;
      break;
    case Ending::kFailed:
      ++result_.failed;
      break;
    case Ending::kTurnedAway:
      ++result_.turned_away;
      break;
  }
}

void Record::OnTable(size_t gateway, const gateway::ServiceTable& table) {
  ++result_.tables;
  Mix(static_cast<uint64_t>(queue_.now().micros()));
  Mix(table.version.epoch << 48 ^ table.version.revision << 8 ^ gateway);
  for (const gateway::Endpoint& endpoint : table.endpoints) {
    Mix(uint64_t{endpoint.weight} << 1 | (endpoint.routable ? 1 : 0));
  }
  if (table.fail_open && queue_.now() >= from_) result_.fail_open = true;
  const std::map<uint32_t, double> shares = SharesOf(table);
  for (size_t i = 0; i < watches_.size(); ++i) Look(gateway, shares, i);
}

void Record::Look(size_t gateway, const std::map<uint32_t, double>& shares, size_t fault) {
  Watch& watch = watches_[fault];
  const absl::Duration since = queue_.now() - (from_ + watch.fault->begins);
  std::map<uint32_t, double>& before = watch.share_before[gateway];
  if (since < absl::ZeroDuration()) {
    before = shares;
    return;
  }
  if (since >= watch.fault->lasts) return;
  const std::vector<uint32_t>& endpoints = watch.fault->endpoints;
  const bool clear = std::none_of(endpoints.begin(), endpoints.end(),
                                  [&](uint32_t e) { return shares.contains(e); });
  const bool halved = std::all_of(endpoints.begin(), endpoints.end(), [&](uint32_t e) {
    return OddsOf(ShareOf(shares, e)) <= kHalf * OddsOf(ShareOf(before, e));
  });
  Detection& detection = result_.faults[fault];
  if (clear) watch.clear[gateway] = true;
  if (halved) watch.halved[gateway] = true;
  const auto every = [](const std::vector<bool>& gateways) {
    return std::find(gateways.begin(), gateways.end(), false) == gateways.end();
  };
  if (clear && !detection.first) detection.first = since;
  if (!detection.all && every(watch.clear)) detection.all = since;
  if (!detection.halved && every(watch.halved)) detection.halved = since;
}

bool Record::FaultExplains(uint32_t endpoint) const {
  return std::any_of(watches_.begin(), watches_.end(), [&](const Watch& watch) {
    const std::vector<uint32_t>& of = watch.fault->endpoints;
    const absl::Duration since = queue_.now() - (from_ + watch.fault->begins);
    return std::find(of.begin(), of.end(), endpoint) != of.end() && since >= absl::ZeroDuration() &&
           since < watch.fault->lasts + kAfterFault;
  });
}

void Record::OnFrame(const controller::Frame& frame) {
  Mix(frame.epoch << 48 ^ frame.to);
  for (const controller::FrameEntry& entry : frame.entries) {
    Mix(uint64_t{entry.handle} << 32 | entry.state.weight);
  }
}

void Record::OnEvent(const controller::EventOut& event) {
  Mix(common::Hash64(event.summary));
  if (event.type != controller::kEventEndpointVerdict) return;
  const uint32_t endpoint = IndexOf(event.subject.substr(event.subject.rfind('/') + 1));
  if (queue_.now() >= from_) {
    const uint64_t changes = ++verdict_changes_[endpoint];
    result_.verdict_changes_most = std::max(result_.verdict_changes_most, changes);
  }
  if (DetailOf(event, "to") != v1::Verdict_Name(v1::VERDICT_UNHEALTHY)) return;
  Ejection ejection;
  ejection.at = queue_.now() - from_;
  ejection.endpoint = endpoint;
  PM_CHECK(v1::Reason_Parse(std::string(DetailOf(event, "reason")), &ejection.reason));
  ejection.by_fault = FaultExplains(ejection.endpoint);
  ++result_.ejections;
  if (!ejection.by_fault) ++result_.false_ejections;
  if (result_.first_ejections.size() < kEjectionsMax) result_.first_ejections.push_back(ejection);
}

void Record::OnViolation(absl::string_view what) {
  Mix(common::Hash64(what));
  if (result_.violations.size() >= kViolationsMax) return;
  const double at = absl::ToDoubleSeconds(queue_.now() - from_);
  result_.violations.push_back(absl::StrCat("at ", at, " s: ", what));
}

}  // namespace pointsman::sim
