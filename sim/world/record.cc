#include "sim/world/record.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/core/check.h"
#include "common/core/hashing.h"
#include "controller/core/codes.h"
#include "controller/core/health.h"
#include "sim/world/settling.h"

namespace pointsman::sim {
namespace {

// Part of all requests by endpoint, as far as weights decide it; those not routed to are missing.
std::map<uint32_t, double> SharesOf(const gateway::ServiceTable& table) {
  std::map<uint32_t, double> shares;
  double sum = 0;
  for (const gateway::Endpoint& endpoint : table.endpoints) {
    if (!endpoint.routable) continue;
    shares[EndpointIndex(endpoint.id())] = endpoint.weight;
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

// Half within 1 %: the others' weights move meanwhile, too.
constexpr double kHalf = 0.505;

double ShareOf(const std::map<uint32_t, double>& shares, uint32_t endpoint) {
  const auto it = shares.find(endpoint);
  return it == shares.end() ? 0 : it->second;
}

// The shares of these endpoints by that of all others; 0 where there are no others.
std::map<uint32_t, double> BesideOthers(const std::map<uint32_t, double>& shares,
                                        const std::vector<uint32_t>& endpoints) {
  double others = 1;
  for (const uint32_t endpoint : endpoints) others -= ShareOf(shares, endpoint);
  std::map<uint32_t, double> beside;
  for (const uint32_t endpoint : endpoints) {
    beside[endpoint] = others > 1e-9 ? ShareOf(shares, endpoint) / others : 0;
  }
  return beside;
}

}  // namespace

Record::Record(const EventQueue& queue, const WorldOptions& options, common::MonotonicTime from)
    : queue_(queue),
      options_(options),
      from_(from),
      invariants_(queue, options, [this](absl::string_view what) { OnViolation(what); }) {
  for (const FaultSpec& fault : options_.faults) {
    Watch& watch = watches_.emplace_back(Watch{&fault, Shedding(fault.begins, fault.lasts)});
    watch.clear.resize(options_.gateways);
    watch.halved.resize(options_.gateways);
    watch.back.resize(options_.gateways);
    watch.beside_before.resize(options_.gateways);
  }
  result_.faults.resize(watches_.size());
}

void Record::Mix(uint64_t value) { result_.digest = common::HashCombine(result_.digest, value); }

void Record::CloseSeconds() {
  while (queue_.now() >= from_ + absl::Seconds(second_.at_s + 1)) {
    second_.p50_ms = second_latency_.Quantile(0.5) / 1e3;
    second_.p99_ms = second_latency_.Quantile(0.99) / 1e3;
    result_.series.push_back(second_);
    SeriesPoint next;
    next.at_s = second_.at_s + 1;
    next.fault_share = second_.fault_share;
    second_ = next;
    second_latency_ = {};
  }
}

void Record::OnRestart(uint32_t endpoint, bool begins) {
  Mix(uint64_t{endpoint} << 1 | (begins ? 1 : 0));
  invariants_.OnRestart(endpoint, begins);
  if (begins) ++result_.restarts;
}

void Record::OnTry(size_t gateway, uint32_t endpoint) {
  invariants_.OnTry(gateway, endpoint);
  if (queue_.now() < from_) return;
  CountTry(endpoint);
  for (Watch& watch : watches_) {
    if (!watch.fault->IsOf(endpoint)) continue;
    watch.shedding.OnTry(queue_.now() - from_);
  }
}

void Record::CountTry(uint32_t endpoint) {
  const auto window = static_cast<size_t>((queue_.now() - from_) / kTriesWindow);
  std::vector<std::vector<uint64_t>>& windows = result_.tries_by_window;
  while (windows.size() <= window) windows.emplace_back(options_.endpoints.size());
  ++windows[window][endpoint];
}

void Record::Finish(absl::Duration measured) {
  for (size_t i = 0; i < watches_.size(); ++i) {
    const FaultSpec& fault = *watches_[i].fault;
    result_.faults[i].shed = watches_[i].shedding.Halved(measured);
    result_.faults[i].settled = SettledAfter(result_.series, fault.begins, fault.lasts);
  }
}

void Record::OnRequestEnd(const RequestEnd& end) {
  Mix(static_cast<uint64_t>(queue_.now().micros()));
  Mix(static_cast<uint64_t>(absl::ToInt64Microseconds(end.took)) << 8 |
      static_cast<uint64_t>(end.ending));
  Mix(uint64_t{end.tries} << 32 | end.gateway);
  if (queue_.now() < from_) return;
  CloseSeconds();
  ++second_.requests;
  if (end.ending == Ending::kOk) {
    second_latency_.Add(absl::ToInt64Microseconds(end.took));
  } else {
    ++second_.errors;
  }
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
  invariants_.OnTable(gateway, table);
  const std::map<uint32_t, double> shares = SharesOf(table);
  if (gateway == 0 && !watches_.empty()) {
    CloseSeconds();
    const std::vector<uint32_t>& faulty = watches_[0].fault->endpoints;
    double sum = 0;
    for (const uint32_t endpoint : faulty) sum += ShareOf(shares, endpoint);
    second_.fault_share =
        sum * static_cast<double>(options_.endpoints.size()) / static_cast<double>(faulty.size());
  }
  for (size_t i = 0; i < watches_.size(); ++i) {
    Look(gateway, shares, i);
    LookForReturn(gateway, shares, i);
  }
}

void Record::Look(size_t gateway, const std::map<uint32_t, double>& shares, size_t fault) {
  Watch& watch = watches_[fault];
  const absl::Duration since = queue_.now() - (from_ + watch.fault->begins);
  const std::vector<uint32_t>& endpoints = watch.fault->endpoints;
  std::map<uint32_t, double>& before = watch.beside_before[gateway];
  const std::map<uint32_t, double> beside = BesideOthers(shares, endpoints);
  if (since < absl::ZeroDuration()) {
    before = beside;
    return;
  }
  if (since >= watch.fault->lasts) return;
  const bool clear = std::none_of(endpoints.begin(), endpoints.end(),
                                  [&](uint32_t e) { return shares.contains(e); });
  const bool halved = std::all_of(endpoints.begin(), endpoints.end(), [&](uint32_t e) {
    return ShareOf(before, e) > 0 && ShareOf(beside, e) <= kHalf * ShareOf(before, e);
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

void Record::LookForReturn(size_t gateway, const std::map<uint32_t, double>& shares, size_t fault) {
  Watch& watch = watches_[fault];
  Detection& detection = result_.faults[fault];
  if (!detection.all || detection.back) return;
  const std::vector<uint32_t>& endpoints = watch.fault->endpoints;
  watch.back[gateway] = std::all_of(endpoints.begin(), endpoints.end(),
                                    [&](uint32_t e) { return shares.contains(e); });
  if (std::find(watch.back.begin(), watch.back.end(), false) != watch.back.end()) return;
  detection.back = queue_.now() - (from_ + watch.fault->begins);
}

bool Record::FaultExplains(uint32_t endpoint) const {
  const absl::Duration at = queue_.now() - from_;
  return std::any_of(options_.faults.begin(), options_.faults.end(),
                     [&](const FaultSpec& fault) { return fault.Has(endpoint, at, kAfterFault); });
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
  const uint32_t endpoint = EndpointIndex(event.subject.substr(event.subject.rfind('/') + 1));
  if (queue_.now() >= from_) {
    const uint64_t changes = ++verdict_changes_[endpoint];
    result_.verdict_changes_most = std::max(result_.verdict_changes_most, changes);
  }
  VerdictChange change;
  change.endpoint = endpoint;
  PM_CHECK(v1::Verdict_Parse(std::string(DetailOf(event, "to")), &change.to));
  PM_CHECK(v1::Verdict_Parse(std::string(DetailOf(event, "from")), &change.from));
  PM_CHECK(v1::Reason_Parse(std::string(DetailOf(event, "reason")), &change.reason));
  // From checks and the like it is confirmed when gateways cannot reach it either.
  change.confirmed = DetailOf(event, "confirmed") == "true";
  invariants_.OnVerdict(change);
  if (change.to != v1::VERDICT_UNHEALTHY || !controller::Serves(change.from)) return;
  Ejection ejection;
  ejection.at = queue_.now() - from_;
  ejection.endpoint = endpoint;
  ejection.reason = change.reason;
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
