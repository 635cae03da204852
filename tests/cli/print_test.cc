#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/exit_code.h"
#include "cli/print_config.h"
#include "cli/print_explain.h"
#include "cli/print_state.h"
#include "common/core/config_load.h"

namespace pointsman::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

template <typename Message>
Message FromYaml(absl::string_view text) {
  Message message;
  for (const auto& problem : common::ParseYaml(text, &message)) {
    ADD_FAILURE() << common::FormatProblem(problem, "");
  }
  return message;
}

v1::ListEndpointsResponse TwoEndpoints() {
  return FromYaml<v1::ListEndpointsResponse>(R"(
endpoints:
- name: services/web/endpoints/web-1
  endpoint: {id: web-1, address: "10.0.0.1:80", locality: {region: eu, zone: a}}
  agent: host-1
  verdict: healthy
  reason: checks_passed
  since: 3605s
  weight: 65536
  share: 0.8
  routable: true
  cpu_utilisation: 0.25
  in_flight: 3.5
  requests_per_second: 812.4
  latency_p50: 0.0021s
  latency_p99: 0.0135s
  report_age: 0.4s
- name: services/web/endpoints/web-2
  endpoint: {id: web-2, address: "10.0.0.2:80"}
  verdict: unhealthy
  reason: checks_failed
  cause: "http failed 3 times: refused"
  since: 12s
  weight: 16384
  share: 0.2
  routable: true
  requests_per_second: 2.5
  failures_per_second: 0.5
  restarts: 2
)");
}

TEST(PrintStateTest, EndpointsAsATable) {
  EXPECT_EQ(EndpointsTable(TwoEndpoints().endpoints(), false, Style{}),
            "ENDPOINT   VERDICT                WEIGHT  SHARE  REQUESTS  FAILURES     P50     P99  "
            "SINCE  WHY\n"
            "web/web-1  healthy                  1.00  80.0%     812/s       0/s  2.10ms  13.5ms  "
            "1h00m  checks_passed\n"
            "web/web-2  unhealthy (fail-open)    0.25  20.0%    2.50/s    0.50/s       -       -  "
            "12.0s  http failed 3 times: refused\n");
}

TEST(PrintStateTest, WideEndpointsShowLoadPlaceAndBars) {
  const std::string text = EndpointsTable(TwoEndpoints().endpoints(), true, Style{});
  EXPECT_THAT(text, AllOf(HasSubstr("##########"), HasSubstr("###......."), HasSubstr("25.0%"),
                          HasSubstr("10.0.0.1:80"), HasSubstr("eu/a"), HasSubstr("host-1"),
                          HasSubstr("(static)"), HasSubstr("RESTARTS")));
}

TEST(PrintStateTest, BarsCompareWhatIsInUseWithinAService) {
  const auto state = FromYaml<v1::ListEndpointsResponse>(R"(
endpoints:
- {name: services/web/endpoints/a, verdict: draining, weight: 131072}
- {name: services/web/endpoints/b, verdict: healthy, weight: 32768, share: 1, routable: true}
- {name: services/web/endpoints/c, verdict: healthy, weight: 16384, share: 0.5, routable: true}
- {name: services/other/endpoints/d, verdict: healthy, weight: 65536, share: 1, routable: true}
)");
  EXPECT_EQ(
      EndpointsTable(state.endpoints(), true, Style{}),
      "ENDPOINT  VERDICT   WEIGHT               SHARE  REQUESTS  FAILURES  RESTARTS  AGENT\n"
      "web/a     draining       -  ..........    0.0%       0/s       0/s         0  (static)\n"
      "web/b     healthy     0.50  ##########  100.0%       0/s       0/s         0  (static)\n"
      "web/c     healthy     0.25  #####.....   50.0%       0/s       0/s         0  (static)\n"
      "other/d   healthy     1.00  ##########  100.0%       0/s       0/s         0  (static)"
      "\n");
}

TEST(PrintStateTest, WatchLinesSayWhatChanged) {
  const v1::ListEndpointsResponse endpoints = TwoEndpoints();
  const v1::EndpointState& before = endpoints.endpoints(0);
  v1::EndpointState after = before;
  after.set_weight(65'000);
  after.set_requests_per_second(1);
  EXPECT_EQ(EndpointChange(&before, after, Style{}), "");
  after.set_weight(32'768);
  EXPECT_EQ(EndpointChange(&before, after, Style{}),
            "web/web-1  weight 1.00 -> 0.50  checks_passed\n");
  after.set_verdict(v1::VERDICT_UNHEALTHY);
  after.set_routable(false);
  after.set_cause("http failed 3 times");
  EXPECT_EQ(EndpointChange(&before, after, Style{}),
            "web/web-1  healthy -> unhealthy  weight 1.00 -> 0.50  http failed 3 times\n");
  EXPECT_EQ(EndpointChange(nullptr, before, Style{}),
            "web/web-1  healthy  weight 1.00  checks_passed\n");
}

TEST(PrintStateTest, AgentsGatewaysEventsAndStatus) {
  const auto agents = FromYaml<v1::ListAgentsResponse>(R"(
agents:
- {name: agents/host-1, connected: true, report_age: 0.5s, report_interval: 1s, reports: 7,
   instances: [web/web-1], refused: {REPLAYED: 2, BAD: 1}, version: 0.1.0, peer: "10.0.0.1:5000"}
)");
  EXPECT_EQ(
      AgentsTable(agents.agents(), false, Style{}),
      "NAME    STATE      REPORT  INTERVAL  REPORTS  VERSION  PEER           REFUSED          "
      "  INSTANCES\n"
      "host-1  connected   500ms     1.00s        7  0.1.0    10.0.0.1:5000  BAD 1, REPLAYED "
      "2  1\n");
  const auto gateways = FromYaml<v1::ListGatewaysResponse>(R"(
gateways:
- {name: gateways/gw-1, connected: false, slices: 3, slices_behind: 1, lag: 1.5s, nacks: 1,
   last_nack: "web: GAP", config: {epoch: 2, revision: 9}}
)");
  EXPECT_THAT(GatewaysTable(gateways.gateways(), false, Style{}),
              AllOf(HasSubstr("gw-1"), HasSubstr("gone"), HasSubstr("1.50s"), HasSubstr("2.9"),
                    HasSubstr("web: GAP")));
  const auto events = FromYaml<v1::ListEventsResponse>(R"(
events:
- {sequence: 1, time: "2026-01-02T03:04:05Z", type: endpoint.verdict, actor: controller,
   subject: services/web/endpoints/web-2, summary: "HEALTHY to UNHEALTHY", details: {b: "2", a: "1"}}
)");
  EXPECT_EQ(EventsTable(events.events(), true, Style{}, absl::UTCTimeZone()),
            "TIME                 TYPE              SUBJECT    ACTOR       SUMMARY\n"
            "2026-01-02 03:04:05  endpoint.verdict  web/web-2  controller  HEALTHY to UNHEALTHY "
            "{a=1, b=2}\n");
  const auto status = FromYaml<v1::ControllerStatus>(R"(
{version: 0.1.0, store_id: abc, epoch: 3, config_revision: 12, uptime: 90s, services: 2,
 endpoints: 5, endpoints_routable: 4, agents_connected: 1, gateways_connected: 2,
 fail_open: [web], frozen: true, freeze_cause: "operator:alice: upgrade", store_error: "disk full"}
)");
  EXPECT_EQ(StatusText(status, Style{}),
            "Version:        0.1.0\n"
            "Uptime:         1m30s\n"
            "Configuration:  revision 12\n"
            "Epoch:          3\n"
            "Services:       2\n"
            "Endpoints:      5, 4 routable\n"
            "Connected:      1 agent, 2 gateways\n"
            "Fail-open:      web\n"
            "Freeze:         frozen: operator:alice: upgrade\n"
            "Store:          takes no writes: disk full\n");
}

TEST(PrintConfigTest, RoutesShowWhatTheyMatchOnAndWhatLimitsThem) {
  const auto config = FromYaml<v1::Config>(R"(
routes:
- {name: a, service: web, match: {json: [{pointer: /model, exact: "a\nb"}, {pointer: /x, present: false}]}, buffer_request: true}
- {name: b, service: web, match: {json: [{pointer: /model, prefix: s}, {pointer: /y, matches: "z+"}, {pointer: /v}]}}
- {name: c, service: web, rate_limit: {requests_per_second: 0.5, burst: 7, max_wait: 2s}, buffer_request: true}
)");
  const std::string text = RoutesTable(config.routes(), Style{});
  EXPECT_THAT(text, HasSubstr("json/model=a\\nb !json/x"));
  EXPECT_THAT(text, HasSubstr("json/model=s* json/y~z+ json/v"));
  EXPECT_THAT(text, HasSubstr("0.5/s burst 7 wait 2.00s, buffered"));
}

TEST(PrintConfigTest, ServicesRoutesOverridesAndRevisions) {
  const auto config = FromYaml<v1::Config>(R"(
services:
- {name: services/web, weights: {signal: in_flight}, checks: [{http: {path: /healthz}}, {tcp: {}}], revision: 4}
- {name: services/empty}
routes:
- {name: routes/web, hosts: [a.example.com], match: {prefix: /api, methods: [GET]}, service: web, request_timeout: 5s, rate_limit: {requests_per_second: 200}}
- {name: routes/gone, direct_response: {status: 410}}
overrides:
- {name: overrides/web.web-1, service: web, endpoint: web-1, drain: true, author: "operator:a"}
- {name: overrides/x, service: web, endpoint: web-2, weight: 0.5}
)");
  const std::string services =
      ServicesTable(config.services(), TwoEndpoints().endpoints(), Style{});
  EXPECT_THAT(services, AllOf(HasSubstr("web      2/2     815/s    0.50/s  in_flight"),
                              HasSubstr("http /healthz, tcp"), HasSubstr("empty    0/0")));
  EXPECT_EQ(RoutesTable(config.routes(), Style{}),
            "NAME  HOSTS          MATCH      ACTION        LIMIT  TIMEOUT  REVISION\n"
            "web   a.example.com  /api* GET  services/web  200/s    5.00s         0\n"
            "gone  all            all        answer 410        -        -         0\n");
  EXPECT_EQ(OverridesTable(config.overrides(), Style{}, absl::UTCTimeZone()),
            "NAME       ENDPOINT   ACTION        AUTHOR\n"
            "web.web-1  web/web-1  drain         operator:a\n"
            "x          web/web-2  weight x0.50  -\n");
  const auto revisions = FromYaml<v1::ListRevisionsResponse>(R"(
revisions:
- {revision: 2, time: "2026-01-02T03:04:05Z", actor: "operator:a", comment: c, changed: [a, b, c, d]}
)");
  EXPECT_THAT(RevisionsTable(revisions.revisions(), Style{}, absl::UTCTimeZone()),
              HasSubstr("a, b, c and 1 more"));
}

TEST(PrintConfigTest, ChangesWithTheirLines) {
  const auto response = FromYaml<v1::ApplyResponse>(R"(
changes:
- {kind: updated, name: services/web, before: "a: 1\nb: 2\n", after: "a: 1\nb: 3\n"}
- {kind: deleted, name: routes/old, before: "name: old\n"}
)");
  EXPECT_EQ(ChangesText(response.changes(), false, Style{}),
            "updated services/web\ndeleted routes/old\n");
  EXPECT_EQ(ChangesText(response.changes(), true, Style{}),
            "updated services/web\n  a: 1\n- b: 2\n+ b: 3\ndeleted routes/old\n- name: old\n");
}

TEST(PrintExplainTest, ShowsInputsThresholdsArithmeticAndWhatWouldChangeIt) {
  const auto explanation = FromYaml<v1::Explanation>(R"(
name: services/web/endpoints/web-2
version: {epoch: 2, revision: 17}
verdict:
  result: UNHEALTHY
  age: 3s
  reason: checks_failed
  inputs:
  - {name: check.http, value: "failing 3", threshold: "fall 3", source: "agent:host-2", age: 0.2s}
  - {name: agent.liveness, value: "0.2s", source: controller}
  would_change: ["2 passed runs of check http"]
weight:
  result: "43691"
  age: 1s
  arithmetic: ["capacity = 120.0 rps / 0.48 = 250.0 rps"]
)");
  EXPECT_EQ(ExplanationText(explanation, Style{}),
            "web/web-2 in slice epoch 2, revision 17\n"
            "\n"
            "Verdict: UNHEALTHY, decided 3.00s ago (checks_failed)\n"
            "  INPUT               VALUE  THRESHOLD  SOURCE          AGE\n"
            "  check.http      failing 3     fall 3  agent:host-2  200ms\n"
            "  agent.liveness       0.2s          -  controller        -\n"
            "  What would change it\n"
            "    - 2 passed runs of check http\n"
            "\n"
            "Weight: 0.67 of nominal (43691 of 65536), decided 1.00s ago\n"
            "  Arithmetic\n"
            "    capacity = 120.0 rps / 0.48 = 250.0 rps\n");
  EXPECT_THAT(ExplanationText(explanation, Style{.colour = true}), HasSubstr("\x1b[31mUNHEALTHY"));
}

TEST(ExitCodeTest, TableAndMapping) {
  EXPECT_EQ(ExitCodeOf(absl::NotFoundError("")), ExitCode::kNotFound);
  EXPECT_EQ(ExitCodeOf(absl::AbortedError("")), ExitCode::kRefused);
  EXPECT_EQ(ExitCodeOf(absl::DeadlineExceededError("")), ExitCode::kUnavailable);
  EXPECT_EQ(ExitCodeOf(absl::PermissionDeniedError("")), ExitCode::kDenied);
  EXPECT_EQ(ExitCodeOf(absl::InternalError("")), ExitCode::kInternal);
  EXPECT_THAT(ExitCodeTable(), AllOf(HasSubstr("2     invalid"), Not(HasSubstr("9 "))));
}

}  // namespace
}  // namespace pointsman::cli
