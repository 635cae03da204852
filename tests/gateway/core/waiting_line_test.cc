#include "gateway/core/waiting_line.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <optional>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

constexpr auto kCritical = Criticality::kCritical;
constexpr auto kStandard = Criticality::kStandard;
constexpr auto kSheddable = Criticality::kSheddable;

constexpr size_t kRoom = 100;

// Takes the one whose turn it is out of the line; its stream's index.
uint32_t Next(WaitingLine* line) {
  const WaitingLine::Entry entry = *line->Front();
  line->Leave(entry.ticket);
  return entry.stream_index;
}

TEST(WaitingLineTest, NobodyWaitsInAnEmptyLine) {
  WaitingLine line;
  EXPECT_TRUE(line.empty());
  EXPECT_EQ(line.size(), 0u);
  EXPECT_EQ(line.Front(), nullptr);
  for (const auto criticality : {kCritical, kStandard, kSheddable}) {
    EXPECT_FALSE(line.Ahead(criticality));
  }
}

TEST(WaitingLineTest, EquallyCriticalGoInTheOrderTheyCame) {
  WaitingLine line;
  for (uint32_t i = 0; i < 5; ++i) line.Join(kStandard, i, 0, kRoom);
  for (uint32_t i = 0; i < 5; ++i) EXPECT_EQ(Next(&line), i);
  EXPECT_TRUE(line.empty());
}

TEST(WaitingLineTest, TheMoreCriticalGoFirst) {
  WaitingLine line;
  line.Join(kSheddable, 1, 0, kRoom);
  line.Join(kStandard, 2, 0, kRoom);
  line.Join(kCritical, 3, 0, kRoom);
  line.Join(kSheddable, 4, 0, kRoom);
  line.Join(kCritical, 5, 0, kRoom);
  line.Join(kStandard, 6, 0, kRoom);
  for (const uint32_t expected : {3, 5, 2, 6, 1, 4}) EXPECT_EQ(Next(&line), expected);
}

TEST(WaitingLineTest, TheFrontStaysAndIsTheHandleThatJoined) {
  WaitingLine line;
  const auto joined = line.Join(kStandard, 7, 9, kRoom);
  EXPECT_FALSE(joined.gives_way.has_value());
  for (int i = 0; i < 2; ++i) {
    ASSERT_NE(line.Front(), nullptr);
    EXPECT_EQ(line.Front()->ticket, joined.ticket);
    EXPECT_EQ(line.Front()->stream_index, 7u);
    EXPECT_EQ(line.Front()->stream_generation, 9u);
    EXPECT_EQ(line.size(), 1u);
  }
}

TEST(WaitingLineTest, TicketsAreNeverZeroNorGivenTwice) {
  WaitingLine line;
  std::vector<LineTicket> tickets;
  for (const auto criticality : {kCritical, kStandard, kSheddable}) {
    for (int i = 0; i < 3; ++i) {
      tickets.push_back(line.Join(criticality, 0, 0, kRoom).ticket);
      line.Leave(tickets.back());
    }
  }
  std::sort(tickets.begin(), tickets.end());
  EXPECT_NE(tickets.front(), 0u);
  EXPECT_EQ(std::adjacent_find(tickets.begin(), tickets.end()), tickets.end());
}

TEST(WaitingLineTest, OneMayLeaveFromAnyPlace) {
  WaitingLine line;
  line.Join(kStandard, 1, 0, kRoom);
  const auto middle = line.Join(kStandard, 2, 0, kRoom);
  line.Join(kStandard, 3, 0, kRoom);
  line.Leave(middle.ticket);
  EXPECT_EQ(line.size(), 2u);
  EXPECT_EQ(Next(&line), 1u);
  EXPECT_EQ(Next(&line), 3u);
}

TEST(WaitingLineTest, LeavingTwiceOrWithoutATicketChangesNothing) {
  WaitingLine line;
  const auto gone = line.Join(kStandard, 1, 0, kRoom);
  line.Leave(gone.ticket);
  line.Join(kStandard, 2, 0, kRoom);
  line.Leave(gone.ticket);
  line.Leave(0);
  line.Leave(UINT64_MAX);
  EXPECT_EQ(line.size(), 1u);
  EXPECT_EQ(line.Front()->stream_index, 2u);
}

TEST(WaitingLineTest, OnlyTheEquallyOrMoreCriticalAreAhead) {
  WaitingLine line;
  const auto sheddable = line.Join(kSheddable, 1, 0, kRoom);
  EXPECT_FALSE(line.Ahead(kCritical));
  EXPECT_FALSE(line.Ahead(kStandard));
  EXPECT_TRUE(line.Ahead(kSheddable));
  line.Join(kStandard, 2, 0, kRoom);
  EXPECT_FALSE(line.Ahead(kCritical));
  EXPECT_TRUE(line.Ahead(kStandard));
  EXPECT_TRUE(line.Ahead(kSheddable));
  line.Leave(sheddable.ticket);
  EXPECT_TRUE(line.Ahead(kSheddable)) << "behind the standard one";
}

TEST(WaitingLineTest, AFullLineTakesNobodyWhoIsNotMoreCritical) {
  for (const auto criticality : {kCritical, kStandard, kSheddable}) {
    WaitingLine full;
    full.Join(criticality, 1, 0, 2);
    full.Join(criticality, 2, 0, 2);
    const auto joined = full.Join(criticality, 3, 0, 2);
    EXPECT_EQ(joined.ticket, 0u);
    EXPECT_FALSE(joined.gives_way.has_value());
    EXPECT_EQ(full.Join(kSheddable, 4, 0, 2).ticket, 0u);
    EXPECT_EQ(full.size(), 2u);
    EXPECT_EQ(Next(&full), 1u);
    EXPECT_EQ(Next(&full), 2u);
  }
}

TEST(WaitingLineTest, TheNewestOfTheLeastCriticalGivesWay) {
  WaitingLine line;
  line.Join(kSheddable, 1, 11, 4);
  const auto newest = line.Join(kSheddable, 2, 12, 4);
  line.Join(kStandard, 3, 13, 4);
  line.Join(kCritical, 4, 14, 4);
  const auto joined = line.Join(kStandard, 5, 15, 4);
  ASSERT_NE(joined.ticket, 0u);
  ASSERT_TRUE(joined.gives_way.has_value());
  EXPECT_EQ(joined.gives_way->ticket, newest.ticket);
  EXPECT_EQ(joined.gives_way->stream_index, 2u);
  EXPECT_EQ(joined.gives_way->stream_generation, 12u);
  EXPECT_EQ(line.size(), 4u);
  EXPECT_EQ(line.Join(kCritical, 6, 0, 4).gives_way->stream_index, 1u);
  EXPECT_EQ(line.Join(kCritical, 7, 0, 4).gives_way->stream_index, 5u);
  EXPECT_EQ(line.Join(kCritical, 8, 0, 4).gives_way->stream_index, 3u);
  EXPECT_EQ(line.Join(kCritical, 9, 0, 4).ticket, 0u) << "all are as critical";
  for (const uint32_t expected : {4, 6, 7, 8}) EXPECT_EQ(Next(&line), expected);
}

TEST(WaitingLineTest, WhoGaveWayMayLeaveWithoutHarm) {
  WaitingLine line;
  const auto first = line.Join(kSheddable, 1, 0, 1);
  line.Join(kStandard, 2, 0, 1);
  line.Leave(first.ticket);
  EXPECT_EQ(line.size(), 1u);
  EXPECT_EQ(line.Front()->stream_index, 2u);
}

TEST(WaitingLineTest, ALowerMaximumThrowsNobodyOutAndLetsNobodyJoin) {
  WaitingLine line;
  for (uint32_t i = 0; i < 5; ++i) line.Join(kSheddable, i, 0, 5);
  EXPECT_EQ(line.Join(kCritical, 9, 0, 2).ticket, 0u);
  EXPECT_EQ(line.size(), 5u);
  for (uint32_t i = 0; i < 3; ++i) EXPECT_EQ(Next(&line), i);
  const auto joined = line.Join(kCritical, 9, 0, 2);
  EXPECT_NE(joined.ticket, 0u) << "as long as it may be";
  EXPECT_EQ(joined.gives_way->stream_index, 4u);
  EXPECT_FALSE(line.Join(kSheddable, 10, 0, 3).gives_way.has_value()) << "there is room again";
  EXPECT_EQ(line.size(), 3u);
}

TEST(WaitingLineDeathTest, ALineHasRoomForOne) {
  WaitingLine line;
  EXPECT_DEATH(line.Join(kStandard, 1, 0, 0), "max >= 1");
}

// The same by the plainest means: a vector searched from end to end.
class PlainLine {
 public:
  struct Waiting {
    Criticality criticality;
    uint32_t stream;
    LineTicket ticket = 0;
  };

  // Who gives way, or the newcomer itself when there is no room.
  std::optional<uint32_t> Join(Criticality criticality, uint32_t stream, size_t max) {
    std::optional<uint32_t> gives_way;
    if (all_.size() > max) return stream;
    if (all_.size() == max) {
      // Sought from the end: of equals the newest.
      const auto last = std::max_element(all_.rbegin(), all_.rend(), Before);
      if (last->criticality <= criticality) return stream;
      gives_way = last->stream;
      all_.erase(std::next(last).base());
    }
    all_.push_back({criticality, stream});
    return gives_way;
  }
  const Waiting* Front() const {
    const auto first = std::min_element(all_.begin(), all_.end(), Before);
    return first == all_.end() ? nullptr : &*first;
  }
  void Leave(size_t place) { all_.erase(all_.begin() + static_cast<std::ptrdiff_t>(place)); }
  std::vector<Waiting>& all() { return all_; }

 private:
  static bool Before(const Waiting& a, const Waiting& b) { return a.criticality < b.criticality; }

  std::vector<Waiting> all_;
};

TEST(WaitingLineTest, DoesAsAPlainOneDoes) {
  std::mt19937 random(1);
  WaitingLine line;
  PlainLine plain;
  for (uint32_t stream = 0; stream < 20'000; ++stream) {
    const size_t max = 1 + random() % 8;
    const auto criticality = static_cast<Criticality>(random() % 3);
    const bool ahead = std::any_of(plain.all().begin(), plain.all().end(),
                                   [&](const auto& w) { return w.criticality <= criticality; });
    ASSERT_EQ(line.Ahead(criticality), ahead);
    const auto joined = line.Join(criticality, stream, 0, max);
    const std::optional<uint32_t> loser = plain.Join(criticality, stream, max);
    ASSERT_EQ(joined.ticket == 0, loser == stream);
    if (joined.ticket != 0) {
      ASSERT_EQ(joined.gives_way.has_value(), loser.has_value());
      if (loser.has_value()) {
        ASSERT_EQ(joined.gives_way->stream_index, *loser);
      }
      plain.all().back().ticket = joined.ticket;
    }
    if (!plain.all().empty() && random() % 3 == 0) {
      const size_t place = random() % plain.all().size();
      line.Leave(plain.all()[place].ticket);
      plain.Leave(place);
    }
    ASSERT_EQ(line.size(), plain.all().size());
    ASSERT_EQ(line.Front() == nullptr, plain.Front() == nullptr);
    if (line.Front() != nullptr) {
      ASSERT_EQ(line.Front()->stream_index, plain.Front()->stream);
    }
  }
}

}  // namespace
}  // namespace pointsman::gateway
