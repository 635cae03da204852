#include "gateway/core/consistent_hash.h"

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

using Maker = std::shared_ptr<const ConsistentHash> (*)(std::span<const HashMember>);

// Members "e0" and so on, without the one numbered `gone`.
class Members {
 public:
  explicit Members(size_t n, size_t gone = SIZE_MAX) {
    for (size_t i = 0; i < n; ++i) ids_.push_back(absl::StrCat("e", i));
    for (size_t i = 0; i < n; ++i) {
      if (i != gone) members_.push_back({ids_[i], static_cast<uint32_t>(i)});
    }
  }
  std::span<const HashMember> all() const { return members_; }
  std::vector<HashMember> members_;

 private:
  std::vector<std::string> ids_;
};

// A hash that leads to this slot of so many.
uint64_t InSlot(uint64_t slot, uint64_t slots) { return UINT64_MAX / slots * slot + slots; }

struct Spread {
  double most = 0;  // Over the mean.
  double least = 0;
};

Spread SpreadOf(const ConsistentHash& table, size_t n, int keys) {
  std::vector<int> counts(n);
  std::mt19937_64 random(1);
  for (int i = 0; i < keys; ++i) ++counts[table.At(random()).position];
  const double mean = static_cast<double>(keys) / static_cast<double>(n);
  return {*std::max_element(counts.begin(), counts.end()) / mean,
          *std::min_element(counts.begin(), counts.end()) / mean};
}

// Share of keys that another member gets when one of `n` leaves.
double Moved(Maker make, size_t n) {
  const auto before = make(Members(n).all());
  const auto after = make(Members(n, n / 2).all());
  std::mt19937_64 random(2);
  constexpr int kKeys = 400'000;
  int moved = 0;
  for (int i = 0; i < kKeys; ++i) {
    const uint64_t key = random();
    moved += before->At(key).position != after->At(key).position;
  }
  return static_cast<double>(moved) / kKeys;
}

TEST(ConsistentHashTest, MaglevSpreadsAlmostEvenly) {
  // Every slot is asked for as often, so the table's own spread shows (algorithms reference 8).
  const auto few = ConsistentHash::Maglev(Members(100).all());
  std::vector<int> counts(100);
  for (uint64_t slot = 0; slot < 65'537; ++slot) ++counts[few->At(InSlot(slot, 65'537)).position];
  EXPECT_LE(*std::max_element(counts.begin(), counts.end()), 65'537 / 100 * 1.002);
  EXPECT_GE(*std::min_element(counts.begin(), counts.end()), 65'537 / 100 * 0.998);
  counts.assign(1000, 0);
  const auto many = ConsistentHash::Maglev(Members(1000).all());
  for (uint64_t slot = 0; slot < 655'373; ++slot) {
    ++counts[many->At(InSlot(slot, 655'373)).position];
  }
  EXPECT_LE(*std::max_element(counts.begin(), counts.end()), 655.373 * 1.01);
  EXPECT_GE(*std::min_element(counts.begin(), counts.end()), 655.373 * 0.99);
}

TEST(ConsistentHashTest, MaglevMovesFewKeysWhenAMemberLeaves) {
  const double of_hundred = Moved(ConsistentHash::Maglev, 100);
  EXPECT_GE(of_hundred, 0.009) << "its own keys";
  EXPECT_LE(of_hundred, 0.020) << "the reference has 1.56 %";
  const double of_thousand = Moved(ConsistentHash::Maglev, 1000);
  EXPECT_GE(of_thousand, 0.0008);
  EXPECT_LE(of_thousand, 0.0050) << "the reference has 0.42 %";
}

TEST(ConsistentHashTest, ARingMovesOnlyTheKeysOfTheMemberThatLeaves) {
  const auto before = ConsistentHash::Ring(Members(100).all());
  const auto after = ConsistentHash::Ring(Members(100, 50).all());
  std::mt19937_64 random(3);
  int own = 0;
  for (int i = 0; i < 200'000; ++i) {
    const uint64_t key = random();
    const uint32_t position = before->At(key).position;
    own += position == 50;
    if (position != 50) EXPECT_EQ(after->At(key).position, position) << key;
    EXPECT_NE(after->At(key).position, 50u);
  }
  EXPECT_NEAR(own, 2'000, 300);
}

TEST(ConsistentHashTest, ARingSpreadsAsItsPointsDo) {
  const Spread spread = SpreadOf(*ConsistentHash::Ring(Members(100).all()), 100, 2'000'000);
  EXPECT_LE(spread.most, 1.12) << "1,000 points each: the reference has 1.07";
  EXPECT_GE(spread.least, 0.88);
}

TEST(ConsistentHashTest, TheEndsOfTheRingLeadToMembers) {
  for (const size_t n : {1, 2, 3, 64, 65}) {
    const auto table = ConsistentHash::Ring(Members(n).all());
    for (const uint64_t hash : {uint64_t{0}, UINT64_MAX}) EXPECT_LT(table->At(hash).position, n);
  }
}

TEST(ConsistentHashTest, TheOrderOfMembersDoesNotMatter) {
  for (const Maker make : {ConsistentHash::Maglev, ConsistentHash::Ring}) {
    Members members(50);
    const auto straight = make(members.all());
    std::shuffle(members.members_.begin(), members.members_.end(), std::mt19937_64(4));
    const auto shuffled = make(members.all());
    std::mt19937_64 random(5);
    for (int i = 0; i < 10'000; ++i) {
      const uint64_t key = random();
      EXPECT_EQ(straight->At(key).position, shuffled->At(key).position);
      EXPECT_EQ(straight->At(key).salt, shuffled->At(key).salt);
    }
  }
}

TEST(ConsistentHashTest, NoMembersAreNoTable) {
  EXPECT_EQ(ConsistentHash::Maglev({})->members(), 0u);
  EXPECT_EQ(ConsistentHash::Ring({})->members(), 0u);
}

}  // namespace
}  // namespace pointsman::gateway
