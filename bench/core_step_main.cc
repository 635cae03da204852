// The controller's decisions alone: one shard core, without threads, mailboxes or gRPC, in
// simulated time. Tells the CPU of a report and of a tick for each agent, while every endpoint is
// in slow start and when all has settled, and the heap an agent costs. Under callgrind,
// --toggle-collect='*MeasureSlowStart*' or '*MeasureSettled*' keeps to one of them.

#include <malloc.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/core/shard_core.h"
#include "pointsman/v1/agent.pb.h"
#include "pointsman/v1/config.pb.h"

namespace pointsman::controller {
namespace {

using common::MonotonicTime;

struct Spent {
  double reports_us = 0;
  double ticks_us = 0;
  uint64_t reports = 0;
  uint64_t entries = 0;  // Of frames.
  uint64_t events = 0;
};

size_t HeapBytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

// One agent with one endpoint each, spread over services, reporting once a second in turn.
class Fleet {
 public:
  Fleet(uint32_t agents, uint32_t services) : agents_(agents), services_(services) {
    auto config = std::make_shared<v1::Config>();
    for (uint32_t i = 0; i < services; ++i) {
      v1::Service& service = *config->add_services();
      service.set_name(absl::StrCat("services/", ServiceOf(i)));
      service.add_checks()->mutable_http();
    }
    Step(ConfigInput{std::move(config), 1, "operator:bench"}, nullptr);
  }

  // All Hellos within a second.
  Spent Join() {
    Spent spent;
    const auto start = std::chrono::steady_clock::now();
    for (uint32_t i = 0; i < agents_; ++i) {
      auto info = std::make_shared<EndpointInfo>();
      info->id = absl::StrCat("host-", i, "-web");
      info->address = absl::StrCat("10.", i >> 16, ".", i >> 8 & 255, ".", i & 255, ":8080");
      AgentHelloInput hello;
      hello.agent = AgentOf(i);
      hello.boot = 1;
      hello.session = i + 1;
      hello.instances.push_back({ServiceOf(i), std::move(info), true, false});
      hello.actor = absl::StrCat("agent:", AgentOf(i));
      now_ = now_ + absl::Seconds(1) / agents_;
      Step(hello, &spent);
      ++spent.reports;
    }
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
    spent.reports_us = took.count();
    return spent;
  }

  // One simulated second after another.
  Spent Run(int seconds) {
    Spent spent;
    const MonotonicTime end = now_ + absl::Seconds(seconds);
    while (now_ < end) {
      Second(spent);
    }
    return spent;
  }

 private:
  static std::string AgentOf(uint32_t i) { return absl::StrCat("host-", i); }
  std::string ServiceOf(uint32_t i) const { return absl::StrCat("service-", i % services_); }

  void Step(const Input& input, Spent* spent) {
    const Effects effects = core_.Step(input, now_);
    if (effects.wake_at < wake_at_) wake_at_ = effects.wake_at;
    if (spent == nullptr) return;
    for (const Frame& frame : effects.frames) spent->entries += frame.entries.size();
    spent->events += effects.events.size();
  }

  void Second(Spent& spent) {
    ++sequence_;
    std::vector<Input> reports;
    for (uint32_t i = 0; i < agents_; ++i) reports.push_back(ReportOf(i));
    // In parts, since ticks fall between reports.
    constexpr uint32_t kParts = 20;
    for (uint32_t part = 0; part < kParts; ++part) {
      now_ = now_ + absl::Seconds(1) / kParts;
      const auto start = std::chrono::steady_clock::now();
      for (uint32_t i = agents_ * part / kParts; i < agents_ * (part + 1) / kParts; ++i) {
        Step(reports[i], &spent);
        ++spent.reports;
      }
      const auto middle = std::chrono::steady_clock::now();
      if (now_ >= wake_at_) {
        wake_at_ = now_ + absl::Seconds(1);
        Step(TickInput{}, &spent);
      }
      const std::chrono::duration<double, std::micro> reporting = middle - start;
      const std::chrono::duration<double, std::micro> ticking =
          std::chrono::steady_clock::now() - middle;
      spent.reports_us += reporting.count();
      spent.ticks_us += ticking.count();
    }
  }

  AgentReportInput ReportOf(uint32_t i) const {
    AgentReportInput report;
    report.agent = AgentOf(i);
    report.session = i + 1;
    report.boot = 1;
    report.sequence = sequence_;
    report.window = absl::Seconds(1);
    report.report_interval = absl::Seconds(1);
    report.host_cpu_utilisation = 0.3F + static_cast<float>(i % 7) * 0.02F;
    report.service = ServiceOf(i);
    InstanceSample sample;
    sample.checks_current = true;
    sample.process = v1::PROCESS_STATE_RUNNING;
    CheckSample check;
    check.status = v1::CHECK_STATUS_PASSING;
    check.consecutive = 3;
    check.last_status = 200;
    check.since = absl::Seconds(static_cast<double>(sequence_));
    check.last_latency = absl::Milliseconds(3);
    check.age = absl::Milliseconds(200);
    sample.checks.push_back(std::move(check));
    sample.load.in_flight = 2.0F + static_cast<float>(i % 5);
    sample.load.requests = sequence_ * 100;
    sample.load.errors = 0;
    report.instances.push_back(std::move(sample));
    return report;
  }

  const uint32_t agents_;
  const uint32_t services_;
  uint64_t sequence_ = 0;
  MonotonicTime now_ = MonotonicTime::FromMicros(1'000'000'000);
  MonotonicTime wake_at_ = MonotonicTime::Infinite();
  ShardCore core_{ShardOptions{}};
};

[[gnu::noinline]] Spent MeasureSlowStart(Fleet& fleet) { return fleet.Run(8); }
[[gnu::noinline]] Spent MeasureSettled(Fleet& fleet) { return fleet.Run(10); }

void Print(const char* phase, const Spent& spent) {
  const auto reports = static_cast<double>(spent.reports);
  std::printf(
      "%-12s %6.2f us a report  %6.2f us an agent and second for ticks  %6.2f together"
      "  %.2f entries and %.2f events an agent and second\n",
      phase, spent.reports_us / reports, spent.ticks_us / reports,
      (spent.reports_us + spent.ticks_us) / reports, static_cast<double>(spent.entries) / reports,
      static_cast<double>(spent.events) / reports);
}

void Main(uint32_t agents, uint32_t services) {
  Fleet fleet(agents, services);
  const size_t before = HeapBytes();
  Print("Hellos", fleet.Join());
  Print("first second", fleet.Run(1));
  Print("slow start", MeasureSlowStart(fleet));
  fleet.Run(10);
  Print("settled", MeasureSettled(fleet));
  std::printf("%u agents, %u services: %.0f bytes an agent\n", agents, services,
              static_cast<double>(HeapBytes() - before) / agents);
}

}  // namespace
}  // namespace pointsman::controller

// pm-bench-core-step [AGENTS [SERVICES]]
int main(int argc, char** argv) {
  const uint32_t agents = argc > 1 ? static_cast<uint32_t>(std::atoi(argv[1])) : 8000;
  const uint32_t services = argc > 2 ? static_cast<uint32_t>(std::atoi(argv[2])) : 100;
  if (agents == 0 || services == 0) return 2;
  pointsman::controller::Main(agents, services);
  return 0;
}
