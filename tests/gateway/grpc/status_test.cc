#include "gateway/grpc/status.h"

#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

TEST(GrpcStatusTest, FollowsTheMapping) {
  EXPECT_EQ(GrpcStatusOf(400), GrpcStatus::kInternal);
  EXPECT_EQ(GrpcStatusOf(401), GrpcStatus::kUnauthenticated);
  EXPECT_EQ(GrpcStatusOf(403), GrpcStatus::kPermissionDenied);
  EXPECT_EQ(GrpcStatusOf(404), GrpcStatus::kUnimplemented);
  for (const int status : {429, 502, 503, 504}) {
    EXPECT_EQ(GrpcStatusOf(status), GrpcStatus::kUnavailable) << status;
  }
  EXPECT_EQ(GrpcStatusOf(500), GrpcStatus::kUnknown);
  EXPECT_EQ(GrpcStatusOf(Reason::kRequestTimeout), GrpcStatus::kDeadlineExceeded);
  EXPECT_EQ(GrpcStatusOf(Reason::kNoEndpoint), GrpcStatus::kUnavailable);
  EXPECT_EQ(GrpcStatusOf(Reason::kUpstreamTimeout), GrpcStatus::kUnavailable);
  EXPECT_EQ(GrpcStatusOf(Reason::kNoRoute), GrpcStatus::kUnimplemented);
  EXPECT_EQ(GrpcStatusOf(Reason::kBodyTooLarge), GrpcStatus::kResourceExhausted);
}

TEST(GrpcStatusTest, KnowsItsContentTypes) {
  for (const char* type : {"application/grpc", "Application/gRPC+proto", "application/grpc;a=b"}) {
    EXPECT_TRUE(IsGrpcContentType(type)) << type;
  }
  for (const char* type : {"", "application/grpc-web", "application/grpcx", "application/json"}) {
    EXPECT_FALSE(IsGrpcContentType(type)) << type;
  }
}

}  // namespace
}  // namespace pointsman::gateway
