#include "common/core/config_rules.h"

#include <gtest/gtest.h>

#include <limits>

#include "absl/strings/str_cat.h"

namespace pointsman::common {
namespace {

class ConfigRulesTest : public ::testing::Test {
 protected:
  // What was noted since the last call: "path code", or "none".
  std::string Noted() {
    const ConfigProblems problems = std::move(problems_).Take();
    problems_ = ProblemList();
    if (problems.empty()) return "none";
    return absl::StrCat(problems[0].path, " ", problems[0].code);
  }

  ProblemList problems_;
  Rules rules_{&problems_};
  const RulePath root_{};
  const RulePath path_ = root_.Field("f");
};

TEST_F(ConfigRulesTest, PathsAreWrittenOnlyAsFarAsTheyGo) {
  const RulePath service = root_.Entry("services", 3);
  const RulePath http = service.Field("http");
  EXPECT_EQ(root_.Text(), "");
  EXPECT_EQ(http.Field("path").Text(), "services[3].http.path");
}

TEST_F(ConfigRulesTest, RangesIncludeTheirEnds) {
  for (const double good : {0.5, 1.0, 2.0}) {
    rules_.NumberIn(path_, good, {0.5, 2});
    EXPECT_EQ(Noted(), "none");
  }
  for (const double bad : {0.49, 2.01, std::numeric_limits<double>::quiet_NaN(),
                           std::numeric_limits<double>::infinity()}) {
    rules_.NumberIn(path_, bad, {0.5, 2});
    EXPECT_EQ(Noted(), "f CONFIG_RANGE") << bad;
  }
  rules_.CountIn(path_, 100, {1, 100});
  EXPECT_EQ(Noted(), "none");
  rules_.CountIn(path_, 101, {1, 100});
  EXPECT_EQ(Noted(), "f CONFIG_RANGE");
}

TEST_F(ConfigRulesTest, MessagesSayAllThatPasses) {
  const auto said = [this] {
    const ConfigProblems problems = std::move(problems_).Take();
    problems_ = ProblemList();
    return problems.empty() ? "nothing" : problems[0].message;
  };
  rules_.NumberIn(path_, 1'000'001, {0.001, 1e6});
  EXPECT_EQ(said(), "1000001 is out of range: 0.001 to 1000000");
  google::protobuf::Duration value;
  value.set_seconds(31);
  rules_.DurationInOrZero(path_, true, value, {absl::Milliseconds(1), absl::Seconds(30)});
  EXPECT_EQ(said(), "31s is out of range: 0, or 1ms to 30s");
  rules_.DurationIn(path_, true, value, {absl::Milliseconds(1), absl::Seconds(30)});
  EXPECT_EQ(said(), "31s is out of range: 1ms to 30s");
  value.clear_seconds();
  rules_.DurationInOrZero(path_, true, value, {absl::Milliseconds(1), absl::Seconds(30)});
  EXPECT_EQ(said(), "nothing");
}

TEST_F(ConfigRulesTest, DurationsFromTheWireMayBeAnything) {
  const Range<absl::Duration> range = {absl::Seconds(1), absl::Seconds(2)};
  google::protobuf::Duration value;
  value.set_seconds(2);
  rules_.DurationIn(path_, true, value, range);
  EXPECT_EQ(Noted(), "none");
  value.set_nanos(1);
  rules_.DurationIn(path_, true, value, range);
  EXPECT_EQ(Noted(), "f CONFIG_RANGE");
  rules_.DurationIn(path_, false, value, range);
  EXPECT_EQ(Noted(), "none");
  value.set_seconds(0);
  value.set_nanos(1'500'000'000);  // In range only by breaking the message's own rule.
  rules_.DurationIn(path_, true, value, range);
  EXPECT_EQ(Noted(), "f CONFIG_RANGE");
}

TEST_F(ConfigRulesTest, ZeroMayStandForNoLimit) {
  const Range<absl::Duration> range = {absl::Seconds(1), absl::Seconds(2)};
  google::protobuf::Duration value;
  rules_.DurationInOrZero(path_, true, value, range);
  EXPECT_EQ(Noted(), "none");
  value.set_nanos(1);
  rules_.DurationInOrZero(path_, true, value, range);
  EXPECT_EQ(Noted(), "f CONFIG_RANGE");
}

TEST_F(ConfigRulesTest, TokensHeadersAndPatterns) {
  rules_.IsToken(path_, "X-Trace_1", 16);
  rules_.IsHeaderValue(path_, "a\tb \xc3\xa4");
  rules_.CompilesAsPattern(path_, "^(a|b)+$");
  EXPECT_EQ(Noted(), "none");
  rules_.IsToken(path_, "a:b", 16);
  EXPECT_EQ(Noted(), "f CONFIG_VALUE");
  rules_.IsToken(path_, "", 16);
  EXPECT_EQ(Noted(), "f CONFIG_REQUIRED");
  rules_.IsToken(path_, "abc", 2);
  EXPECT_EQ(Noted(), "f CONFIG_VALUE");
  rules_.IsHeaderValue(path_, "a\r\nb");
  EXPECT_EQ(Noted(), "f CONFIG_VALUE");
  rules_.CompilesAsPattern(path_, "(a");
  EXPECT_EQ(Noted(), "f CONFIG_PATTERN");
  rules_.CompilesAsPattern(path_, "((a{100}){100}){100}");
  EXPECT_EQ(Noted(), "f CONFIG_PATTERN");
}

TEST_F(ConfigRulesTest, EndpointsNeedAPort) {
  rules_.IsEndpointAddress(path_, "unix:/run/a");
  rules_.IsEndpointAddress(path_, "a:1");
  EXPECT_EQ(Noted(), "none");
  rules_.IsEndpointAddress(path_, "a:0");
  EXPECT_EQ(Noted(), "f CONFIG_ADDRESS");
  rules_.IsEndpointAddress(path_, "");
  EXPECT_EQ(Noted(), "f CONFIG_REQUIRED");
}

}  // namespace
}  // namespace pointsman::common
