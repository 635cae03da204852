#include "controller/server_metrics.h"

#include <algorithm>
#include <functional>

#include "common/version.h"

namespace pointsman::controller {
namespace {

// A sum over all shards.
template <typename Pick>
std::function<double()> Sum(const ShardSet* shards, Pick pick) {
  return [shards, pick] {
    double sum = 0;
    for (const ShardLoad& load : shards->Loads()) sum += static_cast<double>(pick(load));
    return sum;
  };
}

void RegisterShards(common::Registry& registry, const ShardSet* shards) {
  registry.AddGaugeCallback(
      {"pointsman_controller_mailbox_letters", "Messages waiting for the shards, ordered ones."},
      Sum(shards, [](const ShardLoad& l) { return l.mailbox.lane; }));
  registry.AddGaugeCallback(
      {"pointsman_controller_mailbox_slots", "Messages waiting for the shards, conflating ones."},
      Sum(shards, [](const ShardLoad& l) { return l.mailbox.slots; }));
  registry.AddCounterCallback(
      {"pointsman_controller_mailbox_posted_total", "Messages posted to the shards."},
      Sum(shards, [](const ShardLoad& l) { return l.mailbox.posted; }));
  registry.AddCounterCallback(
      {"pointsman_controller_mailbox_conflated_total", "Messages replaced by a newer one."},
      Sum(shards, [](const ShardLoad& l) { return l.mailbox.conflated; }));
  registry.AddCounterCallback(
      {"pointsman_controller_mailbox_refused_total", "Messages refused at a mailbox's limit."},
      Sum(shards, [](const ShardLoad& l) { return l.mailbox.refused; }));
  registry.AddCounterCallback({"pointsman_controller_mailbox_shed_total",
                               "Endpoints left out of observations that waited for the shards."},
                              Sum(shards, [](const ShardLoad& l) { return l.mailbox.shed; }));
  registry.AddCounterCallback({"pointsman_controller_steps_total", "Steps of the shards' cores."},
                              Sum(shards, [](const ShardLoad& l) { return l.steps; }));
  registry.AddCounterCallback(
      {"pointsman_controller_busy_seconds_total", "Time the shards' threads worked."},
      Sum(shards, [](const ShardLoad& l) { return absl::ToDoubleSeconds(l.busy); }));
  registry.AddGaugeCallback(
      {"pointsman_controller_loop_lag_seconds", "How late the latest shard's last tick was."},
      [shards] {
        absl::Duration lag;
        for (const ShardLoad& l : shards->Loads()) lag = std::max(lag, l.lag);
        return absl::ToDoubleSeconds(lag);
      });
}

// What the cores decided and what they left out.
void RegisterCores(common::Registry& registry, const ShardSet* shards) {
  struct Row {
    const char* name;
    const char* help;
    uint64_t CoreCounters::*counter;
  };
  static constexpr Row kRows[] = {
      {"pointsman_controller_reports_stale_total",
       "Reports left out: session, boot or sequence not newer.", &CoreCounters::reports_stale},
      {"pointsman_controller_instances_unknown_total",
       "Parts of reports of instances that no Hello named.", &CoreCounters::instances_unknown},
      {"pointsman_controller_observations_total", "Gateways' observations of one service taken.",
       &CoreCounters::observations},
      {"pointsman_controller_observations_stale_total",
       "Observations left out: of an old session or slice.", &CoreCounters::observations_stale},
      {"pointsman_controller_handles_unknown_total",
       "Observed endpoints that are not in the slice any more.", &CoreCounters::handles_unknown},
      {"pointsman_controller_counters_reset_total",
       "Cumulative counters that went back without a new boot.", &CoreCounters::counters_reset},
      {"pointsman_controller_verdict_changes_total", "Changes of endpoints' verdicts.",
       &CoreCounters::verdict_changes},
      {"pointsman_controller_removals_capped_total",
       "Endpoints that the cap on removals began to hold back.", &CoreCounters::removals_capped},
      {"pointsman_controller_weight_steps_total", "Steps of the weight control.",
       &CoreCounters::weight_steps},
      {"pointsman_controller_limits_reached_total",
       "Agents, gateways and endpoints left out at a limit.", &CoreCounters::limit_reached},
      {"pointsman_controller_restarts_granted_total", "Restarts granted to agents.",
       &CoreCounters::grants},
      {"pointsman_controller_restarts_refused_total", "Restarts refused to agents.",
       &CoreCounters::grants_refused},
  };
  for (const Row& row : kRows) {
    registry.AddCounterCallback(
        {row.name, row.help},
        Sum(shards, [counter = row.counter](const ShardLoad& l) { return l.core.*counter; }));
  }
}

// One number of the publisher.
template <typename Pick>
std::function<double()> Of(const Publisher* publisher, Pick pick) {
  return [publisher, pick] { return static_cast<double>(pick(publisher->counters())); };
}

void RegisterPublisher(common::Registry& registry, const Publisher* publisher) {
  using Counters = PublisherCounters;
  registry.AddCounterCallback({"pointsman_controller_frames_total", "Changes of slices."},
                              Of(publisher, [](const Counters& c) { return c.frames; }));
  registry.AddCounterCallback({"pointsman_controller_frame_bytes_total", "Bytes of changes."},
                              Of(publisher, [](const Counters& c) { return c.frame_bytes; }));
  registry.AddCounterCallback({"pointsman_controller_bundles_total", "Bundles sent to gateways."},
                              Of(publisher, [](const Counters& c) { return c.bundles; }));
  registry.AddCounterCallback({"pointsman_controller_bundle_bytes_total", "Bytes of bundles."},
                              Of(publisher, [](const Counters& c) { return c.bundle_bytes; }));
  registry.AddCounterCallback(
      {"pointsman_controller_frames_computed_total", "Frames computed for gateways that lagged."},
      Of(publisher, [](const Counters& c) { return c.computed; }));
  registry.AddCounterCallback({"pointsman_controller_nacks_total", "Refusals by gateways."},
                              Of(publisher, [](const Counters& c) { return c.nacks; }));
  registry.AddGaugeCallback(
      {"pointsman_controller_bundles_unacknowledged", "Gateways with a bundle under way."},
      Of(publisher, [](const Counters& c) { return c.outstanding; }));
}

void RegisterStore(common::Registry& registry, const SqliteStore* store, const EventLog* events) {
  registry.AddGaugeCallback({"pointsman_controller_store_writable", "1: the store takes writes."},
                            [store] { return store->Health().writable ? 1.0 : 0.0; });
  registry.AddCounterCallback(
      {"pointsman_controller_store_write_failures_total", "Writes the store did not take."},
      [store] { return static_cast<double>(store->Health().write_failures); });
  registry.AddCounterCallback({"pointsman_controller_events_total", "Events recorded."}, [events] {
    return static_cast<double>(events->counters().recorded);
  });
  registry.AddCounterCallback(
      {"pointsman_controller_events_dropped_total", "Events not written: the queue was full."},
      [events] { return static_cast<double>(events->counters().dropped); });
}

}  // namespace

common::MetricName RefusedMetric() {
  return {"pointsman_controller_refused_total",
          "Messages of agents and gateways that were dropped, and their streams that were ended "
          "with an error, by code."};
}

common::MetricName AdminErrorsMetric() {
  return {"pointsman_controller_admin_errors_total",
          "Calls of the admin API that ended with an error, by code."};
}

common::Histogram& AddPublishTimes(common::Registry& registry) {
  return registry.AddHistogram({"pointsman_controller_report_to_publish_seconds",
                                "From a report's arrival until the change it made was handed to "
                                "the gateways' streams."},
                               common::WorkBounds());
}

void RegisterServerMetrics(common::Registry& registry, const MetricSources& from) {
  registry
      .AddGauge({"pointsman_controller_info",
                 "Version, as a label.",
                 {{"version", std::string(common::Version())}}})
      .Set(1);
  RegisterShards(registry, from.shards);
  RegisterCores(registry, from.shards);
  RegisterPublisher(registry, from.publisher);
  RegisterStore(registry, from.store, from.events);
  registry.AddGaugeCallback(
      {"pointsman_controller_agents_connected", "Agents with a stream."},
      [agents = from.agents] { return static_cast<double>(agents->connected()); });
  registry.AddGaugeCallback(
      {"pointsman_controller_gateways_connected", "Gateways with a stream."},
      [gateways = from.gateways] { return static_cast<double>(gateways->connected()); });
  registry.AddCounterCallback(
      {"pointsman_controller_reports_total", "Reports of agents taken."},
      [agents = from.agents] { return static_cast<double>(agents->reports()); });
  registry.AddGaugeCallback(
      {"pointsman_controller_report_cost_seconds", "CPU of one report, transport included."},
      [keeper = from.housekeeper] { return absl::ToDoubleSeconds(keeper->report_cost()); });
  registry.AddGaugeCallback(
      {"pointsman_controller_report_interval_seconds", "Interval agents are told to report at."},
      [keeper = from.housekeeper] { return absl::ToDoubleSeconds(keeper->report_interval()); });
}

}  // namespace pointsman::controller
