#include "controller/core/report_input.h"

#include <gtest/gtest.h>

#include "pointsman/v1/agent.pb.h"

namespace pointsman::controller {
namespace {

std::vector<InstanceSample> Samples() {
  InstanceSample sample;
  sample.checks_current = true;
  sample.process = v1::PROCESS_STATE_RUNNING;
  CheckSample& check = sample.checks.emplace_back();
  check.status = v1::CHECK_STATUS_PASSING;
  return {sample, sample};
}

TEST(ReportInputTest, LoadAndAgesAreNoChangeOfState) {
  std::vector<InstanceSample> later = Samples();
  later[0].load.in_flight = 7;
  later[1].checks[0].age = absl::Seconds(3);
  later[1].checks[0].last_latency = absl::Milliseconds(9);
  EXPECT_EQ(StateOf(later), StateOf(Samples()));
}

TEST(ReportInputTest, EachChangeOfStateIsSeen) {
  const auto changed = [](auto change) {
    std::vector<InstanceSample> samples = Samples();
    change(samples[1]);
    return StateOf(samples) != StateOf(Samples());
  };
  EXPECT_TRUE(changed([](auto& s) { s.checks[0].status = v1::CHECK_STATUS_FAILING; }));
  EXPECT_TRUE(changed([](auto& s) { s.checks[0].failure = v1::CHECK_FAILURE_REFUSED; }));
  EXPECT_TRUE(changed([](auto& s) { s.process = v1::PROCESS_STATE_GONE; }));
  EXPECT_TRUE(changed([](auto& s) { s.restarts = 1; }));
  EXPECT_TRUE(changed([](auto& s) { s.checks_current = false; }));
  EXPECT_TRUE(changed([](auto& s) { s.checks.clear(); }));
}

}  // namespace
}  // namespace pointsman::controller
