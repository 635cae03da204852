#include "sim/world/streams.h"

#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace pointsman::sim {
namespace {

class StreamsTest : public ::testing::Test {
 protected:
  void Run(absl::Duration time) { queue.RunUntil(queue.now() + time); }

  EventQueue queue;
  std::mt19937_64 random{1};
  bool controller_up = true;
  std::vector<size_t> ups, downs;
  Streams streams{queue,
                  {},
                  random,
                  {[this] { return controller_up; }, [this](size_t peer) { ups.push_back(peer); },
                   [this](size_t peer) { downs.push_back(peer); }}};
};

TEST_F(StreamsTest, ConnectsAfterTheWait) {
  streams.Add(absl::Seconds(2));
  streams.Add(absl::Seconds(1));
  Run(absl::Milliseconds(1500));
  EXPECT_EQ(ups, (std::vector<size_t>{1}));
  Run(absl::Seconds(1));
  EXPECT_EQ(ups, (std::vector<size_t>{1, 0}));
  EXPECT_EQ(streams.up(), 2u);
}

TEST_F(StreamsTest, ComesBackOnlyWhenTheControllerIsThere) {
  for (int i = 0; i < 5; ++i) streams.Add(absl::ZeroDuration());
  Run(absl::Seconds(1));
  controller_up = false;
  streams.BreakAll();
  EXPECT_EQ(downs.size(), 5u);
  Run(absl::Minutes(1));
  EXPECT_EQ(streams.up(), 0u);
  controller_up = true;
  // The longest back-off.
  Run(absl::Seconds(5));
  EXPECT_EQ(streams.up(), 5u);
  EXPECT_EQ(ups.size(), 10u);
}

TEST_F(StreamsTest, CarriesMessagesOnlyWhileTheStreamStands) {
  streams.Add(absl::Seconds(1));
  int to_controller = 0;
  int to_peer = 0;
  const auto send = [&] {
    streams.ToController(0, [&] { ++to_controller; });
    streams.ToPeer(0, [&] { ++to_peer; });
  };
  send();
  Run(absl::Seconds(2));
  EXPECT_EQ(to_controller + to_peer, 0);
  send();
  Run(absl::Seconds(1));
  EXPECT_EQ(to_controller, 1);
  EXPECT_EQ(to_peer, 1);
  send();
  streams.BreakAll();
  Run(absl::Seconds(1));
  EXPECT_EQ(to_controller, 1);
  EXPECT_EQ(to_peer, 1);
}

TEST_F(StreamsTest, ACutHostNeitherSpeaksNorConnects) {
  streams.Add(absl::ZeroDuration());
  Run(absl::Seconds(1));
  streams.SetCut(0, true);
  int arrived = 0;
  streams.ToController(0, [&] { ++arrived; });
  Run(absl::Seconds(10));
  EXPECT_EQ(arrived, 0);
  streams.BreakAll();
  Run(absl::Seconds(10));
  EXPECT_EQ(streams.up(), 0u);
  streams.SetCut(0, false);
  Run(absl::Seconds(5));
  EXPECT_EQ(streams.up(), 1u);
}

}  // namespace
}  // namespace pointsman::sim
