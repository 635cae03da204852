#include "common/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace pointsman::common {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class HandClock : public Clock {
 public:
  MonotonicTime Now() const override { return now; }
  absl::Time WallNow() const override { return wall; }
  MonotonicTime now = MonotonicTime::FromMicros(1);
  absl::Time wall = absl::FromUnixMillis(1'700'000'000'123);
};

class LogTest : public ::testing::Test {
 protected:
  HandClock clock_;
  std::vector<std::string> lines_;
};

TEST_F(LogTest, WritesTextWithQuotingWhereNeeded) {
  Logger logger(LogOptions{}, clock_,
                [this](absl::string_view line) { lines_.push_back(std::string(line)); });
  logger.Log(LogLevel::kInfo, "agent.connected",
             {{"agent", "host-7"},
              {"why", "two words\n\"quoted\""},
              {"empty", ""},
              {"count", 3},
              {"size", size_t{7}},
              {"ok", true},
              {"share", 0.5},
              {"age", absl::Milliseconds(1500)}});
  EXPECT_THAT(lines_, ElementsAre("2023-11-14T22:13:20.123Z INFO agent.connected agent=host-7 "
                                  "why=\"two words\\n\\\"quoted\\\"\" empty=\"\" count=3 size=7 "
                                  "ok=true share=0.5 age=1.5s\n"));
}

TEST_F(LogTest, WritesOneValidJsonObjectWhateverTheFieldsHold) {
  Logger logger({.format = LogFormat::kJson}, clock_,
                [this](absl::string_view line) { lines_.push_back(std::string(line)); });
  const std::string hostile("\xff\xc3\x28\x00\x1f\"\\\n\xed\xa0\x80 \xc3\xa4", 14);
  logger.Log(LogLevel::kError, "x",
             {{"bytes", hostile},
              {"nan", std::numeric_limits<double>::quiet_NaN()},
              {"age", absl::Milliseconds(250)},
              {"big", std::numeric_limits<uint64_t>::max()}});
  ASSERT_THAT(lines_, SizeIs(1));
  EXPECT_EQ(std::count(lines_[0].begin(), lines_[0].end(), '\n'), 1);
  const auto object = nlohmann::json::parse(lines_[0]);
  EXPECT_EQ(object["level"], "error");
  EXPECT_EQ(object["event"], "x");
  EXPECT_TRUE(object["nan"].is_null());
  EXPECT_EQ(object["age"], 0.25);
  EXPECT_EQ(object["big"], std::numeric_limits<uint64_t>::max());
  EXPECT_THAT(object["bytes"].get<std::string>(), EndsWith("\xc3\xa4"));
}

TEST_F(LogTest, LeavesOutLowerLevels) {
  Logger logger({.level = LogLevel::kWarning}, clock_,
                [this](absl::string_view line) { lines_.push_back(std::string(line)); });
  logger.Log(LogLevel::kInfo, "quiet", {});
  EXPECT_FALSE(logger.Enabled(LogLevel::kInfo));
  EXPECT_THAT(lines_, SizeIs(0));
  logger.Configure({.level = LogLevel::kDebug});
  logger.Log(LogLevel::kDebug, "loud", {});
  EXPECT_THAT(lines_, SizeIs(1));
  logger.Configure({.level = LogLevel::kOff});
  logger.Log(LogLevel::kError, "none", {});
  EXPECT_THAT(lines_, SizeIs(1));
}

TEST_F(LogTest, DropsAFloodOfOneEventAndSaysHowMuch) {
  Logger logger({.lines_per_second_max = 3}, clock_,
                [this](absl::string_view line) { lines_.push_back(std::string(line)); });
  for (int i = 0; i < 10; ++i) logger.Log(LogLevel::kInfo, "flood", {});
  logger.Log(LogLevel::kInfo, "other", {});
  EXPECT_THAT(lines_, SizeIs(4));
  clock_.now = clock_.now + absl::Seconds(1);
  logger.Log(LogLevel::kInfo, "flood", {});
  logger.Log(LogLevel::kInfo, "flood", {});
  ASSERT_THAT(lines_, SizeIs(6));
  EXPECT_THAT(lines_[4], HasSubstr(" dropped=7\n"));
  EXPECT_THAT(lines_[5], Not(HasSubstr("dropped")));
}

TEST_F(LogTest, BoundsTheMemoryOfManyEventNames) {
  Logger logger({.lines_per_second_max = 1}, clock_,
                [this](absl::string_view line) { lines_.push_back(std::string(line)); });
  for (int i = 0; i < 5000; ++i) logger.Log(LogLevel::kInfo, absl::StrCat("event.", i), {});
  // The names beyond the bound share one budget of one line.
  EXPECT_THAT(lines_, SizeIs(Logger::kEventNamesMax + 1));
}

TEST_F(LogTest, KeepsLinesWholeAcrossThreads) {
  Logger logger({.lines_per_second_max = 100'000}, clock_,
                [this](absl::string_view line) { lines_.push_back(std::string(line)); });
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&logger, t] {
      for (int i = 0; i < 500; ++i) logger.Log(LogLevel::kInfo, "tick", {{"thread", t}});
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(lines_, SizeIs(2000));
}

TEST(LogOptionsTest, ReadsWords) {
  LogLevel level;
  EXPECT_TRUE(ParseLogLevel("WARN", &level).ok());
  EXPECT_EQ(level, LogLevel::kWarning);
  EXPECT_EQ(ParseLogLevel("loud", &level).code(), absl::StatusCode::kInvalidArgument);
  LogFormat format;
  EXPECT_TRUE(ParseLogFormat("json", &format).ok());
  EXPECT_EQ(format, LogFormat::kJson);
  EXPECT_FALSE(ParseLogFormat("xml", &format).ok());
}

}  // namespace
}  // namespace pointsman::common
