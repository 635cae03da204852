#include "common/core/config_validate.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/core/config_load.h"
#include "tests/common/core/config_fixture.h"

namespace pointsman::common {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

struct Case {
  // Fields of one service, check, route, override or endpoint in flow style.
  std::string fields;
  std::string expected;
};

std::string Repeated(const std::string& text, int count) {
  return absl::StrJoin(std::vector<std::string>(count, text), ", ");
}

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
      {"timeouts: {stream_age: 24h}", "none"},
      {"timeouts: {stream_age: 0s}", "timeouts.stream_age CONFIG_RANGE"},
      {"timeouts: {stream_age: 25h}", "timeouts.stream_age CONFIG_RANGE"},
      {"connections: {}", "none"},
      {"connections: {max_requests: 0, max_age: 1s}", "none"},
      {"connections: {max_requests: 1000000000, max_age: 720h}", "none"},
      {"connections: {max_requests: 1000000001}", "connections.max_requests CONFIG_RANGE"},
      {"connections: {max_age: 999ms}", "connections.max_age CONFIG_RANGE"},
      {"connections: {max_age: 721h}", "connections.max_age CONFIG_RANGE"},
      {"connections: {max_age: 1h}, protocol: http2", "none"},
      {"connections: {max_age: 1h}, protocol: tcp", "connections CONFIG_CONFLICT"},
      {"retries: {max_retries: 6}", "retries.max_retries CONFIG_RANGE"},
      {"retries: {per_try_timeout: 31s}", "retries.per_try_timeout CONFIG_RANGE"},
      {"retries: {per_try_timeout: 31s}, timeouts: {first_byte: 40s}", "none"},
      {"retries: {budget_ratio: 1.5}", "retries.budget_ratio CONFIG_RANGE"},
      {"retries: {budget_min_per_second: 1001}", "retries.budget_min_per_second CONFIG_RANGE"},
      {"retries: {statuses: [429, 500, 599]}", "none"},
      {"retries: {statuses: [503, 499]}", "retries.statuses[1] CONFIG_RANGE"},
      {"retries: {statuses: [600]}", "retries.statuses[0] CONFIG_RANGE"},
      {"retries: {statuses: [428]}", "retries.statuses[0] CONFIG_RANGE"},
      {"retries: {statuses: [430]}", "retries.statuses[0] CONFIG_RANGE"},
      {"retries: {statuses: [" + Repeated("503", 16) + "]}", "none"},
      {"retries: {statuses: [" + Repeated("503", 17) + "]}", "retries.statuses CONFIG_LIMIT"},
  };
  for (const Case& c : kCases) {
    const v1::Config config = Parsed("services: [{name: web, " + c.fields + "}]");
    EXPECT_EQ(OnlyProblem(ValidateService(config.services(0))), c.expected) << c.fields;
  }
}

TEST(ConfigValidateTest, RulesOfSecondTriesAndOfWaiting) {
  const Case kCases[] = {
      {"retries: {hedging: {}}", "none"},
      {"retries: {hedging: {percentile: 50, min_delay: 1ms}}", "none"},
      {"retries: {hedging: {percentile: 99.9, min_delay: 60s}}", "none"},
      {"retries: {hedging: {percentile: 49}}", "retries.hedging.percentile CONFIG_RANGE"},
      {"retries: {hedging: {percentile: 100}}", "retries.hedging.percentile CONFIG_RANGE"},
      {"retries: {hedging: {min_delay: 0s}}", "retries.hedging.min_delay CONFIG_RANGE"},
      {"retries: {hedging: {min_delay: 61s}}", "retries.hedging.min_delay CONFIG_RANGE"},
      {"retries: {hedging: {}, max_retries: 1}", "none"},
      {"retries: {hedging: {}, max_retries: 0}", "retries.hedging CONFIG_CONFLICT"},
      {"limits: {max_waiting: 100000, max_wait: 60s}", "none"},
      {"limits: {max_waiting: 100001}", "limits.max_waiting CONFIG_RANGE"},
      {"limits: {max_waiting: 1, max_wait: 0s}", "limits.max_wait CONFIG_RANGE"},
      {"limits: {max_waiting: 1, max_wait: 61s}", "limits.max_wait CONFIG_RANGE"},
      {"limits: {max_wait: 1s}", "limits.max_wait CONFIG_CONFLICT"},
      {"limits: {max_waiting: 1}, protocol: tcp", "limits.max_waiting CONFIG_CONFLICT"},
      {"limits: {adaptive: {}}", "none"},
      {"limits: {adaptive: {}}, protocol: tcp", "limits.adaptive CONFIG_CONFLICT"},
      {"limits: {adaptive: {min_in_flight: 16384}}", "none"},
      {"limits: {adaptive: {min_in_flight: 16385}}", "limits.adaptive.min_in_flight CONFIG_RANGE"},
      {"limits: {max_in_flight: 20, adaptive: {}}", "none"},
      {"limits: {max_in_flight: 19, adaptive: {}}",
       "limits.adaptive.min_in_flight CONFIG_REQUIRED"},
      {"limits: {max_in_flight: 19, adaptive: {min_in_flight: 19}}", "none"},
      {"limits: {max_in_flight: 10, adaptive: {min_in_flight: 11}}",
       "limits.adaptive.min_in_flight CONFIG_RANGE"},
  };
  for (const Case& c : kCases) {
    const v1::Config config = Parsed("services: [{name: web, " + c.fields + "}]");
    EXPECT_EQ(OnlyProblem(ValidateService(config.services(0))), c.expected) << c.fields;
  }
}

TEST(ConfigValidateTest, WhatOnlyRequestsHaveIsNotForTcp) {
  const Case kCases[] = {
      {"retries: {statuses: [503]}", "retries.statuses CONFIG_CONFLICT"},
      {"retries: {hedging: {}}", "retries.hedging CONFIG_CONFLICT"},
      {"retries: {max_retries: 3}", "none"},
      {"picker: {affinity_cookie: {name: a}}", "picker.affinity_cookie CONFIG_CONFLICT"},
      {"picker: {kind: maglev, hash_on: [{header: a}]}", "picker.hash_on[0] CONFIG_CONFLICT"},
      {"picker: {kind: maglev, hash_on: [{client_address: true}, {cookie: a}]}",
       "picker.hash_on[1] CONFIG_CONFLICT"},
      {"picker: {kind: maglev, hash_on: [{client_address: true}]}", "none"},
  };
  for (const Case& c : kCases) {
    const std::string service = absl::StrCat("{name: web, ", c.fields);
    const v1::Config http = Parsed(absl::StrCat("services: [", service, "}]"));
    EXPECT_EQ(OnlyProblem(ValidateService(http.services(0))), "none") << c.fields;
    const v1::Config tcp = Parsed(absl::StrCat("services: [", service, ", protocol: tcp}]"));
    EXPECT_EQ(OnlyProblem(ValidateService(tcp.services(0))), c.expected) << c.fields;
  }
}

// Of a picker in flow style.
std::string PickerProblem(const std::string& picker) {
  const v1::Config config = Parsed("services: [{name: web, picker: {" + picker + "}}]");
  return OnlyProblem(ValidateService(config.services(0)));
}

TEST(ConfigValidateTest, PickerRules) {
  const Case kCases[] = {
      {"kind: p2c", "none"},
      {"kind: least_request", "none"},
      {"kind: least_request, choices: 2", "none"},
      {"kind: least_request, choices: 16", "none"},
      {"kind: least_request, choices: 0", "none"},
      {"kind: least_request, choices: 1", "picker.choices CONFIG_RANGE"},
      {"kind: least_request, choices: 17", "picker.choices CONFIG_RANGE"},
      {"kind: p2c, choices: 3", "picker.choices CONFIG_CONFLICT"},
      {"choices: 3", "picker.choices CONFIG_CONFLICT"},
      {"kind: maglev", "picker.hash_on CONFIG_REQUIRED"},
      {"kind: ring_hash", "picker.hash_on CONFIG_REQUIRED"},
      {"kind: maglev, hash_on: [{header: x-user}, {client_address: true}]", "none"},
      {"kind: ring_hash, hash_on: [{cookie: session}, {query: \"user id\"}]", "none"},
      {"kind: round_robin, hash_on: [{header: x-user}]", "picker.hash_on CONFIG_CONFLICT"},
      {"hash_on: [{header: x-user}]", "picker.hash_on CONFIG_CONFLICT"},
      {"kind: maglev, hash_on: [{}]", "picker.hash_on[0] CONFIG_REQUIRED"},
      {"kind: maglev, hash_on: [{header: \"\"}]", "picker.hash_on[0].header CONFIG_REQUIRED"},
      {"kind: maglev, hash_on: [{header: \"a b\"}]", "picker.hash_on[0].header CONFIG_VALUE"},
      {"kind: maglev, hash_on: [{cookie: a;b}]", "picker.hash_on[0].cookie CONFIG_VALUE"},
      {"kind: maglev, hash_on: [{query: \"\"}]", "picker.hash_on[0].query CONFIG_REQUIRED"},
      {"kind: maglev, hash_on: [{query: " + std::string(128, 'q') + "}]",
       "picker.hash_on[0].query CONFIG_LIMIT"},
      {"kind: maglev, hash_on: [{header: a}, {client_address: false}]",
       "picker.hash_on[1].client_address CONFIG_VALUE"},
      {"kind: maglev, hash_on: [" + Repeated("{header: a}", 8) + "]", "none"},
      {"kind: maglev, hash_on: [" + Repeated("{header: a}", 9) + "]",
       "picker.hash_on CONFIG_LIMIT"},
      {"bounded_load: 0", "none"},
      {"kind: maglev, hash_on: [{header: a}], bounded_load: 1", "none"},
      {"kind: maglev, hash_on: [{header: a}], bounded_load: 100", "none"},
      {"kind: maglev, hash_on: [{header: a}], bounded_load: 0.99",
       "picker.bounded_load CONFIG_RANGE"},
      {"kind: maglev, hash_on: [{header: a}], bounded_load: 100.5",
       "picker.bounded_load CONFIG_RANGE"},
      {"kind: maglev, hash_on: [{header: a}], bounded_load: -1",
       "picker.bounded_load CONFIG_RANGE"},
      {"subset_size: 0", "none"},
      {"subset_size: 2", "none"},
      {"subset_size: 50000", "none"},
      {"subset_size: 1", "picker.subset_size CONFIG_RANGE"},
      {"subset_size: 50001", "picker.subset_size CONFIG_RANGE"},
  };
  for (const Case& c : kCases) EXPECT_EQ(PickerProblem(c.fields), c.expected) << c.fields;
}

TEST(ConfigValidateTest, AffinityCookieRules) {
  const Case kCases[] = {
      {"name: pm", "none"},
      {"name: pm, ttl: 1s, path: /", "none"},
      {"name: pm, ttl: 8760h, path: /a/b", "none"},
      {"", ".name CONFIG_REQUIRED"},
      {"name: \"a b\"", ".name CONFIG_VALUE"},
      {"name: a=b", ".name CONFIG_VALUE"},
      {"name: " + std::string(127, 'n'), "none"},
      {"name: " + std::string(128, 'n'), ".name CONFIG_VALUE"},
      {"name: pm, ttl: 0s", ".ttl CONFIG_RANGE"},
      {"name: pm, ttl: 999ms", ".ttl CONFIG_RANGE"},
      {"name: pm, ttl: 8761h", ".ttl CONFIG_RANGE"},
      {"name: pm, path: a", ".path CONFIG_VALUE"},
      {"name: pm, path: \"/a;b\"", ".path CONFIG_VALUE"},
      {"name: pm, path: \"/a b\"", ".path CONFIG_VALUE"},
      {"name: pm, path: \"/a\\r\\nb\"", ".path CONFIG_VALUE"},
      {"name: pm, path: \"/\\u00e4\"", ".path CONFIG_VALUE"},
      {"name: pm, path: /" + std::string(1023, 'p'), "none"},
      {"name: pm, path: /" + std::string(1024, 'p'), ".path CONFIG_LIMIT"},
  };
  for (const Case& c : kCases) {
    const std::string expected =
        c.expected == "none" ? "none" : "picker.affinity_cookie" + c.expected;
    EXPECT_EQ(PickerProblem("affinity_cookie: {" + c.fields + "}"), expected) << c.fields;
  }
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

// Of a configuration with the services web and api (HTTP/1), grpc (HTTP/2) and db (TCP), and one
// route in flow style.
std::string ProblemBesideServices(const std::string& route) {
  return OnlyProblem(
      ValidateConfig(Parsed("services: [{name: web}, {name: api}, {name: grpc, protocol: http2}, "
                            "{name: db, protocol: tcp}]\n"
                            "routes: [{name: r, " +
                            route + "}]")));
}

TEST(ConfigValidateTest, SharesAndMirrorsReferToServicesThatExist) {
  const Case kCases[] = {
      {"split: {shares: [{service: web, weight: 1}, {service: services/api}]}", "none"},
      {"split: {shares: [{service: web, weight: 1}, {service: wen}]}",
       "routes[0].split.shares[1].service CONFIG_REFERENCE"},
      {"service: web, mirror: {service: services/api}", "none"},
      {"service: web, mirror: {service: web}", "none"},
      {"service: web, mirror: {service: wen}", "routes[0].mirror.service CONFIG_REFERENCE"},
      {"service: wen, mirror: {service: web}", "routes[0].service CONFIG_REFERENCE"},
      {"split: {shares: [{service: db, weight: 1}]}",
       "routes[0].split.shares[0].service CONFIG_CONFLICT"},
      {"service: web, mirror: {service: db}", "routes[0].mirror.service CONFIG_CONFLICT"},
  };
  for (const Case& c : kCases) EXPECT_EQ(ProblemBesideServices(c.fields), c.expected) << c.fields;
  const auto problems =
      ValidateConfig(Parsed("services: [{name: web}]\n"
                            "routes: [{name: r, service: web, mirror: {service: wbe}}]"));
  ASSERT_THAT(problems, SizeIs(1));
  EXPECT_THAT(problems[0].message, HasSubstr("did you mean \"web\"?"));
}

TEST(ConfigValidateTest, AServiceOfGrpcNeedsServicesThatSpeakHttp2) {
  const Case kCases[] = {
      {"match: {grpc_service: a.B}, service: grpc", "none"},
      {"match: {grpc_service: a.B}, service: web", "routes[0].match.grpc_service CONFIG_CONFLICT"},
      {"match: {grpc_service: a.B, grpc_method: C}, service: web",
       "routes[0].match.grpc_service CONFIG_CONFLICT"},
      {"match: {grpc: true, grpc_service: a.B}, service: web",
       "routes[0].match.grpc CONFIG_CONFLICT"},
      {"match: {grpc_service: a.B}, split: {shares: [{service: grpc, weight: 1}, {service: web}]}",
       "routes[0].match.grpc_service CONFIG_CONFLICT"},
      {"match: {grpc_service: a.B}, service: grpc, mirror: {service: web}",
       "routes[0].match.grpc_service CONFIG_CONFLICT"},
      {"match: {grpc_service: a.B}, direct_response: {status: 200}", "none"},
  };
  for (const Case& c : kCases) EXPECT_EQ(ProblemBesideServices(c.fields), c.expected) << c.fields;
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
  service.mutable_picker()->set_kind(v1::Picker::KIND_MAGLEV);
  service.mutable_picker()->add_hash_on()->set_client_address(true);
  service.mutable_picker()->set_bounded_load(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(OnlyProblem(ValidateService(service)), "picker.bounded_load CONFIG_RANGE");
  service.clear_picker();
  service.mutable_picker()->set_kind(static_cast<v1::Picker::Kind>(99));
  EXPECT_EQ(OnlyProblem(ValidateService(service)), "picker.kind CONFIG_VALUE");
  service.clear_picker();
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

TEST(ConfigValidateTest, AHostHasFewPatterns) {
  v1::Config config;
  for (int i = 0; i < 66; ++i) {
    v1::Route* route = config.add_routes();
    route->set_name(absl::StrCat("routes/r", i));
    route->add_hosts(i < 65 ? "a.test" : "b.test");
    route->mutable_match()->set_pattern("/x.*");
    route->mutable_direct_response()->set_status(204);
  }
  const ConfigProblems problems = ValidateConfig(config);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].path, "routes[64].match.pattern");
  EXPECT_EQ(problems[0].code, config_code::kLimit);
}

TEST(ConfigValidateTest, NormalizingTwiceChangesNothing) {
  v1::Config once = Parsed(
      "services: [{name: web}]\n"
      "routes: [{name: r, hosts: [A], service: services/web},\n"
      "         {name: s, split: {shares: [{service: services/web, weight: 1}]},\n"
      "          mirror: {service: services/web}}]\n"
      "overrides: [{name: o, service: services/web, endpoint: a, drain: true}]");
  EXPECT_EQ(once.routes(0).service(), "web");
  EXPECT_EQ(once.routes(1).split().shares(0).service(), "web");
  EXPECT_EQ(once.routes(1).mirror().service(), "web");
  EXPECT_FALSE(once.routes(0).has_split());
  EXPECT_FALSE(once.routes(0).has_mirror());
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
