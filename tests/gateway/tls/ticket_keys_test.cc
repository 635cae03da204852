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

TEST(TicketKeysTest, GoesAsBytesAndBack) {
  const auto ring = RotateTickets(RotateTickets(nullptr).get());
  const std::string bytes = EncodeTickets(*ring);
  const auto again = DecodeTickets(bytes);
  ASSERT_TRUE(again.ok());
  ASSERT_EQ(again->size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ((*again)[i].name, (*ring)[i].name);
    EXPECT_EQ((*again)[i].cipher, (*ring)[i].cipher);
    EXPECT_EQ((*again)[i].mac, (*ring)[i].mac);
  }
  for (const std::string& bad : {std::string(), bytes.substr(1), bytes + "x", bytes + bytes}) {
    EXPECT_FALSE(DecodeTickets(bad).ok()) << bad.size();
  }
}

}  // namespace
}  // namespace pointsman::gateway
