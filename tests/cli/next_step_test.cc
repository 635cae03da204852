#include "cli/next_step.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/core/error_reason.h"

namespace pointsman::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(NextStepTest, WhatTheOriginSaysComesFirst) {
  const absl::Status status =
      common::WithReason(absl::NotFoundError("no revision 9"), "REVISION_NOT_FOUND");
  EXPECT_THAT(NextStepOf(status), HasSubstr("pointsman history"));
  EXPECT_EQ(NextStepOf(WithNext(status, "do this")), "do this");
  EXPECT_EQ(NextStepOf(WithNext(WithNext(status, "do this"), "do that")), "do that");
  EXPECT_EQ(common::ReasonOf(WithNext(status, "do this")), "REVISION_NOT_FOUND");
  EXPECT_TRUE(WithNext(absl::OkStatus(), "nothing").ok());
}

TEST(NextStepTest, ReasonsOfTheServerHaveTheirOwn) {
  EXPECT_THAT(NextStepOf(common::WithReason(absl::UnavailableError(""), "STORE_UNAVAILABLE")),
              HasSubstr("--data-dir"));
  EXPECT_THAT(NextStepOf(common::WithReason(absl::InvalidArgumentError(""), "CONFIG_RANGE")),
              HasSubstr("pointsman validate"));
  EXPECT_THAT(NextStepOf(common::WithReason(absl::NotFoundError(""), "OF_TOMORROW")),
              HasSubstr("pointsman get services"));
}

TEST(NextStepTest, NoCodeIsWithoutOne) {
  for (int code = 1; code <= static_cast<int>(absl::StatusCode::kUnauthenticated); ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "");
    EXPECT_THAT(NextStepOf(status), Not(HasSubstr("\n"))) << code;
    EXPECT_FALSE(NextStepOf(status).empty()) << code;
  }
}

}  // namespace
}  // namespace pointsman::cli
