#include "cli/text.h"

#include <gtest/gtest.h>

namespace pointsman::cli {
namespace {

TEST(TextTest, WritesDurationsInThreeDigits) {
  const std::pair<absl::Duration, const char*> kCases[] = {
      {absl::ZeroDuration(), "0s"},         {absl::Microseconds(350), "350us"},
      {absl::Microseconds(1200), "1.20ms"}, {absl::Microseconds(9994), "9.99ms"},
      {absl::Microseconds(9996), "10.0ms"}, {absl::Milliseconds(45), "45.0ms"},
      {absl::Milliseconds(250), "250ms"},   {absl::Microseconds(999'600), "1.00s"},
      {absl::Milliseconds(1500), "1.50s"},  {absl::Seconds(12), "12.0s"},
      {absl::Seconds(60), "1m00s"},         {absl::Seconds(185), "3m05s"},
      {absl::Minutes(130), "2h10m"},        {absl::Hours(99), "4d03h"},
      {-absl::Seconds(2), "-2.00s"},        {absl::InfiniteDuration(), "-"},
  };
  for (const auto& [duration, text] : kCases) EXPECT_EQ(DurationText(duration), text);
  EXPECT_EQ(DurationText(false, {}), "-");
}

TEST(TextTest, WritesNumbersWithUnits) {
  EXPECT_EQ(PercentText(0.125), "12.5%");
  EXPECT_EQ(RateText(0), "0/s");
  EXPECT_EQ(RateText(1.5), "1.50/s");
  EXPECT_EQ(RateText(12.345), "12.3/s");
  EXPECT_EQ(RateText(1234.5), "1234/s");
  EXPECT_EQ(WeightText(65'536), "1.00");
  EXPECT_EQ(WeightText(16'384), "0.25");
}

TEST(TextTest, KeepsTextOfOthersFromSteeringTheTerminal) {
  EXPECT_EQ(Clean("ok \x1b[2J\x07 \xff \xc2\x9b \xc3\xa4\n"), "ok ?[2J? ? ? \xc3\xa4?");
}

TEST(TextTest, CountsCharactersNotBytesAndNoColours) {
  const Style style{.colour = true};
  EXPECT_EQ(DisplayWidth("\xc3\xa4"), 1);
  EXPECT_EQ(DisplayWidth(Paint(style, Colour::kRed, "abc")), 3);
  EXPECT_EQ(DisplayWidth("\x1b["), 0);
  EXPECT_EQ(Paint(Style{}, Colour::kRed, "abc"), "abc");
  EXPECT_EQ(Paint(style, Colour::kRed, "abc"), "\x1b[31mabc\x1b[0m");
}

TEST(TextTest, DrawsBars) {
  EXPECT_EQ(Bar(Style{}, 0.5, 4), "##..");
  EXPECT_EQ(Bar(Style{}, 0.001, 4), "#...");
  EXPECT_EQ(Bar(Style{}, 0, 4), "....");
  EXPECT_EQ(Bar(Style{}, 7, 4), "####");
  EXPECT_EQ(DisplayWidth(Bar(Style{.utf8 = true}, 0.5, 10)), 10);
}

TEST(TextTest, NamesVerdictsReasonsAndPlaces) {
  EXPECT_EQ(VerdictText(v1::VERDICT_UNHEALTHY), "unhealthy");
  EXPECT_EQ(VerdictText(static_cast<v1::Verdict>(77)), "verdict 77");
  EXPECT_EQ(ReasonText(v1::REASON_CHECKS_FAILED), "checks_failed");
  v1::Locality locality;
  EXPECT_EQ(LocalityText(locality), "-");
  locality.set_region("eu");
  locality.set_zone("a");
  EXPECT_EQ(LocalityText(locality), "eu/a");
}

}  // namespace
}  // namespace pointsman::cli
