#include "gateway/net/source_table.h"

#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

common::IpAddress Ip(absl::string_view text) { return *common::ParseIpAddress(text); }

TEST(SourceTableTest, GivesEachSourceSoManyPlaces) {
  SourceTable table(2);
  auto first = table.Enter(Ip("10.0.0.1"));
  auto second = table.Enter(Ip("10.0.0.1"));
  EXPECT_TRUE(first.has_value() && second.has_value());
  EXPECT_FALSE(table.Enter(Ip("10.0.0.1")).has_value());
  EXPECT_TRUE(table.Enter(Ip("10.0.0.2")).has_value());
  first.reset();
  EXPECT_TRUE(table.Enter(Ip("10.0.0.1")).has_value());
}

TEST(SourceTableTest, ForgetsSourcesWithoutConnections) {
  SourceTable table(8);
  {
    std::vector<SourceTable::Slot> held;
    for (const char* ip : {"10.0.0.1", "10.0.0.1", "10.0.0.2", "2001:db8::1"}) {
      held.push_back(*table.Enter(Ip(ip)));
    }
    EXPECT_EQ(table.sources(), 3u);
  }
  EXPECT_EQ(table.sources(), 0u);
}

TEST(SourceTableTest, TakesAnIpv6NetworkForOneSource) {
  SourceTable table(1);
  const auto held = table.Enter(Ip("2001:db8:0:1::1"));
  EXPECT_FALSE(table.Enter(Ip("2001:db8:0:1:ffff::2")).has_value());
  EXPECT_TRUE(table.Enter(Ip("2001:db8:0:2::1")).has_value());
}

TEST(SourceTableTest, AnIpv4AddressIsOneHoweverTheSocketShowsIt) {
  SourceTable table(1);
  const auto held = table.Enter(Ip("::ffff:10.0.0.7"));
  EXPECT_FALSE(table.Enter(Ip("10.0.0.7")).has_value());
}

TEST(SourceTableTest, AMovedSlotIsGivenBackOnce) {
  SourceTable table(1);
  SourceTable::Slot held;
  {
    SourceTable::Slot entered = *table.Enter(Ip("10.0.0.1"));
    held = std::move(entered);
  }
  EXPECT_FALSE(table.Enter(Ip("10.0.0.1")).has_value());
  held = SourceTable::Slot();
  EXPECT_TRUE(table.Enter(Ip("10.0.0.1")).has_value());
  EXPECT_EQ(table.sources(), 0u);
}

TEST(SourceTableTest, WorkersShareIt) {
  SourceTable table(1'000);
  std::vector<std::thread> workers;
  workers.reserve(8);
  for (int worker = 0; worker < 4; ++worker) {
    workers.emplace_back([&table] {
      for (int i = 0; i < 2'000; ++i) {
        const auto one = table.Enter(Ip("10.0.0.1"));
        const auto other = table.Enter(common::IpFromIpv4({10, 0, 1, static_cast<uint8_t>(i)}));
        ASSERT_TRUE(one.has_value() && other.has_value());
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(table.sources(), 0u);
}

}  // namespace
}  // namespace pointsman::gateway
