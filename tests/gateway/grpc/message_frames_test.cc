#include "gateway/grpc/message_frames.h"

#include <string>

#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

TEST(MessageFramesTest, BordersHoweverTheBytesAreCut) {
  const std::string bytes("\0\0\0\0\3abc\1\0\0\0\0\0\0\0\1\2", 5 + 3 + 5 + 5);
  std::string long_message("\0\0\1\0\2", 5);
  long_message.append(65'538, 'x');
  const std::string all = bytes + std::string(258, 'y') + long_message;
  // Borders: 0, 8, 13, then 5 + 258 bytes later, then at the end.
  for (size_t step : {size_t{1}, size_t{2}, size_t{3}, size_t{7}, all.size()}) {
    MessageFrames frames;
    EXPECT_TRUE(frames.at_border());
    for (size_t at = 0; at < all.size(); at += step) {
      frames.Feed(absl::string_view(all).substr(at, step));
      const size_t seen = std::min(at + step, all.size());
      const bool border = seen == 8 || seen == 13 || seen == 276 || seen == all.size();
      EXPECT_EQ(frames.at_border(), border) << "step " << step << " at " << seen;
    }
  }
}

}  // namespace
}  // namespace pointsman::gateway
