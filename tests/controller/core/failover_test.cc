#include "controller/core/failover.h"

#include "gtest/gtest.h"

namespace pointsman::controller {
namespace {

TEST(PriorityTest, SpillsWhatTheFirstCannotCarry) {
  std::vector<PriorityRow> rows;
  for (int i = 0; i < 10; ++i) rows.push_back({0, 1, true, i < 5});
  for (int i = 0; i < 10; ++i) rows.push_back({1, 1, true, true});
  const auto shares = PriorityShares(1.4, rows);
  ASSERT_EQ(shares.size(), 2u);
  EXPECT_EQ(shares[0] + shares[1], kShareParts);
  EXPECT_NEAR(shares[0], 0.7 * kShareParts, 2);
  for (PriorityRow& row : rows) row.available = false;
  EXPECT_EQ(PriorityShares(1.4, rows), (std::vector<uint32_t>{0, 0}));
  EXPECT_TRUE(PriorityShares(1.4, {{0, 1, true, true}}).empty());
}

}  // namespace
}  // namespace pointsman::controller
