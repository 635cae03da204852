#include "common/core/config_validate.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <limits>

#include "absl/strings/str_cat.h"
#include "common/core/config_load.h"

namespace pointsman::common {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

v1::Config Parsed(absl::string_view text) {
  absl::StatusOr<v1::Config> config = ParseConfig(text, "test");
  EXPECT_TRUE(config.ok()) << config.status() << "\n" << text;
  if (!config.ok()) return {};
  NormalizeConfig(&*config);
  return *config;
}

// "path code" of the only problem, or a text that says otherwise.
std::string OnlyProblem(const ConfigProblems& problems) {
  if (problems.empty()) return "none";
  if (problems.size() > 1) {
    return absl::StrCat(problems.size(), " problems: ", FormatProblem(problems[0], ""), " ",
                        FormatProblem(problems[1], ""));
  }
  return absl::StrCat(problems[0].path, " ", problems[0].code);
}

struct Case {
  // Fields of one service, check, route, override or endpoint in flow style.
  std::string fields;
  std::string expected;
};

TEST(ConfigValidateTest, ServiceRules) {
  const Case kCases[] = {
      {"health: {removal_cap: 0.005}", "health.removal_cap CONFIG_RANGE"},
      {"health: {removal_cap: 1.01}", "health.removal_cap CONFIG_RANGE"},
      {"health: {removal_cap: 1, removal_window: 1s}", "none"},
      {"health: {removal_window: 999ms}", "health.removal_window CONFIG_RANGE"},
      {"health: {fail_open_below: 0}", "none"},
      {"health: {fail_open_below: -0.1}", "health.fail_open_below CONFIG_RANGE"},
      {"health: {deregister_after: 4s}", "health.deregister_after CONFIG_RANGE"},
      {"health: {silent_after: 11m}", "health.silent_after CONFIG_RANGE"},
      {"weights: {min_factor: 2}", "weights.min_factor CONFIG_RANGE"},
      {"weights: {max_factor: 0.5}", "weights.max_factor CONFIG_RANGE"},
      {"weights: {slow_start: -1s}", "weights.slow_start CONFIG_RANGE"},
      {"weights: {slow_start: 0s, slow_start_initial: 0.01, blend: 1}", "none"},
      {"weights: {slow_start_initial: 2}", "weights.slow_start_initial CONFIG_RANGE"},
      {"weights: {blend: 0.001}", "weights.blend CONFIG_RANGE"},
      {"weights: {control_period: 50ms}", "weights.control_period CONFIG_RANGE"},
      {"tls: {server_name: a.internal}", "none"},
      {"tls: {insecure: true}", "none"},
      {"tls: {}", "tls.server_name CONFIG_REQUIRED"},
      {"tls: {server_name: \"a b\"}", "tls.server_name CONFIG_VALUE"},
      {"tls: {server_name: a.internal, ca_pem: nonsense}", "tls.ca_pem CONFIG_VALUE"},
      {"authority: \"api.example.org:8443\"", "none"},
      {"authority: \"a b\"", "authority CONFIG_VALUE"},
      {"authority: \"unix:/run/a.sock\"", "authority CONFIG_VALUE"},
      {"authority: a.example, protocol: tcp", "authority CONFIG_CONFLICT"},
      {"failover: {overprovisioning: 0.9}", "failover.overprovisioning CONFIG_RANGE"},
      {"recovery: {max_share: 2}", "recovery.max_share CONFIG_RANGE"},
      {"recovery: {grant_lease: 1s}", "recovery.grant_lease CONFIG_RANGE"},
      {"timeouts: {connect: 0s}", "timeouts.connect CONFIG_RANGE"},
      {"timeouts: {first_byte: 25h}", "timeouts.first_byte CONFIG_RANGE"},
      {"timeouts: {idle: 0s}", "timeouts.idle CONFIG_RANGE"},
      {"timeouts: {request: 0s}", "none"},
      {"timeouts: {request: -1s}", "timeouts.request CONFIG_RANGE"},
      {"timeouts: {request: 25h}", "timeouts.request CONFIG_RANGE"},
      {"retries: {max_retries: 6}", "retries.max_retries CONFIG_RANGE"},
      {"retries: {per_try_timeout: 31s}", "retries.per_try_timeout CONFIG_RANGE"},
      {"retries: {per_try_timeout: 31s}, timeouts: {first_byte: 40s}", "none"},
      {"retries: {budget_ratio: 1.5}", "retries.budget_ratio CONFIG_RANGE"},
      {"retries: {budget_min_per_second: 1001}", "retries.budget_min_per_second CONFIG_RANGE"},
  };
  for (const Case& c : kCases) {
    const v1::Config config = Parsed("services: [{name: web, " + c.fields + "}]");
    EXPECT_EQ(OnlyProblem(ValidateService(config.services(0))), c.expected) << c.fields;
  }
}

TEST(ConfigValidateTest, CheckRules) {
  const Case kCases[] = {
      {"http: {}", "none"},
      {"http: {path: healthz}", ".http.path CONFIG_VALUE"},
      {"http: {path: \"/a b\"}", ".http.path CONFIG_VALUE"},
      {"http: {path: /" + std::string(1024, 'a') + "}", ".http.path CONFIG_LIMIT"},
      {"http: {method: POST}", ".http.method CONFIG_VALUE"},
      {"http: {method: HEAD, statuses: [204, 200-299]}", "none"},
      {"http: {statuses: [2xx]}", ".http.statuses[0] CONFIG_VALUE"},
      {"http: {statuses: [204, 299-200]}", ".http.statuses[1] CONFIG_VALUE"},
      {"http: {statuses: [600]}", ".http.statuses[0] CONFIG_VALUE"},
      {"http: {host: \"a\\r\\nb\"}", ".http.host CONFIG_VALUE"},
      {"http: {headers: {\"a b\": c}}", ".http.headers CONFIG_VALUE"},
      {"http: {headers: {a: \"c\\nd\"}}", ".http.headers CONFIG_VALUE"},
      {"http: {response_header: {name: x, matches: \"(\"}}",
       ".http.response_header.matches CONFIG_PATTERN"},
      {"http: {response_header: {exact: x}}", ".http.response_header.name CONFIG_REQUIRED"},
      {"http: {body_matches: \"ok|fine\"}", "none"},
      {"http: {body_matches: \"(\"}", ".http.body_matches CONFIG_PATTERN"},
      {"http: {body_matches: \"((a{100}){100}){100}\"}", ".http.body_matches CONFIG_PATTERN"},
      {"http: {body_matches: \"" + std::string(1025, 'a') + "\"}",
       ".http.body_matches CONFIG_LIMIT"},
      {"http: {tls_insecure: true}", ".http.tls_insecure CONFIG_CONFLICT"},
      {"http: {port: 65536}", ".http.port CONFIG_RANGE"},
      {"tcp: {send: " + std::string(1025, 'a') + "}", ".tcp.send CONFIG_LIMIT"},
      {"tcp: {send: PING, expect_hex: 00Ff}", "none"},
      {"tcp: {send_hex: 0}", ".tcp.send_hex CONFIG_VALUE"},
      {"tcp: {expect_hex: 0g}", ".tcp.expect_hex CONFIG_VALUE"},
      {"tcp: {expect_hex: " + std::string(2050, 'a') + "}", ".tcp.expect_hex CONFIG_LIMIT"},
      {"tcp: {send: a, send_hex: 00}", ".tcp.send_hex CONFIG_CONFLICT"},
      {"tcp: {port: 70000}", ".tcp.port CONFIG_RANGE"},
      {"interval: 1s", " CONFIG_REQUIRED"},
      {"tcp: {}, name: \"Not good\"", ".name CONFIG_VALUE"},
      {"tcp: {}, interval: 99ms, timeout: 50ms, transition_interval: 50ms",
       ".interval CONFIG_RANGE"},
      {"tcp: {}, interval: 11m", ".interval CONFIG_RANGE"},
      {"tcp: {}, interval: 1s, timeout: 2s", ".timeout CONFIG_RANGE"},
      {"tcp: {}, timeout: 5ms", ".timeout CONFIG_RANGE"},
      {"tcp: {}, timeout: 2500ms", ".timeout CONFIG_RANGE"},
      {"tcp: {}, transition_interval: 3s", ".transition_interval CONFIG_RANGE"},
      {"tcp: {}, degraded_after: 1100ms", ".degraded_after CONFIG_RANGE"},
      {"tcp: {}, degraded_after: 900ms", "none"},
      {"tcp: {}, fall: 101", ".fall CONFIG_RANGE"},
  };
  for (const Case& c : kCases) {
    const v1::Config config = Parsed("services: [{name: web, checks: [{" + c.fields + "}]}]");
    const std::string expected = c.expected == "none" ? "none" : "checks[0]" + c.expected;
    EXPECT_EQ(OnlyProblem(ValidateService(config.services(0))), expected) << c.fields;
  }
}

TEST(ConfigValidateTest, ChecksHaveNamesOfTheirOwn) {
  const v1::Config two = Parsed("services: [{name: web, checks: [{http: {}}, {http: {}}]}]");
  EXPECT_EQ(OnlyProblem(ValidateService(two.services(0))), "checks[1].name CONFIG_DUPLICATE");
  const v1::Config named =
      Parsed("services: [{name: web, checks: [{http: {}}, {tcp: {}}, {name: a, http: {}}]}]");
  EXPECT_EQ(OnlyProblem(ValidateService(named.services(0))), "none");
}

TEST(ConfigValidateTest, OverrideRules) {
  const Case kCases[] = {
      {"drain: true", "none"},
      {"drain: false", "drain CONFIG_VALUE"},
      {"eject: false", "eject CONFIG_VALUE"},
      {"weight: 0", "weight CONFIG_RANGE"},
      {"weight: 100", "none"},
      {"comment: x", " CONFIG_REQUIRED"},
      {"drain: true, comment: " + std::string(256, 'x'), "comment CONFIG_LIMIT"},
  };
  for (const Case& c : kCases) {
    const v1::Config config =
        Parsed("overrides: [{name: o, service: web, endpoint: a, " + c.fields + "}]");
    EXPECT_EQ(OnlyProblem(ValidateOverride(config.overrides(0))), c.expected) << c.fields;
  }
}

TEST(ConfigValidateTest, EndpointRules) {
  const Case kCases[] = {
      {"id: a, address: \"10.0.0.7:80\"", "none"},
      {"id: a, address: \"unix:/run/a.sock\"", "none"},
      {"id: a, address: \"name:80\", capacity: 100, priority: 15", "none"},
      {"address: \"10.0.0.7:80\"", "id CONFIG_REQUIRED"},
      {"id: a/b, address: \"10.0.0.7:80\"", "id CONFIG_VALUE"},
      {"id: a", "address CONFIG_REQUIRED"},
      {"id: a, address: \"10.0.0.7\"", "address CONFIG_ADDRESS"},
      {"id: a, address: \"10.0.0.7:0\"", "address CONFIG_ADDRESS"},
      {"id: a, address: \"a:1\", capacity: 0.001", "capacity CONFIG_RANGE"},
      {"id: a, address: \"a:1\", priority: 16", "priority CONFIG_RANGE"},
      {"id: a, address: \"a:1\", locality: {zone: " + std::string(64, 'z') + "}",
       "locality.zone CONFIG_LIMIT"},
      {"id: a, address: \"a:1\", labels: {" + std::string(64, 'k') + ": v}", "labels CONFIG_LIMIT"},
  };
  for (const Case& c : kCases) {
    const v1::Config config = Parsed("services: [{name: web, endpoints: [{" + c.fields + "}]}]");
    EXPECT_EQ(OnlyProblem(ValidateEndpoint(config.services(0).endpoints(0))), c.expected)
        << c.fields;
  }
  v1::Endpoint endpoint;
  endpoint.set_id("a");
  endpoint.set_address("a:1");
  endpoint.set_capacity(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(OnlyProblem(ValidateEndpoint(endpoint)), "capacity CONFIG_RANGE");
}

TEST(ConfigValidateTest, NamesAreUniqueAndReferencesExist) {
  const v1::Config twice = Parsed("services: [{name: web}, {name: services/web}]");
  EXPECT_EQ(OnlyProblem(ValidateConfig(twice)), "services[1].name CONFIG_DUPLICATE");
  const v1::Config dangling = Parsed("services: [{name: web}]\nroutes: [{name: r, service: wen}]");
  EXPECT_EQ(OnlyProblem(ValidateConfig(dangling)), "routes[0].service CONFIG_REFERENCE");
  const v1::Config endpoints = Parsed(
      "services: [{name: web, endpoints: [{id: a, address: \"a:1\"}, {id: a, address: \"b:1\"}]}]");
  EXPECT_EQ(OnlyProblem(ValidateConfig(endpoints)), "services[0].endpoints[1].id CONFIG_DUPLICATE");
  EXPECT_EQ(OnlyProblem(ValidateConfig(Parsed("services: [{protocol: http1}]"))),
            "services[0].name CONFIG_REQUIRED");
}

TEST(ConfigValidateTest, NumbersFromTheWireAreChecked) {
  v1::Service service;
  service.set_name("services/web");
  service.mutable_weights()->set_signal(static_cast<v1::LoadSignal>(99));
  EXPECT_EQ(OnlyProblem(ValidateService(service)), "weights.signal CONFIG_VALUE");
  service.mutable_weights()->set_signal(v1::LOAD_SIGNAL_MAX);
  service.mutable_weights()->set_blend(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(OnlyProblem(ValidateService(service)), "weights.blend CONFIG_RANGE");
  service.clear_weights();
  service.add_checks()->mutable_tcp();
  service.mutable_checks(0)->mutable_interval()->set_seconds(std::numeric_limits<int64_t>::min());
  service.mutable_checks(0)->mutable_interval()->set_nanos(std::numeric_limits<int32_t>::min());
  EXPECT_THAT(ValidateService(service), testing::Not(IsEmpty()));
}

TEST(ConfigValidateTest, SizeIsBounded) {
  v1::Config config;
  for (int i = 0; i <= kRoutesMax; ++i) config.add_routes();
  EXPECT_EQ(OnlyProblem(ValidateConfig(config)), "routes CONFIG_LIMIT");
  v1::Config large;
  large.add_services()->set_etag(std::string(kConfigBytesMax, 'x'));
  const ConfigProblems problems = ValidateConfig(large);
  ASSERT_THAT(problems, SizeIs(1));
  EXPECT_THAT(problems[0].message, HasSubstr("at most 8388608 are allowed"));
}

TEST(ConfigValidateTest, NormalizingTwiceChangesNothing) {
  v1::Config once = Parsed(
      "services: [{name: web}]\nroutes: [{name: r, hosts: [A], service: services/web}]\n"
      "overrides: [{name: o, service: services/web, endpoint: a, drain: true}]");
  EXPECT_EQ(once.routes(0).service(), "web");
  EXPECT_EQ(once.overrides(0).name(), "overrides/o");
  v1::Config twice = once;
  NormalizeConfig(&twice);
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(once, twice));
}

TEST(ConfigValidateTest, GrpcNeedsAServiceThatSpeaksHttp2) {
  const v1::Config config = Parsed(
      "services: [{name: old}, {name: new, protocol: http2}]\n"
      "routes: [{name: a, match: {grpc: true}, service: old},\n"
      "         {name: b, match: {grpc: true}, service: new}]");
  EXPECT_EQ(OnlyProblem(ValidateConfig(config)), "routes[0].match.grpc CONFIG_CONFLICT");
}

TEST(ConfigValidateTest, RoutesDoNotLeadToServicesThatPassBytesThrough) {
  const v1::Config config = Parsed(
      "services: [{name: db, protocol: tcp}, {name: web}]\n"
      "routes: [{name: a, service: db}, {name: b, service: web}]");
  EXPECT_EQ(OnlyProblem(ValidateConfig(config)), "routes[0].service CONFIG_CONFLICT");
}

}  // namespace
}  // namespace pointsman::common
