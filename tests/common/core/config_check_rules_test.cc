#include "common/core/config_check_rules.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/common/core/config_fixture.h"

namespace pointsman::common {
namespace {

struct Case {
  std::string fields;  // Of one check in flow style.
  std::string expected;
};

TEST(ConfigCheckRulesTest, EachField) {
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

TEST(ConfigCheckRulesTest, ChecksHaveNamesOfTheirOwn) {
  const v1::Config two = Parsed("services: [{name: web, checks: [{http: {}}, {http: {}}]}]");
  EXPECT_EQ(OnlyProblem(ValidateService(two.services(0))), "checks[1].name CONFIG_DUPLICATE");
  const v1::Config named =
      Parsed("services: [{name: web, checks: [{http: {}}, {tcp: {}}, {name: a, http: {}}]}]");
  EXPECT_EQ(OnlyProblem(ValidateService(named.services(0))), "none");
}

}  // namespace
}  // namespace pointsman::common
