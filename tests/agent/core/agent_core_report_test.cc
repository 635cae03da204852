#include <algorithm>
#include <utility>

#include "agent/core/agent_core.h"
#include "common/core/proto_time.h"
#include "gtest/gtest.h"
#include "tests/agent/core/agent_world.h"

namespace pointsman::agent {
namespace {

TEST(AgentCoreReportTest, ReportsEachIntervalInOneShape) {
  World world;
  world.Connect();
  world.Run(absl::Seconds(5));
  world.reports_.clear();
  const MonotonicTime start = world.now_;
  world.Run(absl::Seconds(100));
  EXPECT_NEAR(static_cast<double>(world.reports_.size()), 100, 5);
  uint64_t sequence = 0;
  absl::Duration windows;
  for (const v1::AgentReport& report : world.reports_) {
    EXPECT_GT(report.sequence(), sequence);
    sequence = report.sequence();
    windows += common::FromProto(report.window());
    ASSERT_EQ(report.instances_size(), 2);
    EXPECT_EQ(report.instances(0).checks_size(), 1);
    EXPECT_EQ(report.instances(0).assignment_version(), 1u);
    EXPECT_NEAR(report.host().cpu_utilisation(), 0.25, 0.001);
    EXPECT_FLOAT_EQ(report.host().memory_utilisation(), 0.5);
  }
  // The windows cover the time without gaps.
  EXPECT_NEAR(absl::ToDoubleSeconds(windows), absl::ToDoubleSeconds(world.now_ - start), 2.2);
}

TEST(AgentCoreReportTest, WhatWasNotMeasuredIsNotIdle) {
  World world;
  world.Connect();
  world.Run(absl::Seconds(3));
  ASSERT_GE(world.reports_.size(), 2u);
  // A share needs two readings.
  EXPECT_FALSE(world.reports_.front().host().has_cpu_utilisation());
  EXPECT_TRUE(world.reports_.back().host().has_cpu_utilisation());
}

TEST(AgentCoreReportTest, AStalePidFileAloneIsNotAGoneProcess) {
  World world;
  world.Connect();
  world.Step(ProcessInput{0, Sight::kGone, 100});
  EXPECT_EQ(world.Web().process(), v1::PROCESS_STATE_UNSPECIFIED);
  world.Step(ProcessInput{0, Sight::kRunning, 100});
  world.Step(ProcessInput{0, Sight::kGone, 100});
  EXPECT_EQ(world.Web().process(), v1::PROCESS_STATE_GONE);
  // Something answers after all.
  world.Run(absl::Seconds(2));
  EXPECT_EQ(world.Web().process(), v1::PROCESS_STATE_UNSPECIFIED);
}

TEST(AgentCoreReportTest, MetricsReachTheReportAndBadOnesAreCounted) {
  World world;
  world.metrics_->in_flight = 3;
  world.metrics_->requests = 50;
  world.Connect();
  world.Run(absl::Seconds(3));
  EXPECT_FLOAT_EQ(world.Web().load().in_flight(), 3);
  EXPECT_EQ(world.Web().load().requests(), 50u);
  EXPECT_FALSE(world.reports_.back().instances(1).load().has_in_flight());
  world.metrics_ = absl::InvalidArgumentError("METRICS_VALUE: in_flight: negative");
  world.Run(absl::Seconds(3));
  EXPECT_GE(world.core_.counters().metrics_refused, 2u);
  EXPECT_FALSE(world.Web().load().has_in_flight());
  EXPECT_EQ(world.Web().load().requests(), 50u);  // Cumulative: nothing is lost.
}

TEST(AgentCoreReportTest, TheSameSeedGivesTheSameReports) {
  World first;
  World second;
  for (World* world : {&first, &second}) {
    world->Connect();
    world->Run(absl::Seconds(60));
  }
  ASSERT_EQ(first.reports_.size(), second.reports_.size());
  EXPECT_EQ(first.reports_.back().SerializeAsString(), second.reports_.back().SerializeAsString());
}

}  // namespace
}  // namespace pointsman::agent
