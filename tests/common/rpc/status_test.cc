#include "common/rpc/status.h"

#include <grpcpp/support/status.h>

#include "common/core/error_reason.h"
#include "common/core/utf8.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pointsman::common {
namespace {

using ::testing::EndsWith;

TEST(StatusTest, ReasonAndMetadataSurviveTheWay) {
  const absl::Status sent =
      WithReason(absl::AbortedError("50% read\nagain"), "ETAG_MISMATCH", {{"etag", "a"}});
  const absl::Status got = FromGrpcStatus(ToGrpcStatus(sent));
  EXPECT_EQ(got.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(got.message(), "50% read\nagain");
  EXPECT_EQ(ReasonOf(got), "ETAG_MISMATCH");
  EXPECT_EQ(ReasonMetadata(got).at("etag"), "a");
  EXPECT_EQ(ReasonOf(FromGrpcStatus(ToGrpcStatus(absl::NotFoundError("x")))), "NOT_FOUND");
  EXPECT_TRUE(FromGrpcStatus(ToGrpcStatus(absl::OkStatus())).ok());
}

// Clients take 8 KiB of trailers: the text escaped, the details and what gRPC adds.
TEST(StatusTest, EverythingFitsIntoAClientsTrailers) {
  std::map<std::string, std::string> metadata;
  for (int i = 0; i < 50; ++i) metadata["key" + std::to_string(i)] = std::string(9'000, 'x');
  for (const std::string piece : {"x", "%", "\n", "\u20ac", "\xff"}) {
    std::string text;
    while (text.size() < (1 << 20)) text += piece;
    const grpc::Status sent =
        ToGrpcStatus(WithReason(absl::InvalidArgumentError(text), "CONFIG_INVALID", metadata));
    const size_t escaped = (piece == "x" ? 1 : 3) * sent.error_message().size();
    EXPECT_LT(escaped + sent.error_details().size() * 4 / 3, 7'600u) << piece;
    EXPECT_THAT(sent.error_message(), EndsWith(" ..."));
    EXPECT_TRUE(IsUtf8(sent.error_message()));
    EXPECT_EQ(ReasonOf(FromGrpcStatus(sent)), "CONFIG_INVALID") << piece;
    EXPECT_LE(ReasonMetadata(FromGrpcStatus(sent)).size(), 6u);
  }
}

TEST(StatusTest, ReplacesBytesThatAreNotUtf8) {
  const grpc::Status sent = ToGrpcStatus(
      WithReason(absl::NotFoundError("a\xe2\x82 b"), "RESOURCE_NOT_FOUND", {{"resource", "a"}}));
  EXPECT_EQ(sent.error_message(), "a?? b");
  EXPECT_EQ(ReasonOf(FromGrpcStatus(sent)), "RESOURCE_NOT_FOUND");
}

}  // namespace
}  // namespace pointsman::common
