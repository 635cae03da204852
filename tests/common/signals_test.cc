#include "common/signals.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <thread>

namespace pointsman::common {
namespace {

TEST(SignalsTest, TurnsSignalsIntoEvents) {
  Signals signals;
  EXPECT_EQ(signals.Poll(), std::nullopt);
  EXPECT_EQ(signals.WaitFor(absl::ZeroDuration()), std::nullopt);
  ASSERT_EQ(kill(getpid(), SIGHUP), 0);
  pollfd waiting{signals.fd(), POLLIN, 0};
  EXPECT_EQ(poll(&waiting, 1, 10'000), 1);
  EXPECT_EQ(signals.Wait(), Signal::kReload);
  ASSERT_EQ(kill(getpid(), SIGTERM), 0);
  EXPECT_EQ(signals.Wait(), Signal::kTerminate);
  ASSERT_EQ(kill(getpid(), SIGINT), 0);
  EXPECT_EQ(signals.WaitFor(absl::Seconds(10)), Signal::kTerminate);
  EXPECT_EQ(signals.Poll(), std::nullopt);
}

TEST(SignalsTest, EndsAWaitFromAnotherThread) {
  Signals signals;
  std::thread other([&] { signals.RequestTermination(); });
  EXPECT_EQ(signals.Wait(), Signal::kTerminate);
  other.join();
}

TEST(SignalsTest, BrokenPipesAreErrorsNotDeath) {
  Signals signals;
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  EXPECT_EQ(write(ends[1], "x", 1), -1);
  close(ends[1]);
}

}  // namespace
}  // namespace pointsman::common
