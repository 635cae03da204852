#include "sim/world/shedding.h"

#include "gtest/gtest.h"

namespace pointsman::sim {
namespace {

constexpr absl::Duration kBegins = absl::Seconds(10);
constexpr absl::Duration kMeasured = absl::Seconds(60);

// `rate` tries a second from `from` to `to`.
void Try(Shedding& shedding, double from, double to, double rate) {
  for (double at = from; at < to; at += 1 / rate) shedding.OnTry(absl::Seconds(at));
}

TEST(SheddingTest, TellsSinceWhenTheyGetHalf) {
  Shedding shedding(kBegins, absl::InfiniteDuration());
  Try(shedding, 0, 13, 10);
  Try(shedding, 13, 20, 4);
  EXPECT_EQ(shedding.Halved(kMeasured), absl::Seconds(3));
}

TEST(SheddingTest, NeverIsNothing) {
  Shedding shedding(kBegins, absl::InfiniteDuration());
  Try(shedding, 0, 60, 10);
  EXPECT_EQ(shedding.Halved(kMeasured), std::nullopt);
}

TEST(SheddingTest, AShortPauseIsNoShedding) {
  Shedding shedding(kBegins, absl::InfiniteDuration());
  Try(shedding, 0, 12, 10);
  Try(shedding, 12.5, 60, 10);
  EXPECT_EQ(shedding.Halved(kMeasured), std::nullopt);
}

TEST(SheddingTest, NoTriesAtAllAreFewer) {
  Shedding shedding(kBegins, absl::InfiniteDuration());
  Try(shedding, 0, 10.4, 10);
  EXPECT_EQ(shedding.Halved(kMeasured), absl::ZeroDuration());
}

TEST(SheddingTest, OnlyWhileTheFaultLasts) {
  Shedding shedding(kBegins, absl::Seconds(5));
  Try(shedding, 0, 14, 10);
  Try(shedding, 14, 30, 1);
  EXPECT_EQ(shedding.Halved(kMeasured), std::nullopt) << "two seconds do not fit in any more";
}

TEST(SheddingTest, WithoutTimeBeforeThereIsNoMeasure) {
  Shedding shedding(absl::ZeroDuration(), absl::InfiniteDuration());
  Try(shedding, 0, 5, 10);
  EXPECT_EQ(shedding.Halved(kMeasured), std::nullopt);
}

}  // namespace
}  // namespace pointsman::sim
