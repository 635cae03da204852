#include "gateway/core/address_memory.h"

#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

class AddressMemoryTest : public ::testing::Test {
 protected:
  const CellRef cell_{7, 1};
  common::MonotonicTime now_ = common::MonotonicTime::FromMicros(1'000'000);
  AddressMemory memory_;
};

TEST_F(AddressMemoryTest, TheOtherAddressIsFirstOnceItWorked) {
  EXPECT_FALSE(memory_.OtherFirst(cell_, now_));
  memory_.Learn(cell_, /*other=*/true, now_);
  EXPECT_TRUE(memory_.OtherFirst(cell_, now_));
  EXPECT_FALSE(memory_.OtherFirst({8, 1}, now_));
  memory_.Learn(cell_, /*other=*/false, now_);
  EXPECT_FALSE(memory_.OtherFirst(cell_, now_));
  EXPECT_EQ(memory_.size(), 0u);
}

TEST_F(AddressMemoryTest, TheFirstGetsAnotherChanceAlsoUnderTraffic) {
  memory_.Learn(cell_, true, now_);
  memory_.Learn(cell_, true, now_ + AddressMemory::kKept / 2);
  const common::MonotonicTime end = now_ + AddressMemory::kKept;
  EXPECT_TRUE(memory_.OtherFirst(cell_, end - absl::Milliseconds(1)));
  EXPECT_FALSE(memory_.OtherFirst(cell_, end));
  memory_.Learn(cell_, true, end);
  EXPECT_TRUE(memory_.OtherFirst(cell_, end)) << "it was no better";
}

TEST_F(AddressMemoryTest, AnotherEndpointOfTheSlotKnowsNothing) {
  memory_.Learn(cell_, true, now_);
  const CellRef next{cell_.index, 2};
  EXPECT_FALSE(memory_.OtherFirst(next, now_));
  memory_.Learn(next, true, now_);
  EXPECT_TRUE(memory_.OtherFirst(next, now_));
  EXPECT_FALSE(memory_.OtherFirst(cell_, now_));
  EXPECT_EQ(memory_.size(), 1u);
}

TEST_F(AddressMemoryTest, IsBounded) {
  for (uint32_t i = 0; i < AddressMemory::kEndpointsMax + 100; ++i) {
    memory_.Learn({i, 1}, true, now_);
    EXPECT_TRUE(memory_.OtherFirst({i, 1}, now_));
  }
  EXPECT_EQ(memory_.size(), AddressMemory::kEndpointsMax);
}

}  // namespace
}  // namespace pointsman::gateway
