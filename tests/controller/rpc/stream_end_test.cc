#include "controller/rpc/stream_end.h"

#include <gtest/gtest.h>

#include "common/core/error_reason.h"

namespace pointsman::controller {
namespace {

TEST(StreamEndTest, TakesTheCodeOfTheTextAsReason) {
  const absl::Status end = WithStreamReason(absl::InvalidArgumentError("ACK_INVALID: slices: x"));
  EXPECT_EQ(common::ReasonOf(end), "ACK_INVALID");
  EXPECT_EQ(end.message(), "ACK_INVALID: slices: x");
}

TEST(StreamEndTest, KeepsAReasonThatIsThere) {
  const absl::Status denied =
      common::WithReason(absl::PermissionDeniedError("A_CODE: no"), "ROLE_DENIED");
  EXPECT_EQ(common::ReasonOf(WithStreamReason(denied)), "ROLE_DENIED");
}

TEST(StreamEndTest, NamesTheStatusOfATextWithoutCode) {
  EXPECT_EQ(common::ReasonOf(WithStreamReason(absl::InternalError("no: code"))), "INTERNAL");
}

TEST(StreamEndTest, CountsAnErrorUnderItsReasonAndNothingOfAGoodEnd) {
  RefusalCounts refusals;
  const StreamPeer who{"agent.stream_ended", "agent", "host-1\n\xff", "ipv4:127.0.0.1:1"};
  EXPECT_TRUE(TellStreamEnd(who, absl::OkStatus(), refusals).ok());
  EXPECT_TRUE(refusals.counts().empty());
  const absl::Status end =
      TellStreamEnd(who, absl::FailedPreconditionError("HELLO_FIRST: no"), refusals);
  EXPECT_EQ(common::ReasonOf(end), "HELLO_FIRST");
  EXPECT_EQ(refusals.counts().at("HELLO_FIRST"), 1u);
}

}  // namespace
}  // namespace pointsman::controller
