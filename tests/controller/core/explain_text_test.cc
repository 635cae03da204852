#include "controller/core/explain_text.h"

#include "gtest/gtest.h"

namespace pointsman::controller {
namespace {

TEST(ExplainTextTest, DurationsAreCutToMilliseconds) {
  EXPECT_EQ(Short(absl::Microseconds(1'250'999)), "1.25s");
  EXPECT_EQ(Short(absl::Microseconds(999)), "0");
  EXPECT_EQ(Short(absl::InfiniteDuration()), "inf");
}

TEST(ExplainTextTest, InputsKeepTheirOrder) {
  v1::Decision decision;
  AddInput(decision, "load.cpu", "0.4", "", "agent:host-1").mutable_age()->set_seconds(2);
  AddInput(decision, "gateways", "2", "1", "gateways");
  ASSERT_EQ(decision.inputs_size(), 2);
  EXPECT_EQ(decision.inputs(0).name(), "load.cpu");
  EXPECT_EQ(decision.inputs(0).value(), "0.4");
  EXPECT_EQ(decision.inputs(0).source(), "agent:host-1");
  EXPECT_EQ(decision.inputs(0).age().seconds(), 2);
  EXPECT_EQ(decision.inputs(1).threshold(), "1");
}

}  // namespace
}  // namespace pointsman::controller
