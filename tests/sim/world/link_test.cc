#include "sim/world/link.h"

#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace pointsman::sim {
namespace {

class LinkTest : public ::testing::Test {
 protected:
  void Send(Link& link, int number) {
    link.Send([this, number] {
      numbers.push_back(number);
      last = queue.now();
    });
  }
  void Run(absl::Duration time) { queue.RunUntil(queue.now() + time); }

  EventQueue queue;
  std::mt19937_64 random{1};
  std::vector<int> numbers;
  common::MonotonicTime last;
};

TEST_F(LinkTest, KeepsTheOrderWhateverTheJitter) {
  Link link(queue, {.delay = absl::Milliseconds(1), .jitter = absl::Milliseconds(50)}, random);
  for (int i = 0; i < 100; ++i) Send(link, i);
  Run(absl::Milliseconds(1) - absl::Microseconds(1));
  EXPECT_TRUE(numbers.empty());
  Run(absl::Milliseconds(51));
  ASSERT_EQ(numbers.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(numbers[i], i);
}

TEST_F(LinkTest, WhatIsLostComesLaterAndHoldsUpTheNext) {
  Link link(queue,
            {.delay = absl::Milliseconds(1),
             .jitter = absl::ZeroDuration(),
             .loss = 0.2,
             .retransmit = absl::Seconds(1)},
            random);
  for (int i = 0; i < 50; ++i) Send(link, i);
  Run(absl::Minutes(1));
  ASSERT_EQ(numbers.size(), 50u);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(numbers[i], i);
  EXPECT_GE(last, common::MonotonicTime() + absl::Milliseconds(1001));
}

TEST_F(LinkTest, WaitsForACutToHeal) {
  Link link(queue, {}, random);
  link.Cut();
  Send(link, 1);
  Send(link, 2);
  Run(absl::Seconds(10));
  EXPECT_TRUE(numbers.empty());
  link.Heal();
  Run(absl::Milliseconds(1));
  EXPECT_EQ(numbers, (std::vector<int>{1, 2}));
}

TEST_F(LinkTest, LosesWhatIsUnderWayWhenTheStreamBreaks) {
  Link link(queue, {}, random);
  Send(link, 1);
  link.Cut();
  Send(link, 2);
  link.Break();
  link.Heal();
  Send(link, 3);
  Run(absl::Seconds(1));
  EXPECT_EQ(numbers, (std::vector<int>{3}));
}

TEST_F(LinkTest, TakesDelayAndAPartOfTheJitter) {
  const LinkOptions options{.delay = absl::Milliseconds(3), .jitter = absl::Milliseconds(2)};
  absl::Duration sum;
  for (int i = 0; i < 1000; ++i) {
    const absl::Duration takes = OneWay(options, random);
    ASSERT_GE(takes, absl::Milliseconds(3));
    ASSERT_LE(takes, absl::Milliseconds(5));
    sum += takes;
  }
  EXPECT_NEAR(absl::ToDoubleMilliseconds(sum / 1000), 4, 0.1);
}

}  // namespace
}  // namespace pointsman::sim
