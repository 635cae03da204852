#include "gateway/core/picker.h"

#include <algorithm>
#include <array>

#include "common/core/hashing.h"

namespace pointsman::gateway {
namespace {

// Draws for the candidates of one group before the endpoints are walked; two more for each
// candidate beyond two.
constexpr int kDrawsMax = 12;
// The same for a hash: where one endpoint weighs as much as 20 others, a few percent need more.
constexpr int kHashDrawsMax = 64;
// Fewer in flight are never too many for a hash's own endpoint.
constexpr uint32_t kBoundedLoadFloor = 16;
// What is made of a request's hash: the next one of its sequence, and the one its priority is drawn
// by.
constexpr uint64_t kNextHash = 1;
constexpr uint64_t kGroupHash = 2;
// What failing endpoints' requests in flight count more, in parts of kNoBurden.
constexpr uint64_t kNoBurden = 256;
constexpr uint64_t kBurdenOfFailing = 2 * kNoBurden;  // With every try failed.
// Endpoints that others may fill between a pick and the try's begin before that is the answer.
constexpr int kFilledMax = 4;

enum class Fitness : uint8_t { kFit, kProbe, kAvoided, kAtLimit, kTried };

// One pick's view of a service.
struct Choice {
  const ServiceTable& service;
  const PickerPolicy& picker;
  const CountersView& view;
  std::span<const CellRef> tried;
  bool with_avoided = false;                  // Those that are avoided will do.
  std::span<const uint32_t> localities = {};  // Not these, nor any that is not known.

  Fitness Judge(size_t position) const {
    const CellRef cell = service.cells[position];
    return Judge(position, cell, view.cells.InFlight(cell));
  }

  Fitness Judge(size_t position, CellRef cell, uint32_t in_flight) const {
    for (const CellRef one : tried) {
      if (one == cell) return Fitness::kTried;
    }
    if (!localities.empty() && !IsElsewhere(position)) return Fitness::kTried;
    // Far from its limit it is not looked up: whoever begins the try asks for it in any case.
    const uint32_t limit = service.policy.max_in_flight_per_endpoint;
    if (in_flight >= limit / 2 && view.cells.AtLimit(cell, limit)) return Fitness::kAtLimit;
    if (with_avoided || view.avoidance.entries() == 0) return Fitness::kFit;
    switch (view.avoidance.Judge(cell, view.now)) {
      case LocalAvoidance::Verdict::kUse:
        return Fitness::kFit;
      case LocalAvoidance::Verdict::kProbe:
        return Fitness::kProbe;
      case LocalAvoidance::Verdict::kAvoid:
        return Fitness::kAvoided;
    }
    return Fitness::kFit;
  }

  bool IsElsewhere(size_t position) const {
    const uint32_t locality = service.endpoints[position].locality;
    return locality != 0 &&
           std::find(localities.begin(), localities.end(), locality) == localities.end();
  }
};

// One that was drawn and fits.
struct Drawn {
  size_t position = 0;
  uint64_t in_flight = 0;
  uint64_t burden = kNoBurden;
};

// By how much what is in flight counts more, in parts of kNoBurden.
uint64_t BurdenOf(uint32_t failing) {
  return kNoBurden + kBurdenOfFailing * failing / (FailingShare::kAll + 1);
}

// Clearly more of its tries fail: one failure is enough for 0.4 s or two tries.
bool FailsMore(const Drawn& a, const Drawn& b) { return 5 * a.burden > 6 * b.burden; }

// (in flight + 1) / weight of `a` under that of `b`, which was drawn first; whole numbers, so equal
// on every machine. With as many in flight on both, or nothing on the first, the order they were
// drawn in stands: it follows the weights, while the heavier one would otherwise get everything as
// long as little is in flight, and an endpoint of little weight nothing to prove itself by.
//
// Who fails at once has little in flight and would look idle. So one that fails clearly more takes
// no other's place, and keeps its own only while the other has more in flight even though its own
// counts more: it gets what is its by weight at most, and enough for the controller to judge it by.
bool Lighter(const Drawn& a, const Drawn& b, const common::AliasTable& weights) {
  if (FailsMore(a, b)) return false;
  const bool fails = FailsMore(b, a);
  if (!fails && (a.in_flight == b.in_flight || b.in_flight == 0)) return false;
  const uint64_t of_a = (a.in_flight + 1) * weights.weight(b.position);
  const uint64_t of_b = (b.in_flight + 1) * weights.weight(a.position);
  return fails ? of_a * a.burden < of_b * b.burden : of_a < of_b;
}

struct Candidate {
  const Endpoint* endpoint = nullptr;
  bool probe = false;
};

Candidate Take(const Choice& choice, size_t position, Fitness fitness) {
  return {&choice.service.endpoints[position], fitness == Fitness::kProbe};
}

// The best of `wanted` distinct candidates that fit, or of those there are; a probe at once: it is
// a request the endpoint would have got by its weight, so it goes there.
Candidate DrawBest(const Choice& choice, const PriorityGroup& group, uint32_t wanted,
                   absl::BitGenRef random) {
  std::array<size_t, PickerPolicy::kChoicesMax> seen;
  Drawn best;
  uint32_t found = 0;
  const int draws = kDrawsMax + 2 * (static_cast<int>(wanted) - 2);
  for (int draw = 0; draw < draws && found < wanted; ++draw) {
    const size_t position = group.table.Draw(random);
    if (std::find(seen.begin(), seen.begin() + found, position) != seen.begin() + found) {
      // The only ones in reach or heavy ones: a few more chances for another, then they are it.
      if (draw >= static_cast<int>(2 * wanted)) break;
      continue;
    }
    const CellRef cell = choice.service.cells[position];
    const uint32_t in_flight = choice.view.cells.InFlight(cell);
    const Fitness fitness = choice.Judge(position, cell, in_flight);
    if (fitness == Fitness::kProbe) return Take(choice, position, fitness);
    if (fitness != Fitness::kFit) continue;
    seen[found++] = position;
    const uint32_t failing = wanted == 1 ? 0 : choice.view.cells.Failing(cell, choice.view.now);
    const Drawn drawn{position, in_flight, BurdenOf(failing)};
    if (found == 1 || Lighter(drawn, best, group.table)) best = drawn;
  }
  return found == 0 ? Candidate{} : Take(choice, best.position, Fitness::kFit);
}

// The first of those whose turn it is that fits.
Candidate DrawTurn(const Choice& choice, const PriorityGroup& group, absl::BitGenRef random) {
  PickTurns* const turns = choice.view.turns;
  uint64_t anywhere = turns == nullptr ? random() >> 16 : 0;
  uint64_t* const turn =
      turns == nullptr ? &anywhere : turns->Of(choice.service.cell, group.priority, random);
  for (int i = 0; i < kDrawsMax; ++i) {
    const size_t position = NextTurn(group.table, turn, random);
    const Fitness fitness = choice.Judge(position);
    if (fitness == Fitness::kFit || fitness == Fitness::kProbe) {
      return Take(choice, position, fitness);
    }
  }
  return {};
}

// The member takes this hash: a share of them by its weight, always the same ones.
bool Accepts(const PriorityGroup& group, ConsistentHash::Choice member, uint64_t hash) {
  if (member.position >= group.table.size()) return false;
  const uint64_t weight = group.table.weight(member.position);
  const uint64_t ticket = common::HashCombine(hash, member.salt) >> 32;
  return (ticket * group.table.largest()) >> 32 < weight;
}

// Far more in flight than its part.
bool Overloaded(const Choice& choice, const PriorityGroup& group, size_t position) {
  const uint32_t own = choice.view.cells.InFlight(choice.service.cells[position]);
  if (own < kBoundedLoadFloor) return false;
  const double all = choice.view.cells.InFlight(choice.service.cell);
  const double part = all * group.table.weight(position) / static_cast<double>(group.table.total());
  return own + 1 > choice.picker.bounded_load * part;
}

// The first member of the hash's own sequence that takes it.
Candidate DrawHashed(const Choice& choice, const PriorityGroup& group, uint64_t hash) {
  if (group.hashed == nullptr || group.hashed->members() == 0) return {};
  uint64_t at = hash;
  for (int i = 0; i < kHashDrawsMax; ++i, at = common::HashCombine(at, kNextHash)) {
    const ConsistentHash::Choice member = group.hashed->At(at);
    if (!Accepts(group, member, at)) continue;
    const Fitness fitness = choice.Judge(member.position);
    if (fitness != Fitness::kFit && fitness != Fitness::kProbe) continue;
    if (Overloaded(choice, group, member.position)) continue;
    return Take(choice, member.position, fitness);
  }
  return {};
}

Candidate Draw(const Choice& choice, const PriorityGroup& group, const PickKey& key,
               absl::BitGenRef random) {
  switch (choice.picker.kind) {
    case PickerPolicy::Kind::kP2c:
      return DrawBest(choice, group, 2, random);
    case PickerPolicy::Kind::kLeastRequest:
      return DrawBest(choice, group, choice.picker.choices, random);
    case PickerPolicy::Kind::kRoundRobin:
      return DrawTurn(choice, group, random);
    case PickerPolicy::Kind::kRandom:
      break;
    case PickerPolicy::Kind::kMaglev:
    case PickerPolicy::Kind::kRingHash:
      if (key.hash.has_value()) return DrawHashed(choice, group, *key.hash);
      break;
  }
  return DrawBest(choice, group, 1, random);
}

// The endpoint that the client is to stay with, while it can take more.
Candidate Affine(const Choice& choice, uint64_t affinity) {
  if (affinity == 0 || choice.service.affinity == nullptr) return {};
  const auto found = choice.service.affinity->find(affinity);
  if (found == choice.service.affinity->end()) return {};
  const size_t position = found->second;
  const Endpoint& endpoint = choice.service.endpoints[position];
  if (!endpoint.routable || endpoint.weight == 0) return {};
  const Fitness fitness = choice.Judge(position);
  if (fitness != Fitness::kFit && fitness != Fitness::kProbe) return {};
  return Take(choice, position, fitness);
}

// What a walk met, to fall back on or to report.
struct Walked {
  Candidate avoided;
  bool at_limit = false;
};

// The first endpoint of the group that fits, from a random place on; from the same one for the same
// hash.
Candidate Walk(const Choice& choice, const PriorityGroup& group, const PickKey& key,
               absl::BitGenRef random, Walked* met) {
  const size_t n = group.table.size();
  const size_t begin = key.hash.has_value() ? *key.hash % n : group.table.Draw(random);
  const size_t steps = choice.localities.empty() ? n : std::min(n, kElsewhereSteps);
  for (size_t step = 0; step < steps; ++step) {
    const size_t position = begin + step < n ? begin + step : begin + step - n;
    if (group.table.weight(position) == 0) continue;
    const Fitness fitness = choice.Judge(position);
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

// The index of the group this request goes to by the groups' shares; the same for the same hash.
size_t DrawGroup(const std::vector<PriorityGroup>& groups, const PickKey& key,
                 absl::BitGenRef random) {
  if (groups.size() == 1) return 0;
  uint64_t total = 0;
  for (const PriorityGroup& group : groups) total += group.share;
  if (total == 0) return 0;
  const uint64_t drawn =
      key.hash.has_value() ? common::HashCombine(*key.hash, kGroupHash) : random();
  uint64_t ticket = ((drawn >> 32) * total) >> 32;
  for (size_t i = 0; i < groups.size(); ++i) {
    if (ticket < groups[i].share) return i;
    ticket -= groups[i].share;
  }
  return 0;
}

// The drawn group, then the others in order of priority.
size_t GroupAt(size_t turn, size_t drawn) {
  if (turn == 0) return drawn;
  return turn <= drawn ? turn - 1 : turn;
}

// One that fits in a locality the request was not in.
Candidate PickElsewhere(Choice choice, size_t drawn, const PickKey& key, absl::BitGenRef random) {
  choice.localities = key.localities;
  const std::vector<PriorityGroup>& groups = choice.service.groups;
  Walked ignored;
  for (size_t i = 0; i < groups.size(); ++i) {
    const PriorityGroup& group = groups[GroupAt(i, drawn)];
    // Without a share its turn comes when the others have nothing left.
    if (i > 0 && group.share == 0) continue;
    Candidate found = Draw(choice, group, key, random);
    if (found.endpoint == nullptr) found = Walk(choice, group, key, random, &ignored);
    if (found.endpoint != nullptr) return found;
  }
  return {};
}

// All that is left is avoided: picked as ever, as if it was not.
PickResult PickAvoided(Choice choice, size_t drawn, const PickKey& key, absl::BitGenRef random,
                       const Walked& met) {
  choice.with_avoided = true;
  Candidate found = Affine(choice, key.affinity);
  if (found.endpoint == nullptr) found = Draw(choice, choice.service.groups[drawn], key, random);
  if (found.endpoint == nullptr) found = met.avoided;
  return {PickResult::Status::kPicked, found.endpoint, false};
}

}  // namespace

PickResult Pick(const ServiceTable& service, const CountersView& view,
                std::span<const CellRef> tried, const PickKey& key, absl::BitGenRef random) {
  static const PickerPolicy* const kDefault = new PickerPolicy();
  if (service.groups.empty()) return {};
  const Choice choice{service, service.picker == nullptr ? *kDefault : *service.picker, view,
                      tried};
  if (const Candidate found = Affine(choice, key.affinity); found.endpoint != nullptr) {
    return {PickResult::Status::kPicked, found.endpoint, found.probe};
  }
  const size_t drawn = DrawGroup(service.groups, key, random);
  if (!key.localities.empty()) {
    const Candidate found = PickElsewhere(choice, drawn, key, random);
    if (found.endpoint != nullptr) {
      return {PickResult::Status::kPicked, found.endpoint, found.probe};
    }
  }
  Walked met;
  for (size_t i = 0; i < service.groups.size(); ++i) {
    const PriorityGroup& group = service.groups[GroupAt(i, drawn)];
    Candidate found = Draw(choice, group, key, random);
    if (found.endpoint == nullptr) found = Walk(choice, group, key, random, &met);
    if (found.endpoint != nullptr) {
      return {PickResult::Status::kPicked, found.endpoint, found.probe};
    }
  }
  if (met.avoided.endpoint != nullptr) return PickAvoided(choice, drawn, key, random, met);
  return {met.at_limit ? PickResult::Status::kAtLimit : PickResult::Status::kAllTried, nullptr,
          false};
}

PickResult PickAndStart(const ServiceTable& service, const CountersView& view, WorkerCells* cells,
                        std::span<const CellRef> tried, const PickKey& key,
                        absl::BitGenRef random) {
  for (int i = 0; i < kFilledMax; ++i) {
    const PickResult pick = Pick(service, view, tried, key, random);
    if (pick.status != PickResult::Status::kPicked) return pick;
    if (cells->StartTry(pick.endpoint->cell, service.policy.max_in_flight_per_endpoint)) {
      return pick;
    }
  }
  return {PickResult::Status::kAtLimit, nullptr, false};
}

}  // namespace pointsman::gateway
