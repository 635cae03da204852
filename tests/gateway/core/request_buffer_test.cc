#include "gateway/core/request_buffer.h"

#include <optional>

#include "gateway/core/router.h"
#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

TEST(RequestBufferTest, ARequestGoesOnWhenItsBodyIsKnown) {
  const auto header = [](absl::string_view) { return std::optional<absl::string_view>(); };
  RouteRequest request{.host = "h", .path = "/", .method = "POST", .header = header};
  const RequestBuffer buffer;
  const common::MonotonicTime later = common::MonotonicTime::Infinite();
  request.body_known = false;
  EXPECT_EQ(buffer.OnRequest(request, {}, later).kind, FilterVerdict::Kind::kAwaitBody);
  request.body_known = true;
  EXPECT_EQ(buffer.OnRequest(request, {}, later).kind, FilterVerdict::Kind::kContinue);
}

}  // namespace
}  // namespace pointsman::gateway
