#include "gateway/tls/ticket_keys.h"

#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

TEST(TicketKeysTest, TheNewestIsFirstAndTheOldestLeaves) {
  auto ring = RotateTickets(nullptr);
  ASSERT_NE(ring, nullptr);
  EXPECT_EQ(ring->size(), 1u);
  const TicketKey first = ring->front();
  for (size_t i = 1; i < kTicketKeysKept; ++i) {
    ring = RotateTickets(ring.get());
    EXPECT_EQ(ring->size(), i + 1);
    EXPECT_EQ(ring->back().name, first.name);
    EXPECT_NE(ring->front().name, first.name);
    EXPECT_NE(ring->front().cipher, first.cipher);
    EXPECT_NE(ring->front().mac, first.mac);
  }
  ring = RotateTickets(ring.get());
  EXPECT_EQ(ring->size(), kTicketKeysKept);
  EXPECT_NE(ring->back().name, first.name);
}

}  // namespace
}  // namespace pointsman::gateway
