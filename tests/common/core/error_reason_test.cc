#include "common/core/error_reason.h"

#include <gtest/gtest.h>

namespace pointsman::common {
namespace {

TEST(ErrorReasonTest, CarriesReasonAndMetadataBesideTheMessage) {
  const absl::Status status = WithReason(absl::AbortedError("services/web changed"),
                                         "ETAG_MISMATCH", {{"resource", "services/web"}});
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(status.message(), "services/web changed");
  EXPECT_EQ(ReasonOf(status), "ETAG_MISMATCH");
  EXPECT_EQ(ReasonMetadata(status).at("resource"), "services/web");
}

TEST(ErrorReasonTest, TheLastReasonReplacesAnEarlierOne) {
  const absl::Status first = WithReason(absl::NotFoundError("x"), "ONE", {{"a", "b"}});
  const absl::Status second = WithReason(first, "TWO");
  EXPECT_EQ(ReasonOf(second), "TWO");
  EXPECT_TRUE(ReasonMetadata(second).empty());
}

TEST(ErrorReasonTest, LeavesSuccessAndPlainErrorsAlone) {
  EXPECT_TRUE(WithReason(absl::OkStatus(), "X").ok());
  EXPECT_EQ(ReasonOf(absl::NotFoundError("x")), "");
  EXPECT_TRUE(ReasonMetadata(absl::NotFoundError("x")).empty());
}

TEST(ErrorReasonTest, ReadsNothingFromABrokenPayload) {
  absl::Status status = absl::NotFoundError("x");
  status.SetPayload(kErrorInfoType, absl::Cord("\xff\xff\xff"));
  EXPECT_EQ(ReasonOf(status), "");
}

}  // namespace
}  // namespace pointsman::common
