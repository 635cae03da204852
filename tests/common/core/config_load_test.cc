#include "common/core/config_load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "common/core/error_reason.h"

namespace pointsman::common {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

std::string ErrorOf(absl::string_view text) {
  const auto config = LoadConfig(text, "web.yaml");
  return config.ok() ? "no error" : std::string(config.status().message());
}

std::string CodeOf(absl::string_view text) {
  const auto config = LoadConfig(text, "web.yaml");
  return config.ok() ? "no error" : ReasonOf(config.status());
}

TEST(ConfigLoadTest, FirstServiceIsShort) {
  const auto config = LoadConfig(R"(
services:
- name: web
  checks: [{http: {path: /healthz}}]
routes:
- name: web
  service: web
)",
                                 "web.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->services(0).name(), "services/web");
  EXPECT_EQ(config->services(0).checks(0).http().path(), "/healthz");
  EXPECT_EQ(config->routes(0).name(), "routes/web");
  EXPECT_EQ(config->routes(0).service(), "web");
}

TEST(ConfigLoadTest, ReadsEveryKindOfValue) {
  const auto config = LoadConfig(R"(
services:
- name: services/web
  protocol: HTTP1
  checks:
  - name: deep
    http: {statuses: [200, "300-399"], headers: {X-A: 1, x-b: "two"}, tls: true, port: 8443}
    interval: 1m30s
    timeout: 150ms
    rise: 4
  - tcp:
      send: "PING\r\n"
      expect_hex: 00fF
  - {name: bare, tcp: }
  weights: {signal: in_flight, slow_start: 0s, minFactor: 0.5, max_factor: 2e0}
  picker: {kind: KIND_P2C}
  retries: {max_retries: 0, budget_ratio: 0}
  limits: {max_request_body_bytes: 64MiB}
  endpoints: &all
  - {id: a, address: "10.0.0.7:80", labels: {rack: r1}, locality: {zone: z}}
- name: other
  endpoints: *all
  weights: {signal: LOAD_SIGNAL_CPU}
  recovery: ~
routes:
- name: r
  hosts: [API.example.com, "*"]
  direct_response: {status: 404}
overrides:
- {name: web.a, service: services/web, endpoint: a, weight: 0.5, create_time: 2026-01-02T03:04:05.5Z}
)",
                                 "web.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  const v1::Service& web = config->services(0);
  EXPECT_EQ(web.protocol(), v1::PROTOCOL_HTTP1);
  EXPECT_THAT(web.checks(0).http().statuses(), testing::ElementsAre("200", "300-399"));
  EXPECT_EQ(web.checks(0).http().headers().at("X-A"), "1");
  EXPECT_EQ(web.checks(0).http().port(), 8443u);
  EXPECT_TRUE(web.checks(0).http().tls());
  EXPECT_EQ(web.checks(0).interval().seconds(), 90);
  EXPECT_EQ(web.checks(0).timeout().nanos(), 150'000'000);
  EXPECT_EQ(web.checks(1).tcp().send(), "PING\r\n");
  EXPECT_EQ(web.checks(1).tcp().expect_hex(), "00fF");
  EXPECT_TRUE(web.checks(2).has_tcp());
  EXPECT_EQ(web.weights().signal(), v1::LOAD_SIGNAL_IN_FLIGHT);
  EXPECT_TRUE(web.weights().has_slow_start());
  EXPECT_EQ(web.weights().min_factor(), 0.5);
  EXPECT_EQ(web.weights().max_factor(), 2);
  EXPECT_EQ(web.picker().kind(), v1::Picker::KIND_P2C);
  EXPECT_TRUE(web.retries().has_max_retries());
  EXPECT_TRUE(web.retries().has_budget_ratio());
  EXPECT_EQ(web.limits().max_request_body_bytes(), 64u << 20);
  EXPECT_EQ(config->services(1).endpoints(0).labels().at("rack"), "r1");
  EXPECT_EQ(config->services(1).weights().signal(), v1::LOAD_SIGNAL_CPU);
  EXPECT_TRUE(config->services(1).has_recovery());
  EXPECT_EQ(config->routes(0).hosts(0), "api.example.com");
  EXPECT_EQ(config->overrides(0).service(), "web");
  EXPECT_EQ(config->overrides(0).weight(), 0.5);
  EXPECT_EQ(config->overrides(0).create_time().nanos(), 500'000'000);
}

TEST(ConfigLoadTest, ReadsJsonTheSameWay) {
  const auto config = LoadConfig(
      "{\"services\":[{\"name\":\"web\",\"checks\":[{\"http\":{\"bodyContains\":\"a\\u00e4\\n\"},"
      "\"transitionInterval\":\"0.200s\"}]}],\n\t\"routes\":[]}",
      "web.json");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->services(0).checks(0).http().body_contains(), "a\xc3\xa4\n");
  EXPECT_EQ(config->services(0).checks(0).transition_interval().nanos(), 200'000'000);
}

TEST(ConfigLoadTest, UnknownFieldNamesFileLinePathAndTheNearestKnownOne) {
  EXPECT_EQ(ErrorOf("services:\n- name: web\n  chekcs: []\n"),
            "web.yaml:3: services[0].chekcs: unknown field of Service; did you mean \"checks\"? "
            "[CONFIG_UNKNOWN_FIELD]");
  EXPECT_THAT(ErrorOf("{\"services\": [\n{\"name\": \"web\", \"timeOuts\": {}}]}"),
              HasSubstr("web.yaml:2: services[0].timeOuts: unknown field of Service; did you mean "
                        "\"timeouts\"?"));
  EXPECT_THAT(ErrorOf("services:\n- name: web\n  picker:\n    zzz: 1\n"),
              HasSubstr("its fields are kind"));
}

TEST(ConfigLoadTest, AFieldOneLevelOffIsToldWhereItBelongs) {
  EXPECT_EQ(ErrorOf("services:\n- name: web\n  checks:\n  - http:\n    path: /healthz\n"),
            "web.yaml:5: services[0].checks[0].path: unknown field of HealthCheck; it belongs one "
            "level down, in \"http\" [CONFIG_UNKNOWN_FIELD]");
  EXPECT_EQ(ErrorOf("services:\n- name: web\n  checks:\n  - http: {path: /, interval: 2s}\n"),
            "web.yaml:4: services[0].checks[0].http.interval: unknown field of HttpCheck; it "
            "belongs one level up, beside \"http\" [CONFIG_UNKNOWN_FIELD]");
  EXPECT_THAT(ErrorOf("services: [{name: web, timeouts: {per_try_timeout: 2s}}]"),
              HasSubstr("it belongs in \"retries\", beside \"timeouts\" ["));
  EXPECT_THAT(ErrorOf("services: [{name: web, checks: [{port: 80}]}]"),
              HasSubstr("it belongs one level down, in \"http\" or \"tcp\" ["));
}

TEST(ConfigLoadTest, MistakesAndBrokenRulesAreToldTogether) {
  const std::string text =
      "routes:\n"
      "- {name: a, service: wbe}\n"
      "- {name: b, servce: web}\n"
      "services:\n"
      "- name: web\n"
      "  chekcs: []\n"
      "  retries: {max_retries: 100}\n";
  EXPECT_EQ(ErrorOf(text),
            "web.yaml:2: routes[0].service: there is no service \"wbe\"; did you mean \"web\"? "
            "[CONFIG_REFERENCE]\n"
            "web.yaml:3: routes[1].servce: unknown field of Route; did you mean \"service\"? "
            "[CONFIG_UNKNOWN_FIELD]\n"
            "web.yaml:6: services[0].chekcs: unknown field of Service; did you mean \"checks\"? "
            "[CONFIG_UNKNOWN_FIELD]\n"
            "web.yaml:7: services[0].retries.max_retries: 100 is out of range: 0 to 5 "
            "[CONFIG_RANGE]");
  // Which services there are is not known when a name is written wrongly.
  EXPECT_THAT(ErrorOf("services: [{nam: web}]\nroutes: [{name: a, service: web}]"),
              Not(HasSubstr("CONFIG_REFERENCE")));
}

TEST(ConfigLoadTest, RulesAreToldWithTheirLines) {
  EXPECT_EQ(ErrorOf("services:\n- name: web\n  checks:\n  - http: {}\n    rise: 101\n"),
            "web.yaml:5: services[0].checks[0].rise: 101 is out of range: 1 to 100 "
            "[CONFIG_RANGE]");
  EXPECT_THAT(ErrorOf("services:\n- name: web\n  checks:\n  - http: {}\n    degradedAfter: 9s\n"),
              StartsWith("web.yaml:5: services[0].checks[0].degraded_after: 9s is out of range"));
  EXPECT_THAT(ErrorOf("services: []\nroutes:\n- name: web\n"),
              StartsWith("web.yaml:3: routes[0]: needs an action"));
}

TEST(ConfigLoadTest, EachMistakeHasItsCode) {
  const std::pair<std::string, std::string> kCases[] = {
      {"services: [", "CONFIG_SYNTAX"},
      {"a: b: c", "CONFIG_SYNTAX"},
      {"services: !strange []\nroutes: !odd x", "CONFIG_SYNTAX"},
      {"services:\n- name: \xff\n", "CONFIG_ENCODING"},
      {std::string("services: []\0", 13), "CONFIG_ENCODING"},
      {std::string("\xff\xfes\0e\0", 6), "CONFIG_ENCODING"},
      {std::string(9 << 20, ' '), "CONFIG_TOO_LARGE"},
      {std::string(2 << 20, '['), "CONFIG_TOO_LARGE"},
      {"services: []\n---\nservices: []\n", "CONFIG_SEVERAL_DOCUMENTS"},
      {"services: []\nservices: []\n", "CONFIG_DUPLICATE"},
      {"services:\n- {name: web, weights: {minFactor: 1, min_factor: 1}}", "no error"},
      {"services:\n- {name: web, retries: {maxRetries: 1, max_retries: 1}}", "CONFIG_DUPLICATE"},
      {"services: {name: web}", "CONFIG_TYPE"},
      {"services: web", "CONFIG_TYPE"},
      {"[1, 2]", "CONFIG_TYPE"},
      {"? [a]\n: b\n", "CONFIG_TYPE"},
      {"services:\n- name: [web]", "CONFIG_TYPE"},
      {"services:\n- {name: web, checks: [{http: {}, tcp: {}}]}", "CONFIG_CONFLICT"},
      {"services:\n- {name: web, checks: [{http: {}, rise: -1}]}", "CONFIG_VALUE"},
      {"services:\n- {name: web, checks: [{http: {}, rise: 1.5}]}", "CONFIG_VALUE"},
      {"services:\n- {name: web, checks: [{http: {}, rise: 99999999999}]}", "CONFIG_VALUE"},
      {"services:\n- {name: web, checks: [{http: {}, interval: 2}]}", "CONFIG_VALUE"},
      {"services:\n- {name: web, checks: [{http: {}, interval: inf}]}", "CONFIG_VALUE"},
      {"services:\n- {name: web, checks: [{http: {}, interval: -2s}]}", "CONFIG_RANGE"},
      {"services:\n- {name: web, checks: [{http: {tls: yes}}]}", "CONFIG_VALUE"},
      {"services:\n- {name: web, health: {removal_cap: .nan}}", "CONFIG_VALUE"},
      {"services:\n- {name: web, health: {removal_cap: nan}}", "CONFIG_VALUE"},
      {"services:\n- {name: web, health: {removal_cap: 1e999}}", "CONFIG_VALUE"},
      {"services:\n- {name: web, weights: {signal: cpus}}", "CONFIG_VALUE"},
      {"services:\n- {name: web, weights: {signal: 2}}", "CONFIG_VALUE"},
      {"routes:\n- {name: web, service: web}", "CONFIG_REFERENCE"},
      {"&a services: *a", "CONFIG_TYPE"},
      {"services: &a [*a]", "CONFIG_ALIAS"},
      {"", "CONFIG_REQUIRED"},
      {"# nothing\n", "CONFIG_REQUIRED"},
      {"~", "CONFIG_REQUIRED"},
  };
  for (const auto& [text, code] : kCases) {
    EXPECT_EQ(CodeOf(text), code) << text.substr(0, 100) << "\n" << ErrorOf(text);
  }
}

TEST(ConfigLoadTest, TellsHowToWriteIt) {
  EXPECT_THAT(ErrorOf("services:\n- {name: web, checks: [{http: {}, interval: 2}]}"),
              HasSubstr("expected a duration with its unit, such as \"1.5s\", \"200ms\" or \"2m\", "
                        "found \"2\""));
  EXPECT_THAT(ErrorOf("services:\n- {name: web, weights: {signal: inflight}}"),
              AllOf(HasSubstr("one of max, cpu, in_flight, queue_delay"),
                    HasSubstr("did you mean \"in_flight\"?")));
  EXPECT_THAT(ErrorOf("services: {name: web}"), HasSubstr("begin each entry with \"- \""));
  EXPECT_THAT(ErrorOf("services:\n- name: web\nroutes:\n- {name: r, service: wbe}"),
              HasSubstr("web.yaml:4: routes[0].service: there is no service \"wbe\"; did you mean "
                        "\"web\"?"));
}

TEST(ConfigLoadTest, ListsAllProblemsUpToABound) {
  std::string text = "services:\n";
  for (int i = 0; i < 30; ++i) absl::StrAppend(&text, "- {name: s", i, ", bad: 1}\n");
  const ConfigProblems problems = [&] {
    v1::Config config;
    return ParseYaml(text, &config);
  }();
  ASSERT_THAT(problems, SizeIs(kConfigProblemsMax + 1));
  EXPECT_EQ(problems[0].line, 2);
  EXPECT_EQ(problems[19].line, 21);
  EXPECT_EQ(problems[20].message, "and 10 more problems");
}

TEST(ConfigLoadTest, SurvivesDepthAndAliasBombs) {
  std::string flow(200'000, '[');
  EXPECT_THAT(CodeOf(flow), testing::AnyOf("CONFIG_TOO_DEEP", "CONFIG_SYNTAX"));
  EXPECT_EQ(CodeOf("services: " + std::string(40, '[') + std::string(40, ']')), "CONFIG_TOO_DEEP");
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string before = absl::StrCat("*a", i - 1);
    absl::StrAppend(&bomb, "a", i, ": &a", i, " [", before);
    for (int j = 1; j < 10; ++j) absl::StrAppend(&bomb, ", ", before);
    absl::StrAppend(&bomb, "]\n");
  }
  EXPECT_EQ(CodeOf(bomb), "CONFIG_UNKNOWN_FIELD");  // Unknown fields are not walked.
  std::string services = "services: [";
  for (int i = 0; i < 20'000; ++i) {
    absl::StrAppend(&services, i == 0 ? "&s {name: web, endpoints: [" : "");
    if (i == 0) {
      for (int j = 0; j < 100; ++j) absl::StrAppend(&services, "{id: a}, ");
      absl::StrAppend(&services, "]}");
    } else {
      absl::StrAppend(&services, ", *s");
    }
  }
  services += "]";
  EXPECT_EQ(CodeOf(services), "CONFIG_ALIAS");
}

TEST(ConfigLoadTest, ReadsAFullSizeConfiguration) {
  std::string text = "services:\n";
  for (int i = 0; i < 10'000; ++i) {
    absl::StrAppend(&text, "- name: s", i, "\n  checks: [{http: {path: /healthz}}]\n");
  }
  const auto config = LoadConfig(text, "big.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->services_size(), 10'000);
  absl::StrAppend(&text, "- name: one-more\n");
  EXPECT_EQ(CodeOf(text), "CONFIG_LIMIT");
}

TEST(ConfigLoadTest, TruncatedTextsAreErrorsOrSmallerConfigurations) {
  const std::string text =
      "services:\n- name: \"web\"\n  checks: [{http: {path: /healthz}, interval: 2s}]\n"
      "routes:\n- {name: web, service: web}\n";
  for (size_t length = 0; length < text.size(); ++length) {
    const auto config = LoadConfig(text.substr(0, length), "cut");
    if (!config.ok()) {
      EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument) << length;
      EXPECT_THAT(ReasonOf(config.status()), StartsWith("CONFIG_")) << length;
    }
  }
}

TEST(ConfigLoadTest, AStaticFileHasLimitsBesidesItsConfiguration) {
  const auto file = LoadStaticConfig(
      "services: [{name: web}]\nroutes: [{name: web, service: web}]\n"
      "limits: {head_fields: 20}\n",
      "gw.yaml");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->config.services(0).name(), "services/web");
  EXPECT_EQ(file->config.routes(0).service(), "web");
  EXPECT_EQ(file->limits->head_fields(), 20u);
  EXPECT_FALSE(LoadStaticConfig("services: []", "gw.yaml")->limits.has_value());
}

TEST(ConfigLoadTest, AStaticFilesMistakesAreAllToldWithTheirLines) {
  const auto file = LoadStaticConfig(
      "services:\n- {name: No}\nlimits:\n  head_fields: 5\n  head_byts: 1\n", "gw.yaml");
  ASSERT_FALSE(file.ok());
  const std::string error(file.status().message());
  EXPECT_THAT(error, HasSubstr("gw.yaml:2: services[0].name"));
  EXPECT_THAT(error, HasSubstr("gw.yaml:4: limits.head_fields: 5 is out of range: 16 to 1000"));
  EXPECT_THAT(error, HasSubstr("gw.yaml:5: limits.head_byts: unknown field"));
  EXPECT_THAT(std::string(LoadConfig("limits: {}", "c.yaml").status().message()),
              HasSubstr("unknown field of Config"))
      << "a controller has no say in them";
}

}  // namespace
}  // namespace pointsman::common
