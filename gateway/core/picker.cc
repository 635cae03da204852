#include "gateway/core/picker.h"

#include <algorithm>

namespace pointsman::gateway {
namespace {

// Draws for the two candidates of one group before the endpoints are walked.
constexpr int kDrawsMax = 12;
// Endpoints that others may fill between a pick and the try's begin before that is the answer.
constexpr int kFilledMax = 4;

enum class Fitness : uint8_t { kFit, kProbe, kAvoided, kAtLimit, kTried };

// One pick's view of a service.
struct Choice {
  const ServiceTable& service;
  const CountersView& view;
  std::span<const CellRef> tried;

  Fitness Judge(const Endpoint& endpoint) const {
    if (std::find(tried.begin(), tried.end(), endpoint.cell) != tried.end()) {
      return Fitness::kTried;
    }
    if (view.cells.AtLimit(endpoint.cell, service.policy.max_in_flight_per_endpoint)) {
      return Fitness::kAtLimit;
    }
    switch (view.avoidance.Judge(endpoint.cell, view.now)) {
      case LocalAvoidance::Verdict::kUse:
        return Fitness::kFit;
      case LocalAvoidance::Verdict::kProbe:
        return Fitness::kProbe;
      case LocalAvoidance::Verdict::kAvoid:
        return Fitness::kAvoided;
    }
    return Fitness::kFit;
  }

  // (in flight + 1) / weight of `a` under that of `b`, which was drawn first; whole numbers, so
  // equal on every machine. With as many in flight on both, or nothing on the first, the order they
  // were drawn in stands: it follows the weights, while the heavier one would otherwise get
  // everything as long as little is in flight, and an endpoint of little weight nothing to prove
  // itself by.
  bool Lighter(size_t a, uint32_t weight_a, size_t b, uint32_t weight_b) const {
    const uint64_t in_flight_a = view.cells.InFlight(service.endpoints[a].cell);
    const uint64_t in_flight_b = view.cells.InFlight(service.endpoints[b].cell);
    if (in_flight_a == in_flight_b || in_flight_b == 0) return false;
    return (in_flight_a + 1) * weight_b < (in_flight_b + 1) * weight_a;
  }
};

struct Candidate {
  const Endpoint* endpoint = nullptr;
  bool probe = false;
};

Candidate Take(const Choice& choice, size_t position, Fitness fitness) {
  return {&choice.service.endpoints[position], fitness == Fitness::kProbe};
}

// Two distinct candidates that fit, or one, or a probe at once: a probe is a request the endpoint
// would have got by its weight, so it goes there.
Candidate DrawTwo(const Choice& choice, const PriorityGroup& group, absl::BitGenRef random) {
  constexpr size_t kNone = SIZE_MAX;
  size_t first = kNone;
  for (int draw = 0; draw < kDrawsMax; ++draw) {
    const size_t position = group.table.Draw(random);
    if (position == first) {
      // The only one in reach or a heavy one: a few more chances for another, then it is.
      if (draw >= 4) break;
      continue;
    }
    const Fitness fitness = choice.Judge(choice.service.endpoints[position]);
    if (fitness == Fitness::kProbe) return Take(choice, position, fitness);
    if (fitness != Fitness::kFit) continue;
    if (first == kNone) {
      first = position;
      continue;
    }
    const bool second_wins =
        choice.Lighter(position, group.table.weight(position), first, group.table.weight(first));
    return Take(choice, second_wins ? position : first, Fitness::kFit);
  }
  return first == kNone ? Candidate{} : Take(choice, first, Fitness::kFit);
}

// What a walk met, to fall back on or to report.
struct Walked {
  Candidate avoided;
  bool at_limit = false;
};

// The first endpoint of the group that fits, from a random place on.
Candidate Walk(const Choice& choice, const PriorityGroup& group, absl::BitGenRef random,
               Walked* met) {
  const size_t n = group.table.size();
  const size_t begin = group.table.Draw(random);
  for (size_t step = 0; step < n; ++step) {
    const size_t position = begin + step < n ? begin + step : begin + step - n;
    if (group.table.weight(position) == 0) continue;
    const Fitness fitness = choice.Judge(choice.service.endpoints[position]);
    if (fitness == Fitness::kFit || fitness == Fitness::kProbe) {
      return Take(choice, position, fitness);
    }
    if (fitness == Fitness::kAtLimit) met->at_limit = true;
    if (fitness == Fitness::kAvoided && met->avoided.endpoint == nullptr) {
      met->avoided = Take(choice, position, Fitness::kAvoided);
    }
  }
  return {};
}

// The index of the group this request goes to by the groups' shares.
size_t DrawGroup(const std::vector<PriorityGroup>& groups, absl::BitGenRef random) {
  if (groups.size() == 1) return 0;
  uint64_t total = 0;
  for (const PriorityGroup& group : groups) total += group.share;
  if (total == 0) return 0;
  uint64_t ticket = ((random() >> 32) * total) >> 32;
  for (size_t i = 0; i < groups.size(); ++i) {
    if (ticket < groups[i].share) return i;
    ticket -= groups[i].share;
  }
  return 0;
}

}  // namespace

PickResult Pick(const ServiceTable& service, const CountersView& view,
                std::span<const CellRef> tried, absl::BitGenRef random) {
  if (service.groups.empty()) return {};
  const Choice choice{service, view, tried};
  const size_t drawn = DrawGroup(service.groups, random);
  Walked met;
  for (size_t i = 0; i < service.groups.size(); ++i) {
    // The drawn group, then the others in order of priority.
    const size_t index = i == 0 ? drawn : (i <= drawn ? i - 1 : i);
    const PriorityGroup& group = service.groups[index];
    Candidate found = DrawTwo(choice, group, random);
    if (found.endpoint == nullptr) found = Walk(choice, group, random, &met);
    if (found.endpoint != nullptr) {
      return {PickResult::Status::kPicked, found.endpoint, found.probe};
    }
  }
  if (met.avoided.endpoint != nullptr) {
    return {PickResult::Status::kPicked, met.avoided.endpoint, false};
  }
  return {met.at_limit ? PickResult::Status::kAtLimit : PickResult::Status::kAllTried, nullptr,
          false};
}

PickResult PickAndStart(const ServiceTable& service, const CountersView& view, WorkerCells* cells,
                        std::span<const CellRef> tried, absl::BitGenRef random) {
  for (int i = 0; i < kFilledMax; ++i) {
    const PickResult pick = Pick(service, view, tried, random);
    if (pick.status != PickResult::Status::kPicked) return pick;
    if (cells->StartTry(pick.endpoint->cell, service.policy.max_in_flight_per_endpoint)) {
      return pick;
    }
  }
  return {PickResult::Status::kAtLimit, nullptr, false};
}

}  // namespace pointsman::gateway
