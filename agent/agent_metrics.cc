#include "agent/agent_metrics.h"

#include "absl/time/time.h"

namespace pointsman::agent {
namespace {

common::Counter* Count(common::Registry& registry, const char* name, const char* help) {
  return &registry.AddCounter({.name = name, .help = help});
}

common::Counter* CountBy(common::Registry& registry, const char* name, const char* help,
                         const char* key, const char* value) {
  return &registry.AddCounter({.name = name, .help = help, .labels = {{key, value}}});
}

constexpr char kRuns[] = "pointsman_agent_check_runs_total";
constexpr char kRunsHelp[] = "Runs of checks that ended.";
constexpr char kRefused[] = "pointsman_agent_refused_total";
constexpr char kRefusedHelp[] = "What was refused, by what it was and who refused it.";

}  // namespace

AgentMetrics::AgentMetrics(common::Registry& registry)
    : checks_passed_{CountBy(registry, kRuns, kRunsHelp, "result", "passed")},
      checks_failed_{CountBy(registry, kRuns, kRunsHelp, "result", "failed")},
      check_changes_{Count(registry, "pointsman_agent_check_changes_total",
                           "Changes of checks' states after rise and fall.")},
      reports_{Count(registry, "pointsman_agent_reports_total", "Reports handed to the stream.")},
      metrics_refused_{CountBy(registry, kRefused, kRefusedHelp, "what", "service_metrics")},
      commands_refused_{CountBy(registry, kRefused, kRefusedHelp, "what", "command")},
      messages_refused_{CountBy(registry, kRefused, kRefusedHelp, "what", "message_by_controller")},
      restarts_{Count(registry, "pointsman_agent_restarts_total", "Restarts begun.")},
      restarts_failed_{Count(registry, "pointsman_agent_restarts_failed_total",
                             "Restarts after which the checks did not pass.")},
      unreadable_{CountBy(registry, kRefused, kRefusedHelp, "what", "kernel_file")},
      streams_{Count(registry, "pointsman_agent_streams_total",
                     "Streams to a controller opened or tried.")},
      conflated_{Count(registry, "pointsman_agent_reports_conflated_total",
                       "Reports that a newer one replaced before they were written.")},
      connected_(registry.AddGauge({.name = "pointsman_agent_connected",
                                    .help = "1 while a controller has welcomed this agent."})),
      instances_(registry.AddGauge(
          {.name = "pointsman_agent_instances", .help = "Instances in the agent's file."})),
      report_interval_(
          registry.AddGauge({.name = "pointsman_agent_report_interval_seconds",
                             .help = "Time between two reports, as the controller paces it."})),
      state_writable_(registry.AddGauge({.name = "pointsman_agent_state_writable",
                                         .help = "1 when the state file was last written."})) {
  static constexpr const char* kStatus[] = {"not_run", "passing", "degraded", "failing"};
  for (const char* status : kStatus) {
    checks_by_status_.push_back(&registry.AddGauge({.name = "pointsman_agent_checks",
                                                    .help = "Checks by state.",
                                                    .labels = {{"status", status}}}));
  }
}

void AgentMetrics::Publish(const AgentCore& core, uint64_t unreadable_files) {
  const AgentCounters& counters = core.counters();
  checks_passed_.Follow(counters.checks_passed);
  checks_failed_.Follow(counters.checks_failed);
  check_changes_.Follow(counters.check_changes);
  reports_.Follow(counters.reports);
  metrics_refused_.Follow(counters.metrics_refused);
  commands_refused_.Follow(counters.commands_refused);
  messages_refused_.Follow(counters.messages_refused);
  restarts_.Follow(counters.restarts_started);
  restarts_failed_.Follow(counters.restarts_failed);
  unreadable_.Follow(unreadable_files);
  const std::vector<size_t> counts = core.CheckCounts();
  for (size_t i = 0; i < counts.size() && i < checks_by_status_.size(); ++i) {
    checks_by_status_[i]->Set(static_cast<double>(counts[i]));
  }
  instances_.Set(static_cast<double>(core.config().instances.size()));
  report_interval_.Set(absl::ToDoubleSeconds(core.report_interval()));
}

void AgentMetrics::SetStream(bool welcomed, uint64_t streams, uint64_t reports_conflated) {
  connected_.Set(welcomed ? 1 : 0);
  streams_.Follow(streams);
  conflated_.Follow(reports_conflated);
}

}  // namespace pointsman::agent
