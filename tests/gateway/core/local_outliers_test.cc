#include "gateway/core/local_outliers.h"

#include <algorithm>
#include <string>
#include <vector>

#include "common/core/latency_histogram.h"
#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

OutlierSample Tries(uint64_t tries, uint64_t failures = 0) {
  OutlierSample sample;
  sample.tries = tries;
  sample.failures = failures;
  return sample;
}

// All answered after `latency`, but the last `long_ones` of them, after `longer`.
OutlierSample Taking(absl::Duration latency, uint32_t answers = 100, uint32_t long_ones = 0,
                     absl::Duration longer = absl::ZeroDuration()) {
  OutlierSample sample = Tries(answers);
  const auto add = [&sample](absl::Duration each, uint32_t count) {
    sample.latency_sum_micros += absl::ToInt64Microseconds(each) * count;
    sample.latency_buckets[common::LatencyHistogram::BucketOf(each)] += count;
  };
  add(latency, answers - long_ones);
  add(longer, long_ones);
  sample.suspect = true;
  return sample;
}

OutlierSample With(OutlierSample sample, uint64_t weight, uint32_t locality = 0) {
  sample.weight = weight;
  sample.locality = locality;
  return sample;
}
OutlierSample Out(OutlierSample sample) {
  sample.out = true;
  return sample;
}

// One letter for each endpoint: "." none, "f" failing, "s" slow, "?" slow from the next window on.
std::string Judge(const std::vector<OutlierSample>& samples) {
  std::string found;
  for (const OutlierVerdict& verdict : LocalOutliers::Judge(samples)) {
    const char* const kLetters = ".fs";
    found += verdict.slow ? '?' : kLetters[static_cast<size_t>(verdict.outlier)];
  }
  return found;
}

constexpr absl::Duration kMs = absl::Milliseconds(1);

// ---- Failing.

TEST(LocalOutliersTest, OneOfThreeThatFailsAlwaysIsFound) {
  EXPECT_EQ(Judge({Tries(50), Tries(50, 50), Tries(50)}), ".f.");
  EXPECT_EQ(Judge({Tries(20, 20), Tries(20), Tries(20)}), "f..");
}

TEST(LocalOutliersTest, OneOfThreeThatFailsEverySecondTimeIsFound) {
  EXPECT_EQ(Judge({Tries(50), Tries(50), Tries(50, 25)}), "..f");
  EXPECT_EQ(Judge({Tries(20), Tries(20), Tries(20, 10)}), "..f");
}

TEST(LocalOutliersTest, WhatAllDoAlikeMakesNobodyAnOutlier) {
  EXPECT_EQ(Judge({Tries(50, 50), Tries(50, 50), Tries(50, 50)}), "...");
  EXPECT_EQ(Judge({Tries(50, 20), Tries(50, 25), Tries(50, 30)}), "...");
  EXPECT_EQ(Judge({Tries(10'000, 500), Tries(10'000, 520), Tries(10'000, 490)}), "...");
}

TEST(LocalOutliersTest, OneThatFailsFarOftenerThanOthersThatFailTooIsFound) {
  EXPECT_EQ(Judge({Tries(200, 60), Tries(200, 60), Tries(200, 200)}), "..f");
}

TEST(LocalOutliersTest, SmallDifferencesAreLeftToTheSlowLoop) {
  EXPECT_EQ(Judge({Tries(10'000), Tries(10'000), Tries(10'000, 1'900)}), "...");
  EXPECT_EQ(Judge({Tries(10'000), Tries(10'000), Tries(10'000, 2'000)}), "..f");
}

TEST(LocalOutliersTest, TwoThatFailOfSixAreFoundBesideEachOther) {
  EXPECT_EQ(Judge({Tries(50, 50), Tries(50), Tries(50, 50), Tries(50), Tries(50), Tries(50)}),
            "f.f...");
  EXPECT_EQ(Judge({Tries(50, 20), Tries(50), Tries(50, 18), Tries(50), Tries(50), Tries(50)}),
            "f.f...");
}

TEST(LocalOutliersTest, NoMoreThanAThirdAreOut) {
  EXPECT_EQ(Judge({Tries(50, 50), Tries(50), Tries(50, 50), Tries(50), Tries(50)}), "f....")
      << "two of five are more: the first of those that are as bad";
  EXPECT_EQ(Judge({Tries(50, 40), Tries(50), Tries(50, 50), Tries(50), Tries(50)}), "..f..")
      << "or the worst";
  EXPECT_EQ(Judge({Out(Tries(0)), Tries(50, 50), Tries(50), Tries(50), Tries(50)}), ".....")
      << "whatever the others are avoided for";
  EXPECT_EQ(LocalOutliers::OutMax(2), 0u);
  EXPECT_EQ(LocalOutliers::OutMax(3), 1u);
  EXPECT_EQ(LocalOutliers::OutMax(5), 1u);
  EXPECT_EQ(LocalOutliers::OutMax(9), 3u);
}

TEST(LocalOutliersTest, OfTwoNobodySaysWhichIsAsItShouldBe) {
  EXPECT_EQ(Judge({Tries(500), Tries(500, 500)}), "..");
  EXPECT_EQ(Judge({Tries(500, 500)}), ".");
  EXPECT_EQ(Judge({}), "");
}

TEST(LocalOutliersTest, LittleDataSaysNothing) {
  EXPECT_EQ(Judge({Tries(50), Tries(50), Tries(19, 19)}), "...");
  EXPECT_EQ(Judge({Tries(19), Tries(50), Tries(50, 50)}), "...") << "of those compared with";
  EXPECT_EQ(Judge({Tries(50), Tries(50), Tries(20, 4)}), "...") << "nor do few failures";
  EXPECT_EQ(Judge({Tries(0), Tries(0), Tries(0)}), "...");
}

TEST(LocalOutliersTest, WhatChanceMakesIsNoDifference) {
  // One in three fails of all: of 20 tries 11 may.
  EXPECT_EQ(Judge({Tries(300, 100), Tries(300, 100), Tries(20, 11)}), "...");
  EXPECT_EQ(Judge({Tries(300, 100), Tries(300, 100), Tries(20, 18)}), "..f");
}

TEST(LocalOutliersTest, TheOthersKeepHalfOfTheWeight) {
  const auto judge = [](uint64_t weight) {
    return Judge({With(Tries(50), 10), With(Tries(50, 50), weight), With(Tries(50), 10)});
  };
  EXPECT_EQ(judge(20), ".f.");
  EXPECT_EQ(judge(21), "...");
  EXPECT_EQ(Judge({Out(With(Tries(0), 25)), With(Tries(50, 50), 10), With(Tries(50), 10),
                   With(Tries(50), 10), With(Tries(50), 10), With(Tries(50), 3)}),
            "......")
      << "with what is out already";
}

TEST(LocalOutliersTest, AvoidedOnesAreNotComparedWith) {
  // Late answers to what they had before.
  EXPECT_EQ(
      Judge({Out(Tries(500, 500)), Tries(50, 50), Tries(50), Tries(50), Tries(50), Tries(50)}),
      ".f....");
}

// ---- Slow.

TEST(LocalOutliersTest, OneOfThreeThatIsFarSlowerIsFound) {
  EXPECT_EQ(Judge({Taking(kMs), Taking(50 * kMs), Taking(2 * kMs)}), ".s.");
  EXPECT_EQ(Judge({Taking(100 * kMs), Taking(100 * kMs), Taking(420 * kMs)}), "..s");
}

TEST(LocalOutliersTest, OneSlowWindowIsNotEnough) {
  OutlierSample first = Taking(50 * kMs);
  first.suspect = false;
  EXPECT_EQ(Judge({Taking(kMs), first, Taking(kMs)}), ".?.");
}

TEST(LocalOutliersTest, AllThatAreSlowAreAsTheyAre) {
  EXPECT_EQ(Judge({Taking(800 * kMs), Taking(900 * kMs), Taking(1000 * kMs)}), "...");
  EXPECT_EQ(Judge({Taking(50 * kMs), Taking(kMs), Taking(50 * kMs)}), "...") << "or most of them";
}

TEST(LocalOutliersTest, NeitherAFewMillisecondsNorLessThanThreeTimesIsFarSlower) {
  EXPECT_EQ(Judge({Taking(kMs), Taking(19 * kMs), Taking(kMs)}), "...");
  EXPECT_EQ(Judge({Taking(100 * kMs), Taking(290 * kMs), Taking(100 * kMs)}), "...");
}

TEST(LocalOutliersTest, AFewLongRequestsAreNoSlowEndpoint) {
  EXPECT_EQ(Judge({Taking(2 * kMs), Taking(2 * kMs, 100, 10, absl::Seconds(5)), Taking(2 * kMs)}),
            "...");
}

TEST(LocalOutliersTest, FewAnswersAreNotCompared) {
  EXPECT_EQ(Judge({Taking(kMs), Taking(50 * kMs, 19), Taking(kMs)}), "...");
  EXPECT_EQ(Judge({Taking(kMs), Taking(50 * kMs), Taking(kMs, 19)}), "...");
}

TEST(LocalOutliersTest, TwoSlowOnesOfSixDoNotHideEachOther) {
  EXPECT_EQ(Judge({Taking(kMs), Taking(60 * kMs), Taking(kMs), Taking(50 * kMs), Taking(kMs),
                   Taking(kMs)}),
            ".s.s..");
}

TEST(LocalOutliersTest, OneThatHasNoRoomStaysASuspect) {
  EXPECT_EQ(Judge({Taking(kMs), Taking(60 * kMs), Taking(kMs), Taking(50 * kMs), Taking(kMs)}),
            ".s.?.");
}

TEST(LocalOutliersTest, AZoneFarAwayIsNotSlow) {
  const auto at = [](uint32_t zone, absl::Duration latency) {
    return With(Taking(latency), 1, zone);
  };
  EXPECT_EQ(Judge({at(1, kMs), at(1, kMs), at(1, kMs), at(2, 80 * kMs), at(2, 90 * kMs),
                   at(2, 80 * kMs)}),
            "......");
  EXPECT_EQ(Judge({at(1, kMs), at(1, kMs), at(1, kMs), at(2, 80 * kMs), at(2, 450 * kMs),
                   at(2, 80 * kMs)}),
            "....s.")
      << "compared with those beside it";
  EXPECT_EQ(Judge({at(1, kMs), at(2, 3 * kMs), at(3, 150 * kMs)}), "...") << "alone in its zone";
  EXPECT_EQ(Judge({at(1, kMs), at(2, 3 * kMs), at(3, 300 * kMs)}), "..s") << "no way is so long";
}

TEST(LocalOutliersTest, OneThatIsJustBeginningIsNotCalledSlow) {
  const OutlierSample starting = With(Taking(50 * kMs), 10);
  EXPECT_EQ(Judge({With(Taking(kMs), 100), With(Taking(kMs), 100), starting}), "...");
  EXPECT_EQ(Judge({With(Tries(50), 100), With(Tries(50), 100), With(Tries(50, 50), 10)}), "..f")
      << "but it may fail";
}

TEST(LocalOutliersTest, TheOrderOfEndpointsDoesNotMatter) {
  std::vector<OutlierSample> samples = {Taking(kMs), Taking(60 * kMs), Taking(2 * kMs)};
  samples[0].failures = 60;
  const std::vector<std::string> expected = {"f..", "..f", ".f."};
  for (const std::string& found : expected) {
    EXPECT_EQ(Judge(samples), found) << "two may not be out, and failures come first";
    std::rotate(samples.begin(), samples.begin() + 1, samples.end());
  }
}

}  // namespace
}  // namespace pointsman::gateway
