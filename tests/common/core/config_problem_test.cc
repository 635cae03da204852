#include "common/core/config_problem.h"

#include <gtest/gtest.h>

#include "common/core/error_reason.h"

namespace pointsman::common {
namespace {

ConfigProblem At(int line, const std::string& path) {
  return {.code = "CONFIG_VALUE", .path = path, .message = "wrong", .line = line};
}

TEST(ConfigProblemTest, TellsThePlaceAsFarAsItIsKnown) {
  EXPECT_EQ(FormatProblem(At(3, "a.b"), "f.yaml"), "f.yaml:3: a.b: wrong [CONFIG_VALUE]");
  EXPECT_EQ(FormatProblem(At(0, "a.b"), "f.yaml"), "f.yaml: a.b: wrong [CONFIG_VALUE]");
  EXPECT_EQ(FormatProblem(At(3, ""), ""), "line 3: wrong [CONFIG_VALUE]");
  EXPECT_EQ(FormatProblem(At(0, "a"), ""), "a: wrong [CONFIG_VALUE]");
  EXPECT_EQ(FormatProblem(At(0, ""), ""), "wrong [CONFIG_VALUE]");
}

TEST(ConfigProblemTest, StatusHasALineEachAndTheFirstCode) {
  EXPECT_TRUE(ProblemsToStatus({}, "f").ok());
  ConfigProblem second = At(2, "b");
  second.code = "CONFIG_RANGE";
  const absl::Status status = ProblemsToStatus({At(1, "a"), second}, "f");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "f:1: a: wrong [CONFIG_VALUE]\nf:2: b: wrong [CONFIG_RANGE]");
  EXPECT_EQ(ReasonOf(status), "CONFIG_VALUE");
}

TEST(ConfigProblemTest, ListKeepsSoManyAndCountsTheRest) {
  ProblemList exact;
  for (int i = 0; i < kConfigProblemsMax; ++i) exact.Add(At(i, ""));
  EXPECT_TRUE(exact.full());
  EXPECT_EQ(std::move(exact).Take().size(), static_cast<size_t>(kConfigProblemsMax));
  ProblemList more;
  EXPECT_TRUE(more.empty());
  for (int i = 0; i < kConfigProblemsMax + 3; ++i) more.Add(At(i, ""));
  const ConfigProblems problems = std::move(more).Take();
  ASSERT_EQ(problems.size(), static_cast<size_t>(kConfigProblemsMax) + 1);
  EXPECT_EQ(problems.back().message, "and 3 more problems");
}

}  // namespace
}  // namespace pointsman::common
