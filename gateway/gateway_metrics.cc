#include "gateway/gateway_metrics.h"

#include <array>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/core/latency_histogram.h"

namespace pointsman::gateway {
namespace {

using Registry = common::Registry;

struct EngineSeries {
  const char* name;
  const char* help;
  uint64_t EngineStats::*value;
  bool gauge;
};

constexpr EngineSeries kEngineSeries[] = {
    {"pointsman_gateway_turns_total", "Turns of the workers' event loops.", &EngineStats::turns,
     false},
    {"pointsman_gateway_connections_accepted_total", "Client connections accepted.",
     &EngineStats::accepted, false},
    {"pointsman_gateway_connections", "Client connections open.", &EngineStats::connections, true},
    {"pointsman_gateway_connections_handed_off_total",
     "Connections given to a worker with fewer when they were accepted.", &EngineStats::handed_off,
     false},
    {"pointsman_gateway_connections_shed_total", "Client connections refused at the limit.",
     &EngineStats::shed_connections, false},
    {"pointsman_gateway_accept_failures_total", "Connections the system could not hand over.",
     &EngineStats::accept_failures, false},
    {"pointsman_gateway_tcp_connections_total",
     "Client connections passed through to TCP services.", &EngineStats::tcp_connections, false},
    {"pointsman_gateway_tcp_connections_open", "Client connections passed through now.",
     &EngineStats::tcp_open, true},
    {"pointsman_gateway_proxy_headers_total", "PROXY headers taken off connections.",
     &EngineStats::proxy_headers, false},
    {"pointsman_gateway_tls_handshakes_total", "TLS handshakes of clients, resumed ones included.",
     &EngineStats::tls_handshakes, false},
    {"pointsman_gateway_tls_resumed_total", "TLS handshakes of clients that resumed a session.",
     &EngineStats::tls_resumed, false},
    {"pointsman_gateway_tls_handshake_failures_total", "TLS handshakes of clients that failed.",
     &EngineStats::tls_handshake_failures, false},
    {"pointsman_gateway_tls_handshakes_in_progress", "TLS handshakes of clients in progress.",
     &EngineStats::tls_handshaking, true},
    {"pointsman_gateway_upstream_tls_handshakes_total", "TLS handshakes with endpoints.",
     &EngineStats::tls_upstream_handshakes, false},
    {"pointsman_gateway_upstream_tls_resumed_total",
     "TLS handshakes with endpoints that resumed a session.", &EngineStats::tls_upstream_resumed,
     false},
    {"pointsman_gateway_upstream_tls_failures_total", "TLS handshakes with endpoints that failed.",
     &EngineStats::tls_upstream_failures, false},
    {"pointsman_gateway_requests_total", "Requests whose head was complete.",
     &EngineStats::requests, false},
    {"pointsman_gateway_requests_in_flight", "Requests in progress.", &EngineStats::requests_active,
     true},
    {"pointsman_gateway_tunnels", "Upgraded requests (tunnels) open.", &EngineStats::tunnels, true},
    {"pointsman_gateway_tunnels_opened_total", "Requests whose upgrade an endpoint followed.",
     &EngineStats::tunnels_opened, false},
    {"pointsman_gateway_requests_waiting", "Requests that wait for their turn on their route.",
     &EngineStats::requests_waiting, true},
    {"pointsman_gateway_requests_waited_total", "Requests that had to wait for their turn.",
     &EngineStats::requests_waited, false},
    {"pointsman_gateway_requests_queued", "Requests that wait because their service is at a limit.",
     &EngineStats::requests_queued, true},
    {"pointsman_gateway_requests_queued_total",
     "Requests that had to wait because their service was at a limit.",
     &EngineStats::requests_queued_total, false},
    {"pointsman_gateway_requests_awaiting_body",
     "Requests whose body decides where they go, or that buffer_request holds until it is here.",
     &EngineStats::requests_awaiting_body, true},
    {"pointsman_gateway_requests_awaited_body_total", "Requests whose body was waited for.",
     &EngineStats::requests_awaited_body, false},
    {"pointsman_gateway_mirrors_total", "Copies of requests that were begun.",
     &EngineStats::mirrors, false},
    {"pointsman_gateway_mirrors_refused_total",
     "Copies of requests for which there was no room or no endpoint.",
     &EngineStats::mirrors_refused, false},
    {"pointsman_gateway_mirrors_broken_total",
     "Copies of requests broken off because their service was slower than the client.",
     &EngineStats::mirrors_broken, false},
    {"pointsman_gateway_bodies_too_large_total",
     "Bodies larger than replay_bytes: not matched on, or gone on before they were whole.",
     &EngineStats::bodies_too_large, false},
    {"pointsman_gateway_bodies_unreadable_total",
     "JSON bodies that routes could not match on: encoded, or no JSON.",
     &EngineStats::bodies_unreadable, false},
    {"pointsman_gateway_retries_total", "Further tries on another endpoint.", &EngineStats::retries,
     false},
    {"pointsman_gateway_hedges_total", "Second tries begun before the first had failed.",
     &EngineStats::hedges, false},
    {"pointsman_gateway_hedges_won_total", "Second tries that answered first.",
     &EngineStats::hedges_won, false},
    {"pointsman_gateway_outliers_failing_total",
     "Times an endpoint was avoided because it failed far oftener than the others.",
     &EngineStats::outliers_failing, false},
    {"pointsman_gateway_outliers_slow_total",
     "Times an endpoint was avoided because it was far slower than the others.",
     &EngineStats::outliers_slow, false},
    {"pointsman_gateway_stale_retries_total",
     "Tries repeated on a fresh connection after an idle one was found closed.",
     &EngineStats::stale_retries, false},
    {"pointsman_gateway_upstream_connections_opened_total", "Connections opened to endpoints.",
     &EngineStats::upstream_opened, false},
    {"pointsman_gateway_upstream_second_addresses_total",
     "Of the connections opened: at the second of an endpoint's two addresses, since the first "
     "failed or took too long.",
     &EngineStats::upstream_second_addresses, false},
    {"pointsman_gateway_upstream_connections_aged_total",
     "Connections to endpoints ended by their age or their number of requests.",
     &EngineStats::upstream_aged, false},
    {"pointsman_gateway_client_connections_aged_total",
     "Connections of clients ended by their age.", &EngineStats::clients_aged, false},
    {"pointsman_gateway_upstream_connections_reused_total", "Requests sent on kept connections.",
     &EngineStats::upstream_reused, false},
    {"pointsman_gateway_upstream_connections_idle", "Connections to endpoints kept for later.",
     &EngineStats::upstream_idle, true},
    {"pointsman_gateway_upstream_idle_closed_total", "Kept connections that were closed unused.",
     &EngineStats::upstream_idle_closed, false},
    {"pointsman_gateway_upstream_connections_shelved",
     "Of the connections kept for later, those that any worker may take.",
     &EngineStats::upstream_shelved, true},
    {"pointsman_gateway_upstream_shelf_taken_total",
     "Requests sent on a kept connection that was another worker's, or anybody's.",
     &EngineStats::upstream_shelf_taken, false},
    {"pointsman_gateway_upstream_requests_waiting",
     "Requests held back by the limit of streams of an HTTP/2 endpoint.",
     &EngineStats::upstream_waiting, true},
    {"pointsman_gateway_upstream_silent_closed_total",
     "HTTP/2 connections to endpoints that were closed for an unanswered PING.",
     &EngineStats::upstream_silent, false},
    {"pointsman_gateway_buffer_bytes", "Bytes of buffers in use: bodies that wait to be sent.",
     &EngineStats::buffer_bytes, true},
    {"pointsman_gateway_buffer_bytes_peak", "The most that were in use at once.",
     &EngineStats::buffer_bytes_peak, true},
    {"pointsman_gateway_buffer_bytes_limit",
     "At this new requests are answered 503, a quarter above it others end.",
     &EngineStats::buffer_bytes_limit, true},
    {"pointsman_gateway_received_bytes_total", "Bytes received from clients.",
     &EngineStats::received_bytes, false},
    {"pointsman_gateway_sent_bytes_total", "Bytes sent to clients.", &EngineStats::sent_bytes,
     false},
};

void RegisterEngine(const Engine& engine, Registry* registry) {
  for (const EngineSeries& series : kEngineSeries) {
    const auto read = [&engine, value = series.value] {
      return static_cast<double>(engine.Stats().*value);
    };
    if (series.gauge) {
      registry->AddGaugeCallback({series.name, series.help}, read);
    } else {
      registry->AddCounterCallback({series.name, series.help}, read);
    }
  }
  registry->AddCounterCollector(
      {"pointsman_gateway_responses_total", "Responses to clients by class of status."}, [&engine] {
        const EngineStats stats = engine.Stats();
        std::vector<Registry::Sample> samples;
        for (size_t i = 1; i < stats.responses.size(); ++i) {
          samples.push_back(
              {{{"class", absl::StrCat(i, "xx")}}, static_cast<double>(stats.responses[i])});
        }
        return samples;
      });
  registry->AddCounterCollector(
      {"pointsman_gateway_failures_total", "Requests the gateway itself ended, by reason."},
      [&engine] {
        const EngineStats stats = engine.Stats();
        std::vector<Registry::Sample> samples;
        for (size_t i = 1; i < stats.reasons.size(); ++i) {
          samples.push_back({{{"reason", std::string(ReasonName(static_cast<Reason>(i)))}},
                             static_cast<double>(stats.reasons[i])});
        }
        return samples;
      });
}

struct ControlSeries {
  const char* name;
  const char* help;
  uint64_t ControlStatus::*value;
};

constexpr ControlSeries kControlSeries[] = {
    {"pointsman_gateway_connects_total", "Streams opened to a controller.",
     &ControlStatus::connects},
    {"pointsman_gateway_bundles_total", "Bundles received.", &ControlStatus::bundles},
    {"pointsman_gateway_bundle_bytes_total", "Bytes of bundles received.",
     &ControlStatus::bundle_bytes},
    {"pointsman_gateway_frames_total", "Slice frames received.", &ControlStatus::frames},
    {"pointsman_gateway_nacks_total", "Frames and configurations refused.", &ControlStatus::nacks},
    {"pointsman_gateway_tables_total", "Routing tables published to the workers.",
     &ControlStatus::tables},
    {"pointsman_gateway_observations_total", "Observations sent.", &ControlStatus::observations},
    {"pointsman_gateway_observations_dropped_total",
     "Observations the controller's stream did not take; the next ones say it all.",
     &ControlStatus::observations_dropped},
    {"pointsman_gateway_snapshots_written_total", "Snapshots written to disk.",
     &ControlStatus::snapshots_written},
    {"pointsman_gateway_snapshots_failed_total", "Snapshots that could not be written.",
     &ControlStatus::snapshots_failed},
};

void RegisterCertificates(const Engine& engine, Registry* registry) {
  registry->AddGaugeCallback(
      {"pointsman_gateway_certificates_end_timestamp_seconds",
       "When the first of the listeners' certificates ends, seconds since 1970; 0: there is none."},
      [&engine] { return static_cast<double>(engine.certificates_end()); });
}

void RegisterControl(const ControlLoop& control, Registry* registry) {
  for (const ControlSeries& series : kControlSeries) {
    registry->AddCounterCallback({series.name, series.help}, [&control, value = series.value] {
      return static_cast<double>(control.status().*value);
    });
  }
  registry->AddGaugeCallback({"pointsman_gateway_connected", "1 while a controller sends bundles."},
                             [&control] { return control.status().connected ? 1.0 : 0.0; });
  registry->AddGaugeCallback(
      {"pointsman_gateway_snapshot_pending", "1 while the running table is not on disk yet."},
      [&control] { return control.status().snapshot_pending ? 1.0 : 0.0; });
  registry->AddGaugeCallback(
      {"pointsman_gateway_last_apply_seconds",
       "From the last bundle's arrival until every worker ran it."},
      [&control] { return absl::ToDoubleSeconds(control.status().last_apply); });
}

using Samples = std::vector<Registry::Sample>;
using OfService = std::function<void(const std::string& service, const CellTotals& totals)>;

// Of the running table.
void EachService(const ControlLoop& control, const OfService& take) {
  const auto table = control.CurrentTable();
  if (table == nullptr) return;
  control.WithCells([&](const EndpointCells& cells) {
    for (const auto& service : table->services) {
      if (service->cell.valid()) take(service->name, cells.Totals(service->cell));
    }
  });
}

// One sample a service.
Registry::Collector ByService(const ControlLoop& control, double (*value)(const CellTotals&)) {
  return [&control, value] {
    Samples samples;
    EachService(control, [&](const std::string& service, const CellTotals& totals) {
      samples.push_back({{{"service", service}}, value(totals)});
    });
    return samples;
  };
}

Samples Failures(const ControlLoop& control) {
  Samples samples;
  EachService(control, [&](const std::string& service, const CellTotals& totals) {
    const std::pair<const char*, uint64_t> kinds[] = {{"server_error", totals.server_errors},
                                                      {"timeout", totals.timeouts},
                                                      {"unanswered", totals.resets}};
    for (const auto& [kind, count] : kinds) {
      samples.push_back({{{"kind", kind}, {"service", service}}, static_cast<double>(count)});
    }
  });
  return samples;
}

int AvoidedOf(const ServiceTable& service, const EndpointCells& cells) {
  int count = 0;
  for (size_t i = 0; i < service.endpoints.size(); ++i) {
    const CellRef cell = service.endpoints[i].cell;
    if (cell.valid() && cells.Avoided(cell).workers > 0) ++count;
  }
  return count;
}

Samples AvoidedEndpoints(const ControlLoop& control) {
  Samples samples;
  const auto table = control.CurrentTable();
  if (table == nullptr) return samples;
  for (const auto& service : table->services) {
    control.WithCells([&](const EndpointCells& cells) {
      samples.push_back(
          {{{"service", service->name}}, static_cast<double>(AvoidedOf(*service, cells))});
    });
  }
  return samples;
}

std::vector<double> LatencyBounds() {
  std::vector<double> bounds;
  for (size_t i = 0; i + 1 < kCellLatencyBuckets; ++i) {
    bounds.push_back(absl::ToDoubleSeconds(common::LatencyHistogram::UpperBound(i)));
  }
  return bounds;
}

void RegisterLatencies(const ControlLoop& control, Registry* registry) {
  registry->AddHistogramCollector(
      {"pointsman_gateway_service_latency_seconds",
       "From a request to its answer's first byte, retries included, by service."},
      LatencyBounds(), [&control] {
        std::vector<Registry::HistogramSample> samples;
        EachService(control, [&samples](const std::string& service, const CellTotals& totals) {
          samples.push_back({{{"service", service}},
                             {totals.latency_buckets.begin(), totals.latency_buckets.end()},
                             static_cast<double>(totals.latency_sum_micros) / 1e6});
        });
        return samples;
      });
}

void RegisterServices(const ControlLoop& control, Registry* registry) {
  registry->AddGaugeCollector(
      {"pointsman_gateway_service_in_flight", "Requests in flight by service."},
      ByService(control, [](const CellTotals& t) { return static_cast<double>(t.in_flight); }));
  registry->AddCounterCollector(
      {"pointsman_gateway_service_requests_total",
       "Requests that ended, by service; those that clients left are not counted."},
      ByService(control, [](const CellTotals& t) { return static_cast<double>(t.requests); }));
  registry->AddCounterCollector(
      {"pointsman_gateway_service_failures_total",
       "Of these: answered 5xx by an endpoint, timed out, or not answered by any."},
      [&control] { return Failures(control); });
  RegisterLatencies(control, registry);
  registry->AddGaugeCollector(
      {"pointsman_gateway_service_learned_limit",
       "Requests that may be in flight as learned from response times; 0: nothing is learned."},
      ByService(control, [](const CellTotals& t) { return static_cast<double>(t.learned_limit); }));
  registry->AddGaugeCollector({"pointsman_gateway_service_endpoints_avoided",
                               "Endpoints that some worker avoids at the moment, by service."},
                              [&control] { return AvoidedEndpoints(control); });
  registry->AddGaugeCollector(
      {"pointsman_gateway_service_revision", "Revision of the slice that runs, by service."},
      [&control] {
        Samples samples;
        const auto table = control.CurrentTable();
        if (table == nullptr) return samples;
        for (const auto& service : table->services) {
          samples.push_back(
              {{{"service", service->name}}, static_cast<double>(service->version.revision)});
        }
        return samples;
      });
}

}  // namespace

void RegisterMetrics(const Engine& engine, const ControlLoop& control, common::Registry* registry) {
  RegisterEngine(engine, registry);
  RegisterCertificates(engine, registry);
  RegisterControl(control, registry);
  RegisterServices(control, registry);
}

void RegisterMetrics(const AccessLog& log, common::Registry* registry) {
  registry->AddCounterCallback(
      {"pointsman_gateway_access_log_lines_total", "Lines written to the access log."},
      [&log] { return static_cast<double>(log.Stats().lines); });
  registry->AddCounterCollector(
      {"pointsman_gateway_access_log_lost_total", "Lines of the access log lost, by reason."},
      [&log] {
        const AccessLogStats stats = log.Stats();
        return std::vector<Registry::Sample>{
            {{{"reason", "ring_full"}}, static_cast<double>(stats.lost_ring_full)},
            {{{"reason", "failure_limit"}}, static_cast<double>(stats.lost_failure_limit)},
            {{{"reason", "write"}}, static_cast<double>(stats.lost_write)}};
      });
}

}  // namespace pointsman::gateway
