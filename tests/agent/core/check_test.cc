#include "agent/core/check.h"

#include "common/core/proto_time.h"
#include "gtest/gtest.h"

namespace pointsman::agent {
namespace {

using common::MonotonicTime;

MonotonicTime At(int seconds) { return MonotonicTime::FromMicros(seconds * 1'000'000LL); }

CheckSpec Spec() {
  v1::HealthCheck check;
  check.mutable_http();
  check.set_rise(2);
  check.set_fall(3);
  common::ToProto(absl::Milliseconds(100), check.mutable_degraded_after());
  return MakeCheckSpec(check);
}

RunResult Fast() { return {.failure = {}, .latency = absl::Milliseconds(5), .detail = ""}; }
RunResult Slow() { return {.failure = {}, .latency = absl::Milliseconds(500), .detail = ""}; }
RunResult Failed() {
  return {.failure = v1::CHECK_FAILURE_REFUSED, .latency = {}, .detail = "refused"};
}

// Feeds one letter a second: p(ass), s(low), f(ail). Returns the status after each as P, D, F, -.
std::string Feed(CheckMachine& machine, const CheckSpec& spec, absl::string_view runs) {
  std::string states;
  for (size_t i = 0; i < runs.size(); ++i) {
    const RunResult run = runs[i] == 'p' ? Fast() : runs[i] == 's' ? Slow() : Failed();
    machine.Observe(spec, run, At(static_cast<int>(i) + 1));
    states += "-PDF"[machine.status()];
  }
  return states;
}

TEST(CheckSpecTest, FillsInTheContractsDefaults) {
  v1::HealthCheck check;
  check.mutable_tcp();
  const CheckSpec spec = MakeCheckSpec(check);
  EXPECT_EQ(spec.name, "tcp");
  EXPECT_EQ(spec.interval, absl::Seconds(2));
  EXPECT_EQ(spec.timeout, absl::Seconds(1));
  EXPECT_EQ(spec.transition_interval, absl::Milliseconds(400));
  EXPECT_EQ(spec.rise, 2);
  EXPECT_EQ(spec.fall, 3);
  EXPECT_FALSE(spec.degraded_after.has_value());
}

TEST(CheckSpecTest, BringsNumbersIntoTheirRanges) {
  v1::HealthCheck check;
  check.mutable_http();
  common::ToProto(absl::Milliseconds(1), check.mutable_interval());
  common::ToProto(absl::Hours(1), check.mutable_timeout());
  common::ToProto(absl::Hours(1), check.mutable_transition_interval());
  common::ToProto(absl::Hours(1), check.mutable_degraded_after());
  check.set_rise(4'000'000'000u);
  const CheckSpec spec = MakeCheckSpec(check);
  EXPECT_EQ(spec.interval, absl::Milliseconds(100));
  EXPECT_EQ(spec.timeout, absl::Milliseconds(100));
  EXPECT_EQ(spec.transition_interval, absl::Milliseconds(100));
  EXPECT_EQ(*spec.degraded_after, absl::Milliseconds(100));
  EXPECT_EQ(spec.rise, 100);
}

TEST(CheckMachineTest, WithoutALimitOfItsOwnItsHistoryIsOne) {
  v1::HealthCheck check;
  check.mutable_http();
  const CheckSpec spec = MakeCheckSpec(check);
  CheckMachine machine;
  EXPECT_EQ(Feed(machine, spec, "ss"), "-P") << "nothing is known yet";
  machine = CheckMachine();
  Feed(machine, spec, std::string(20, 'p'));
  v1::CheckState state;
  machine.Fill(At(30), &state);
  EXPECT_EQ(common::FromProto(state.slow_after()), absl::Milliseconds(105));
  EXPECT_EQ(Feed(machine, spec, "sssspp"), "PPDDDP");
  CheckMachine next(machine.Save(), At(30));
  EXPECT_EQ(Feed(next, spec, "sss"), "PPD") << "known over a restart of the agent";
}

TEST(CheckMachineTest, WhatIsSlowAgainSoonIsSoForLonger) {
  v1::HealthCheck check;
  check.mutable_http();
  const CheckSpec spec = MakeCheckSpec(check);
  CheckMachine machine;
  Feed(machine, spec, std::string(20, 'p'));
  std::vector<size_t> fast;
  for (int time = 0; time < 4; ++time) {
    Feed(machine, spec, "sss");
    ASSERT_EQ(machine.status(), v1::CHECK_STATUS_DEGRADED);
    const std::string states = Feed(machine, spec, std::string(40, 'p'));
    fast.push_back(states.find('P') + 1);
  }
  EXPECT_EQ(fast, (std::vector<size_t>{2, 4, 8, 16}));
}

TEST(CheckMachineTest, AnotherProcessHasAHistoryOfItsOwn) {
  v1::HealthCheck check;
  check.mutable_http();
  const CheckSpec spec = MakeCheckSpec(check);
  CheckMachine machine;
  Feed(machine, spec, std::string(20, 'p'));
  machine.Void(At(30));
  EXPECT_EQ(Feed(machine, spec, "spppp"), "-PPPP") << "a cold run says nothing";
  EXPECT_EQ(machine.Save().usual_micros, 0);
}

TEST(CheckMachineTest, ALimitAtTheTimeoutIsNone) {
  v1::HealthCheck check;
  check.mutable_http();
  common::ToProto(absl::Seconds(1), check.mutable_timeout());
  common::ToProto(absl::Seconds(1), check.mutable_degraded_after());
  const CheckSpec spec = MakeCheckSpec(check);
  CheckMachine machine;
  EXPECT_EQ(Feed(machine, spec, std::string(20, 'p') + "ssss").substr(20), "PPPP");
}

TEST(CheckMachineTest, ChangesOnlyAfterRiseAndFallInARow) {
  const struct {
    const char* runs;
    const char* states;
  } kCases[] = {
      {"pp", "-P"},           {"pfpp", "---P"},        // A failed run starts the count again.
      {"fff", "--F"},         {"ppffpff", "-PPPPPP"},  // Never three failed in a row.
      {"ppfffp", "-PPPFF"},   {"ppfffpp", "-PPPFFP"}, {"ppsss", "-PPPD"},  // Slow as often as fall.
      {"ppsspss", "-PPPPPP"}, {"ppssspp", "-PPPDDP"}, {"ppsssfff", "-PPPDDDF"},
      {"ps", "-D"},  // One of the rising runs was slow.
      {"fffsp", "--FFD"},
  };
  for (const auto& c : kCases) {
    CheckMachine machine(At(0));
    EXPECT_EQ(Feed(machine, Spec(), c.runs), c.states) << c.runs;
  }
}

TEST(CheckMachineTest, IsChangingWhileARunDisagrees) {
  const CheckSpec spec = Spec();
  CheckMachine machine(At(0));
  EXPECT_TRUE(machine.Changing());  // No status yet.
  Feed(machine, spec, "pp");
  EXPECT_FALSE(machine.Changing());
  machine.Observe(spec, Failed(), At(3));
  EXPECT_TRUE(machine.Changing());
  machine.Observe(spec, Fast(), At(4));
  EXPECT_FALSE(machine.Changing());
  machine.Observe(spec, Slow(), At(5));
  EXPECT_TRUE(machine.Changing());
}

TEST(CheckMachineTest, FillsTheReport) {
  const CheckSpec spec = Spec();
  CheckMachine machine(At(0));
  Feed(machine, spec, "ppfff");
  v1::CheckState state;
  machine.Fill(At(7), &state);
  EXPECT_EQ(state.status(), v1::CHECK_STATUS_FAILING);
  EXPECT_EQ(common::FromProto(state.since()), absl::Seconds(2));
  EXPECT_EQ(common::FromProto(state.age()), absl::Seconds(2));
  EXPECT_EQ(state.consecutive(), 3u);
  EXPECT_EQ(state.last_failure(), v1::CHECK_FAILURE_REFUSED);
  EXPECT_EQ(state.detail(), "refused");
}

TEST(CheckMachineTest, VoidOpensAPassingStatusAndLeavesAFailingOne) {
  const CheckSpec spec = Spec();
  CheckMachine machine(At(0));
  Feed(machine, spec, "pp");
  EXPECT_TRUE(machine.Void(At(3)));
  EXPECT_EQ(machine.status(), v1::CHECK_STATUS_UNSPECIFIED);
  EXPECT_FALSE(machine.Observe(spec, Fast(), At(4)));  // `rise` counts anew.
  EXPECT_TRUE(machine.Observe(spec, Fast(), At(5)));
  Feed(machine, spec, "fff");
  EXPECT_FALSE(machine.Void(At(20)));
  EXPECT_EQ(machine.status(), v1::CHECK_STATUS_FAILING);
}

TEST(CheckMachineTest, ContinuesASavedStatusNeverFromTheFuture) {
  CheckMachine machine({v1::CHECK_STATUS_PASSING, At(100).micros()}, At(50));
  v1::CheckState state;
  machine.Fill(At(51), &state);
  EXPECT_EQ(state.status(), v1::CHECK_STATUS_PASSING);
  EXPECT_EQ(common::FromProto(state.since()), absl::Seconds(1));
}

TEST(ShownTextTest, IsShortAndPrintable) {
  EXPECT_EQ(ShownText("a\nb\xff\x7f", 10), "a?b??");
  EXPECT_EQ(ShownText("abcdef", 3), "abc");
}

}  // namespace
}  // namespace pointsman::agent
