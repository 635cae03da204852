// The wheel against a plain list of deadlines.

#include "gateway/net/timer_wheel.h"

#include <map>
#include <memory>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

using common::MonotonicTime;

MonotonicTime At(int64_t micros) { return MonotonicTime::FromMicros(micros); }

// An object as they are meant: stores its deadline, arms again when it fired early.
class Timed : public TimerEntry {
 public:
  Timed(TimerWheel* wheel, MonotonicTime* now) : wheel_(wheel), now_(now) {}
  void SetDeadline(MonotonicTime deadline) {
    deadline_ = deadline;
    fired_at_ = MonotonicTime();
    wheel_->Arm(*this, deadline);
  }
  void OnTimer() override {
    if (*now_ < deadline_) {
      wheel_->Arm(*this, deadline_);
    } else {
      fired_at_ = *now_;
    }
  }
  MonotonicTime deadline() const { return deadline_; }
  MonotonicTime fired_at() const { return fired_at_; }

 private:
  TimerWheel* wheel_;
  MonotonicTime* now_;
  MonotonicTime deadline_;
  MonotonicTime fired_at_;
};

class TimerWheelTest : public ::testing::Test {
 protected:
  void AdvanceTo(int64_t micros) {
    now_ = At(micros);
    wheel_.Advance(now_, [](TimerEntry& entry) { entry.OnTimer(); });
  }
  MonotonicTime now_ = At(1'000'000);
  TimerWheel wheel_{now_};
};

TEST_F(TimerWheelTest, FiresAtTheDeadlineRoundedUp) {
  Timed timed(&wheel_, &now_);
  timed.SetDeadline(At(1'005'300));
  EXPECT_EQ(wheel_.MicrosToNext(now_), 6'000);
  AdvanceTo(1'005'999);
  EXPECT_TRUE(timed.armed());
  AdvanceTo(1'006'000);
  EXPECT_EQ(timed.fired_at(), At(1'006'000));
  EXPECT_EQ(wheel_.MicrosToNext(now_), -1);
}

TEST_F(TimerWheelTest, MovesEarlierButStaysWhenLater) {
  Timed timed(&wheel_, &now_);
  timed.SetDeadline(At(1'500'000));
  timed.SetDeadline(At(1'002'000));
  timed.SetDeadline(At(1'900'000));  // Lazy: fires early, arms again.
  AdvanceTo(1'002'000);
  EXPECT_TRUE(timed.armed());
  AdvanceTo(1'900'000);
  EXPECT_EQ(timed.fired_at(), At(1'900'000));
}

TEST_F(TimerWheelTest, DeadlinesBeyondTheHorizonFireThen) {
  Timed timed(&wheel_, &now_);
  const int64_t hour = 3'600'000'000;
  timed.SetDeadline(At(hour));
  for (int64_t t = 1'000'000; t < hour; t += 7'777'777) AdvanceTo(t);
  EXPECT_EQ(timed.fired_at(), MonotonicTime());
  AdvanceTo(hour);
  EXPECT_EQ(timed.fired_at(), At(hour));
}

TEST_F(TimerWheelTest, ADeadEntryLeavesTheWheel) {
  auto timed = std::make_unique<Timed>(&wheel_, &now_);
  timed->SetDeadline(At(1'002'000));
  timed.reset();
  AdvanceTo(1'010'000);
}

TEST_F(TimerWheelTest, AgreesWithAListOfDeadlines) {
  std::mt19937_64 random(7);
  std::vector<std::unique_ptr<Timed>> timers;
  for (int i = 0; i < 200; ++i) timers.push_back(std::make_unique<Timed>(&wheel_, &now_));
  int64_t t = now_.micros();
  for (int step = 0; step < 5000; ++step) {
    Timed& changed = *timers[random() % timers.size()];
    changed.SetDeadline(At(t + static_cast<int64_t>(random() % 40'000'000)));
    t += static_cast<int64_t>(random() % 50'000);
    AdvanceTo(t);
    for (const auto& timed : timers) {
      if (timed->deadline() == MonotonicTime()) continue;
      const bool due = timed->deadline().micros() + TimerWheel::kTickMicros <= t;
      const bool fired = timed->fired_at() != MonotonicTime();
      if (due) ASSERT_TRUE(fired);
      if (fired) ASSERT_GE(timed->fired_at(), timed->deadline());
    }
  }
}

}  // namespace
}  // namespace pointsman::gateway
