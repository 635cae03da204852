// Field by field: what of agents' and gateways' messages reaches the cores.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "controller/core/report_input.h"
#include "pointsman/v1/agent.pb.h"
#include "pointsman/v1/gateway.pb.h"

namespace pointsman::controller {
namespace {

v1::Instance MakeInstance() {
  v1::Instance instance;
  instance.set_service("web");
  instance.set_restartable(true);
  instance.set_draining(true);
  v1::Endpoint& endpoint = *instance.mutable_endpoint();
  endpoint.set_id("web-1");
  endpoint.set_address("10.0.0.1:80");
  endpoint.mutable_locality()->set_region("eu");
  endpoint.mutable_locality()->set_zone("eu-1");
  (*endpoint.mutable_labels())["b"] = "2";
  (*endpoint.mutable_labels())["a"] = "1";
  endpoint.set_capacity(2.5);
  endpoint.set_priority(3);
  return instance;
}

TEST(HelloInputTest, TakesEveryField) {
  v1::AgentHello hello;
  hello.set_agent_id("host-1");
  hello.set_boot_id(UINT64_MAX);
  *hello.add_instances() = MakeInstance();
  hello.add_instances()->set_service("api");
  v1::RestartLease& lease = *hello.add_leases();
  lease.set_request_id(9);
  lease.set_service("web");
  lease.set_endpoint("web-1");
  lease.mutable_remaining()->set_seconds(2);
  lease.mutable_remaining()->set_nanos(500'000'000);
  const AgentHelloInput input = HelloInput(hello, 4, "agent:host-1");
  EXPECT_EQ(input.agent, "host-1");
  EXPECT_EQ(input.boot, UINT64_MAX);
  EXPECT_EQ(input.session, 4u);
  EXPECT_EQ(input.actor, "agent:host-1");
  ASSERT_EQ(input.instances.size(), 2u);
  EXPECT_EQ(input.instances[0].service, "web");
  EXPECT_TRUE(input.instances[0].restartable);
  EXPECT_TRUE(input.instances[0].draining);
  EXPECT_EQ(
      *input.instances[0].endpoint,
      (EndpointInfo{"web-1", "10.0.0.1:80", {"eu", "eu-1"}, {{"a", "1"}, {"b", "2"}}, 2.5, 3}));
  EXPECT_EQ(input.instances[1].service, "api");
  EXPECT_FALSE(input.instances[1].restartable);
  EXPECT_FALSE(input.instances[1].draining);
  EXPECT_EQ(input.instances[1].endpoint->capacity, 1.0);  // Absent: nominal.
  ASSERT_EQ(input.leases.size(), 1u);
  EXPECT_EQ(input.leases[0].request_id, 9u);
  EXPECT_EQ(input.leases[0].service, "web");
  EXPECT_EQ(input.leases[0].endpoint, "web-1");
  EXPECT_EQ(input.leases[0].remaining, absl::Milliseconds(2'500));
}

TEST(HelloInputTest, KeepsCapacityAndPriorityInTheirRange) {
  const auto info = [](double capacity, uint32_t priority) {
    v1::AgentHello hello;
    *hello.add_instances() = MakeInstance();
    hello.mutable_instances(0)->mutable_endpoint()->set_capacity(capacity);
    hello.mutable_instances(0)->mutable_endpoint()->set_priority(priority);
    return *HelloInput(hello, 1, "").instances.at(0).endpoint;
  };
  EXPECT_EQ(info(0, 0).capacity, 1.0);
  EXPECT_EQ(info(-1, 0).capacity, 1.0);
  EXPECT_EQ(info(std::nan(""), 0).capacity, 1.0);
  EXPECT_EQ(info(1e-9, 0).capacity, 0.01);
  EXPECT_EQ(info(std::numeric_limits<double>::infinity(), 0).capacity, 100.0);
  EXPECT_EQ(info(1, UINT32_MAX).priority, 15u);
}

TEST(ReportHeaderTest, TakesEveryFieldAndLeavesServiceAndInstances) {
  v1::AgentReport report;
  report.set_sequence(UINT64_MAX);
  report.mutable_window()->set_seconds(1);
  report.mutable_window()->set_nanos(1'000);
  report.mutable_host()->set_cpu_utilisation(0.25F);
  report.mutable_host()->set_memory_utilisation(0.5F);
  report.add_instances();
  const std::string agent = "host-1";
  const AgentReportInput input = ReportHeader(report, {agent, 7, 4}, absl::Seconds(3));
  EXPECT_EQ(input.agent, "host-1");
  EXPECT_EQ(input.boot, 7u);
  EXPECT_EQ(input.session, 4u);
  EXPECT_EQ(input.sequence, UINT64_MAX);
  EXPECT_EQ(input.window, absl::Seconds(1) + absl::Microseconds(1));
  EXPECT_EQ(input.report_interval, absl::Seconds(3));
  EXPECT_EQ(input.host_cpu_utilisation, 0.25F);
  EXPECT_EQ(input.host_memory_utilisation, 0.5F);
  EXPECT_EQ(input.service, "");
  EXPECT_TRUE(input.instances.empty());
}

TEST(ReportHeaderTest, TellsAHostThatWasNotMeasuredFromAnIdleOne) {
  const std::string agent = "host-1";
  v1::AgentReport report;
  EXPECT_EQ(ReportHeader(report, {agent, 7, 4}, {}).host_cpu_utilisation, std::nullopt);
  EXPECT_EQ(ReportHeader(report, {agent, 7, 4}, {}).host_memory_utilisation, std::nullopt);
  report.mutable_host();
  EXPECT_EQ(ReportHeader(report, {agent, 7, 4}, {}).host_cpu_utilisation, std::nullopt);
  report.mutable_host()->set_cpu_utilisation(0);
  EXPECT_EQ(ReportHeader(report, {agent, 7, 4}, {}).host_cpu_utilisation, 0.0F);
  EXPECT_EQ(ReportHeader(report, {agent, 7, 4}, {}).host_memory_utilisation, std::nullopt);
  report.mutable_host()->set_memory_utilisation(0);
  EXPECT_EQ(ReportHeader(report, {agent, 7, 4}, {}).host_memory_utilisation, 0.0F);
}

TEST(SampleOfTest, TakesEveryField) {
  v1::InstanceReport report;
  v1::CheckState& check = *report.add_checks();
  check.set_status(v1::CHECK_STATUS_FAILING);
  check.mutable_since()->set_seconds(5);
  check.set_consecutive(3);
  check.mutable_last_latency()->set_nanos(2'000'000);
  check.set_last_failure(v1::CHECK_FAILURE_STATUS);
  check.set_last_status(503);
  check.mutable_age()->set_nanos(1'000'000);
  check.set_detail("503");
  v1::InstanceLoad& load = *report.mutable_load();
  load.set_cpu_utilisation(0.5F);
  load.set_memory_bytes(1 << 20);
  load.set_in_flight(7);
  load.mutable_queue_delay()->set_nanos(3'000'000);
  load.set_utilisation(0.75F);
  load.set_requests(100);
  load.set_errors(2);
  report.set_process(v1::PROCESS_STATE_RUNNING);
  report.set_restarts(4);
  report.set_restart_budget_spent(true);
  const InstanceSample sample = SampleOf(report, 6, true);
  EXPECT_EQ(sample.instance, 6u);
  EXPECT_TRUE(sample.checks_current);
  EXPECT_EQ(sample.process, v1::PROCESS_STATE_RUNNING);
  EXPECT_EQ(sample.restarts, 4u);
  EXPECT_TRUE(sample.restart_budget_spent);
  ASSERT_EQ(sample.checks.size(), 1u);
  EXPECT_EQ(sample.checks[0].status, v1::CHECK_STATUS_FAILING);
  EXPECT_EQ(sample.checks[0].failure, v1::CHECK_FAILURE_STATUS);
  EXPECT_EQ(sample.checks[0].consecutive, 3u);
  EXPECT_EQ(sample.checks[0].last_status, 503u);
  EXPECT_EQ(sample.checks[0].since, absl::Seconds(5));
  EXPECT_EQ(sample.checks[0].last_latency, absl::Milliseconds(2));
  EXPECT_EQ(sample.checks[0].age, absl::Milliseconds(1));
  EXPECT_EQ(sample.checks[0].detail, "503");
  EXPECT_EQ(sample.load.cpu_utilisation, 0.5F);
  EXPECT_EQ(sample.load.memory_bytes, 1u << 20);
  EXPECT_EQ(sample.load.in_flight, 7.0F);
  EXPECT_EQ(sample.load.queue_delay, absl::Milliseconds(3));
  EXPECT_EQ(sample.load.utilisation, 0.75F);
  EXPECT_EQ(sample.load.requests, 100u);
  EXPECT_EQ(sample.load.errors, 2u);
}

TEST(SampleOfTest, LeavesOutWhatWasNotMeasured) {
  const LoadSample load = SampleOf({}, 0, false).load;
  EXPECT_EQ(load.cpu_utilisation, std::nullopt);
  EXPECT_EQ(load.memory_bytes, std::nullopt);
  EXPECT_EQ(load.in_flight, std::nullopt);
  EXPECT_EQ(load.queue_delay, std::nullopt);
  EXPECT_EQ(load.utilisation, std::nullopt);
  EXPECT_EQ(load.requests, std::nullopt);
  EXPECT_EQ(load.errors, std::nullopt);
}

TEST(GatewayInputTest, TakesEveryField) {
  v1::GatewayHello hello;
  hello.set_gateway_id("edge-1");
  hello.set_boot_id(3);
  hello.mutable_locality()->set_region("eu");
  hello.mutable_locality()->set_zone("eu-1");
  v1::HeldSlice& held = *hello.add_slices();
  held.set_service("web");
  held.mutable_version()->set_epoch(2);
  held.mutable_version()->set_revision(8);
  const GatewayHelloInput input = GatewayInput(hello, 5);
  EXPECT_EQ(input.gateway, "edge-1");
  EXPECT_EQ(input.boot, 3u);
  EXPECT_EQ(input.session, 5u);
  EXPECT_EQ(input.place, (Place{"eu", "eu-1"}));
  ASSERT_EQ(input.held.size(), 1u);
  EXPECT_EQ(input.held[0].service, "web");
  EXPECT_EQ(input.held[0].version, (SliceVersion{2, 8}));
}

TEST(ObservationInputsTest, MakesOneInputOfEachServiceWithEveryField) {
  v1::Observations observations;
  observations.set_sequence(11);
  observations.mutable_window()->set_seconds(1);
  v1::ServiceObservations& web = *observations.add_services();
  web.set_service("web");
  web.mutable_version()->set_epoch(2);
  web.mutable_version()->set_revision(8);
  v1::EndpointObservation& seen = *web.add_endpoints();
  seen.set_handle(1);
  seen.set_requests(2);
  seen.set_connect_failures(3);
  seen.set_resets(4);
  seen.set_timeouts(5);
  seen.set_server_errors(6);
  seen.set_in_flight(0.5F);
  seen.mutable_latency_sum()->set_seconds(7);
  seen.mutable_avoided()->set_nanos(8'000);
  seen.add_latency_buckets(9);
  seen.add_latency_buckets(10);
  observations.add_services()->set_service("api");
  const std::string gateway = "edge-1";
  const std::vector<ObservationsInput> inputs = ObservationInputs(observations, {gateway, 3, 5});
  ASSERT_EQ(inputs.size(), 2u);
  EXPECT_EQ(inputs[1].service, "api");
  EXPECT_TRUE(inputs[1].endpoints.empty());
  for (const ObservationsInput& input : inputs) {
    EXPECT_EQ(input.gateway, "edge-1");
    EXPECT_EQ(input.boot, 3u);
    EXPECT_EQ(input.session, 5u);
    EXPECT_EQ(input.sequence, 11u);
    EXPECT_EQ(input.window, absl::Seconds(1));
  }
  EXPECT_EQ(inputs[0].service, "web");
  EXPECT_EQ(inputs[0].version, (SliceVersion{2, 8}));
  ASSERT_EQ(inputs[0].endpoints.size(), 1u);
  const EndpointObservation& endpoint = inputs[0].endpoints[0];
  EXPECT_EQ(endpoint.handle, 1u);
  EXPECT_EQ(endpoint.requests, 2u);
  EXPECT_EQ(endpoint.connect_failures, 3u);
  EXPECT_EQ(endpoint.resets, 4u);
  EXPECT_EQ(endpoint.timeouts, 5u);
  EXPECT_EQ(endpoint.server_errors, 6u);
  EXPECT_EQ(endpoint.in_flight, 0.5F);
  EXPECT_EQ(endpoint.latency_sum, absl::Seconds(7));
  EXPECT_EQ(endpoint.avoided, absl::Microseconds(8));
  EXPECT_EQ(endpoint.latency_buckets.size(), 2u);
}

}  // namespace
}  // namespace pointsman::controller
