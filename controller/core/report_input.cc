#include "controller/core/report_input.h"

#include <utility>

#include "common/core/hashing.h"
#include "common/core/proto_time.h"
#include "controller/core/frame_proto.h"
#include "pointsman/v1/agent.pb.h"
#include "pointsman/v1/gateway.pb.h"

namespace pointsman::controller {
namespace {

using common::FromProto;

CheckSample CheckOf(const v1::CheckState& check) {
  CheckSample sample;
  sample.status = check.status();
  sample.failure = check.last_failure();
  sample.consecutive = check.consecutive();
  sample.last_status = check.last_status();
  sample.since = FromProto(check.since());
  sample.last_latency = FromProto(check.last_latency());
  sample.slow_after = FromProto(check.slow_after());
  sample.age = FromProto(check.age());
  sample.detail = check.detail();
  return sample;
}

LoadSample LoadOf(const v1::InstanceLoad& load) {
  LoadSample sample;
  if (load.has_cpu_utilisation()) sample.cpu_utilisation = load.cpu_utilisation();
  if (load.has_in_flight()) sample.in_flight = load.in_flight();
  if (load.has_utilisation()) sample.utilisation = load.utilisation();
  if (load.has_queue_delay()) sample.queue_delay = FromProto(load.queue_delay());
  if (load.has_memory_bytes()) sample.memory_bytes = load.memory_bytes();
  if (load.has_requests()) sample.requests = load.requests();
  if (load.has_errors()) sample.errors = load.errors();
  return sample;
}

EndpointObservation ObservationOf(const v1::EndpointObservation& seen) {
  EndpointObservation observation;
  observation.handle = seen.handle();
  observation.requests = seen.requests();
  observation.connect_failures = seen.connect_failures();
  observation.resets = seen.resets();
  observation.timeouts = seen.timeouts();
  observation.server_errors = seen.server_errors();
  observation.in_flight = seen.in_flight();
  observation.latency_sum = FromProto(seen.latency_sum());
  observation.avoided = FromProto(seen.avoided());
  observation.in_a_row = {seen.unreachable_in_a_row(), seen.timeouts_in_a_row()};
  observation.latency_buckets.assign(seen.latency_buckets().begin(), seen.latency_buckets().end());
  return observation;
}

}  // namespace

AgentHelloInput HelloInput(const v1::AgentHello& hello, uint64_t session, std::string actor) {
  AgentHelloInput input;
  input.agent = hello.agent_id();
  input.boot = hello.boot_id();
  input.session = session;
  input.actor = std::move(actor);
  for (const v1::Instance& instance : hello.instances()) {
    input.instances.push_back({instance.service(), EndpointFromProto(instance.endpoint()),
                               instance.restartable(), instance.draining()});
  }
  for (const v1::RestartLease& lease : hello.leases()) {
    input.leases.push_back(
        {lease.request_id(), lease.service(), lease.endpoint(), FromProto(lease.remaining())});
  }
  return input;
}

AgentReportInput ReportHeader(const v1::AgentReport& report, const Sender& sender,
                              absl::Duration report_interval) {
  AgentReportInput input;
  input.agent = sender.name;
  input.boot = sender.boot;
  input.session = sender.session;
  input.sequence = report.sequence();
  input.window = FromProto(report.window());
  input.report_interval = report_interval;
  const v1::HostLoad& host = report.host();
  if (host.has_cpu_utilisation()) input.host_cpu_utilisation = host.cpu_utilisation();
  if (host.has_memory_utilisation()) input.host_memory_utilisation = host.memory_utilisation();
  return input;
}

InstanceSample SampleOf(const v1::InstanceReport& report, uint32_t instance, bool checks_current) {
  InstanceSample sample;
  sample.instance = instance;
  sample.checks_current = checks_current;
  sample.process = report.process();
  for (const v1::CheckState& check : report.checks()) sample.checks.push_back(CheckOf(check));
  sample.load = LoadOf(report.load());
  sample.restarts = report.restarts();
  sample.restart_budget_spent = report.restart_budget_spent();
  return sample;
}

uint64_t StateOf(const std::vector<InstanceSample>& samples) {
  uint64_t state = samples.size();
  const auto add = [&state](uint64_t value) { state = common::HashCombine(state, value); };
  for (const InstanceSample& sample : samples) {
    add(sample.instance);
    add(sample.checks_current);
    add(static_cast<uint64_t>(sample.process));
    add(sample.restarts);
    add(sample.restart_budget_spent);
    for (const CheckSample& check : sample.checks) {
      add(static_cast<uint64_t>(check.status) << 32 | static_cast<uint64_t>(check.failure));
    }
  }
  return state;
}

GatewayHelloInput GatewayInput(const v1::GatewayHello& hello, uint64_t session) {
  GatewayHelloInput input;
  input.gateway = hello.gateway_id();
  input.boot = hello.boot_id();
  input.session = session;
  input.place = {hello.locality().region(), hello.locality().zone()};
  for (const v1::HeldSlice& held : hello.slices()) {
    input.held.push_back({held.service(), {held.version().epoch(), held.version().revision()}});
  }
  return input;
}

std::vector<ObservationsInput> ObservationInputs(const v1::Observations& observations,
                                                 const Sender& sender) {
  std::vector<ObservationsInput> inputs;
  for (const v1::ServiceObservations& service : observations.services()) {
    ObservationsInput& input = inputs.emplace_back();
    input.gateway = sender.name;
    input.boot = sender.boot;
    input.session = sender.session;
    input.sequence = observations.sequence();
    input.window = FromProto(observations.window());
    input.service = service.service();
    input.version = {service.version().epoch(), service.version().revision()};
    for (const v1::EndpointObservation& seen : service.endpoints()) {
      input.endpoints.push_back(ObservationOf(seen));
    }
  }
  return inputs;
}

}  // namespace pointsman::controller
