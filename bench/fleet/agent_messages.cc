#include "bench/fleet/agent_messages.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace pointsman::bench {
namespace {

void SetMillis(google::protobuf::Duration* d, int64_t millis) {
  d->set_seconds(millis / 1000);
  d->set_nanos(static_cast<int32_t>(millis % 1000) * 1'000'000);
}

}  // namespace

v1::AgentMessage HelloOfAgent(uint32_t index, uint32_t services) {
  v1::AgentMessage message;
  v1::AgentHello& hello = *message.mutable_hello();
  hello.set_agent_id(absl::StrFormat("agent-%05d", index));
  hello.set_boot_id(0x9000'0000u + index);
  hello.set_version("bench");
  v1::Instance& instance = *hello.add_instances();
  instance.set_service(absl::StrCat("s", index % services));
  instance.mutable_endpoint()->set_id(absl::StrFormat("e%05d", index));
  instance.mutable_endpoint()->set_address(
      absl::StrFormat("10.%d.%d.%d:80", index >> 16, (index >> 8) & 255, index & 255));
  return message;
}

v1::AgentMessage HealthyReport() {
  v1::AgentMessage message;
  v1::AgentReport& report = *message.mutable_report();
  SetMillis(report.mutable_window(), 1000);
  report.mutable_host()->set_cpu_utilisation(0.4f);
  report.mutable_host()->set_memory_utilisation(0.5f);
  v1::InstanceReport& instance = *report.add_instances();
  instance.set_process(v1::PROCESS_STATE_RUNNING);
  v1::CheckState& check = *instance.add_checks();
  check.set_last_status(200);
  SetMillis(check.mutable_last_latency(), 2);
  v1::InstanceLoad& load = *instance.mutable_load();
  load.set_cpu_utilisation(0.4f);
  load.set_memory_bytes(100 << 20);
  SetCheck(true, &message);
  return message;
}

void SetCheck(bool passing, v1::AgentMessage* report) {
  v1::CheckState& check = *report->mutable_report()->mutable_instances(0)->mutable_checks(0);
  check.set_status(passing ? v1::CHECK_STATUS_PASSING : v1::CHECK_STATUS_FAILING);
  check.set_last_failure(passing ? v1::CHECK_FAILURE_UNSPECIFIED : v1::CHECK_FAILURE_REFUSED);
  check.set_consecutive(3);
  SetMillis(check.mutable_age(), 0);
  SetMillis(check.mutable_since(), 0);
}

void NumberReport(uint64_t sequence, v1::AgentMessage* report) {
  report->mutable_report()->set_sequence(sequence);
  v1::InstanceLoad& load = *report->mutable_report()->mutable_instances(0)->mutable_load();
  load.set_in_flight(1.0f + static_cast<float>(sequence % 7) * 0.1f);
  load.set_requests(sequence * 100);
  load.set_errors(0);
}

}  // namespace pointsman::bench
