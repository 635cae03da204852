#include "gateway/core/consistent_hash.h"

#include <algorithm>
#include <string>

#include "common/core/check.h"
#include "common/core/hashing.h"

namespace pointsman::gateway {
namespace {

// Primes.
constexpr size_t kSlotsFew = 65'537;
constexpr size_t kSlotsMany = 655'373;
constexpr size_t kMembersFew = 655;
constexpr size_t kPointsOfMember = 1000;
constexpr size_t kPointsLeast = 16;
constexpr size_t kPointsMax = 1'000'000;
// Powers of two.
constexpr size_t kPlacesFew = 1 << 17;
constexpr size_t kPlacesMany = 1 << 20;
constexpr size_t kMembersOnFewPlaces = 64;

constexpr uint64_t kOffsetSeed = 1;
constexpr uint64_t kSkipSeed = 2;
constexpr uint64_t kSaltSeed = 3;
constexpr uint64_t kPointSeed = 4;

struct Point {
  uint64_t hash = 0;
  uint32_t member = 0;
};

std::vector<HashMember> ById(std::span<const HashMember> members) {
  std::vector<HashMember> sorted(members.begin(), members.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const HashMember& a, const HashMember& b) { return a.id < b.id; });
  return sorted;
}

}  // namespace

void ConsistentHash::TakeMembers(std::span<const HashMember> members) {
  members_.reserve(members.size());
  for (const HashMember& member : members) {
    const auto salt = static_cast<uint32_t>(common::Hash64(member.id, kSaltSeed));
    members_.push_back({member.position, salt});
  }
}

std::shared_ptr<const ConsistentHash> ConsistentHash::Maglev(std::span<const HashMember> members) {
  const std::vector<HashMember> sorted = ById(members);
  std::shared_ptr<ConsistentHash> table(new ConsistentHash());
  table->TakeMembers(sorted);
  if (sorted.empty()) return table;
  const size_t slots = sorted.size() <= kMembersFew ? kSlotsFew : kSlotsMany;
  constexpr uint32_t kFree = UINT32_MAX;
  table->slots_.assign(slots, kFree);
  struct Claim {
    size_t next = 0;
    size_t skip = 0;
  };
  std::vector<Claim> claims;
  claims.reserve(sorted.size());
  for (const HashMember& member : sorted) {
    claims.push_back({common::Hash64(member.id, kOffsetSeed) % slots,
                      common::Hash64(member.id, kSkipSeed) % (slots - 1) + 1});
  }
  for (size_t taken = 0; taken < slots;) {
    for (uint32_t i = 0; i < claims.size() && taken < slots; ++i) {
      Claim& claim = claims[i];
      while (table->slots_[claim.next] != kFree) claim.next = (claim.next + claim.skip) % slots;
      table->slots_[claim.next] = i;
      ++taken;
    }
  }
  return table;
}

std::shared_ptr<const ConsistentHash> ConsistentHash::Ring(std::span<const HashMember> members) {
  const std::vector<HashMember> sorted = ById(members);
  std::shared_ptr<ConsistentHash> table(new ConsistentHash());
  table->TakeMembers(sorted);
  if (sorted.empty()) return table;
  std::vector<Point> points;
  const size_t each = std::clamp(kPointsMax / sorted.size(), kPointsLeast, kPointsOfMember);
  points.reserve(each * sorted.size());
  for (uint32_t i = 0; i < sorted.size(); ++i) {
    const uint64_t of_member = common::Hash64(sorted[i].id, kPointSeed);
    for (size_t k = 0; k < each; ++k) {
      points.push_back({common::HashCombine(of_member, k), i});
    }
  }
  std::sort(points.begin(), points.end(), [](const Point& a, const Point& b) {
    return a.hash != b.hash ? a.hash < b.hash : a.member < b.member;
  });
  const size_t places = sorted.size() <= kMembersOnFewPlaces ? kPlacesFew : kPlacesMany;
  table->slots_.reserve(places);
  size_t point = 0;
  for (uint64_t place = 0; place < places; ++place) {
    const uint64_t from = place * (UINT64_MAX / places + 1);
    while (point < points.size() && points[point].hash < from) ++point;
    table->slots_.push_back(points[point == points.size() ? 0 : point].member);
  }
  return table;
}

ConsistentHash::Choice ConsistentHash::At(uint64_t hash) const {
  PM_CHECK(!members_.empty());
  const auto slot =
      static_cast<size_t>((static_cast<unsigned __int128>(hash) * slots_.size()) >> 64);
  return members_[slots_[slot]];
}

}  // namespace pointsman::gateway
