#include "sim/world/noise.h"

#include <memory>
#include <vector>

#include "gtest/gtest.h"

namespace pointsman::sim {
namespace {

using common::MonotonicTime;

class NoiseTest : public ::testing::Test {
 protected:
  NoiseTest() {
    queue.RunUntil(MonotonicTime::FromMicros(1'000'000));
    for (int i = 0; i < 4; ++i) {
      servers.push_back(std::make_unique<Server>(queue, ServerOptions{.speed = 2}));
    }
  }
  std::unique_ptr<Noise> Make(const NoiseSpec& spec) {
    return std::make_unique<Noise>(
        queue, spec, servers.size(), [this](size_t i) -> Server& { return *servers[i]; }, 7);
  }
  // Looks at the first server's speed and the copies each 10 ms for so long.
  void Watch(const Noise& noise, absl::Duration time) {
    for (absl::Duration at; at < time; at += absl::Milliseconds(10)) {
      queue.RunUntil(queue.now() + absl::Milliseconds(10));
      ++looks;
      if (servers[0]->speed() == 0) ++paused;
      speeds += servers[0]->speed();
      least = std::min(least, servers[0]->speed());
      if (noise.Copies() > 1) ++bursts;
    }
  }

  EventQueue queue;
  std::vector<std::unique_ptr<Server>> servers;
  double looks = 0, paused = 0, bursts = 0, speeds = 0, least = 2;
};

TEST_F(NoiseTest, WithoutAnyNothingHappens) {
  const auto noise = Make({});
  Watch(*noise, absl::Minutes(10));
  EXPECT_EQ(paused + bursts, 0);
  EXPECT_EQ(least, 2);
}

TEST_F(NoiseTest, PausesEndAndTakeTheirShareOfTime) {
  const auto noise = Make({.pause_every = absl::Seconds(10),
                           .pause_least = absl::Milliseconds(500),
                           .pause_most = absl::Milliseconds(1500)});
  Watch(*noise, absl::Hours(3));
  EXPECT_NEAR(paused / looks, 1.0 / 11, 0.01);
  EXPECT_NEAR(speeds / (looks - paused), 2, 1e-9) << "its own speed comes back";
}

TEST_F(NoiseTest, NeighboursTakeAPartOfTheSpeed) {
  const auto noise = Make({.neighbour_every = absl::Seconds(5), .neighbour_leaves = 0.2});
  Watch(*noise, absl::Hours(3));
  EXPECT_EQ(paused, 0);
  EXPECT_GE(least, 0.4);
  EXPECT_NEAR(speeds / looks, 2 * 0.6, 0.06);
}

TEST_F(NoiseTest, BurstsMultiplyClients) {
  const auto noise = Make({.burst_every = absl::Seconds(20), .burst_lasts = absl::Seconds(5)});
  Watch(*noise, absl::Hours(3));
  EXPECT_NEAR(bursts / looks, 0.2, 0.03);
}

}  // namespace
}  // namespace pointsman::sim
