#include "common/core/config_gateway_limits.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "common/core/config_load.h"

namespace pointsman::common {
namespace {

// What is wrong with it, as a person reads it; empty: nothing.
std::string Errors(const std::string& text) {
  v1::GatewayLimits limits;
  ConfigProblems problems = ParseYaml(text, &limits);
  if (problems.empty()) {
    ProblemList list;
    Rules rules(&list);
    const RulePath root;
    CheckGatewayLimits(limits, root.Field("limits"), &rules);
    problems = std::move(list).Take();
  }
  return std::string(ProblemsToStatus(problems, "f").message());
}

// Both ends are in the range, what is beyond them is not, and the error says field and value.
TEST(ConfigGatewayLimitsTest, EachNumberHasItsRange) {
  const struct {
    const char* field;
    int64_t min;
    int64_t max;
    bool http2;
  } kFields[] = {
      {"head_bytes", 4096, 49'152, false},
      {"head_fields", 16, 1000, false},
      {"connections", 16, 4'000'000, false},
      {"connections_per_source", 0, 4'000'000, false},
      {"idle_connections_per_endpoint", 1, 65'536, false},
      {"replay_bytes", 0, 16'777'216, false},
      {"buffer_bytes", 16 << 20, int64_t{1} << 40, false},
      {"streams", 1, 10'000, true},
      {"stream_window_bytes", 16'384, 16'777'216, true},
      {"connection_window_bytes", 65'536, 268'435'456, true},
      {"resets_burst", 1, 1'000'000, true},
      {"resets_per_second", 1, 1'000'000, true},
      {"glitches_burst", 100, 1'000'000, true},
      {"glitches_per_second", 1, 1'000'000, true},
  };
  for (const auto& field : kFields) {
    const auto errors = [&](int64_t value) {
      const std::string pair = absl::StrCat("{", field.field, ": ", value, "}");
      return Errors(field.http2 ? absl::StrCat("{http2: ", pair, "}") : pair);
    };
    EXPECT_EQ(errors(field.min), "");
    EXPECT_EQ(errors(field.max), "");
    const std::string path = absl::StrCat("limits.", field.http2 ? "http2." : "", field.field);
    const std::string why =
        absl::StrCat(path, ": ", field.max + 1, " is out of range: ", field.min, " to ", field.max);
    EXPECT_NE(errors(field.max + 1).find(why), std::string::npos) << errors(field.max + 1);
    if (field.min == 0) continue;
    EXPECT_NE(errors(field.min - 1).find("CONFIG_RANGE"), std::string::npos) << field.field;
  }
}

TEST(ConfigGatewayLimitsTest, EachTimeHasItsRange) {
  const struct {
    const char* field;
    const char* good;
    const char* bad;
  } kFields[] = {
      {"client_idle_timeout", "24h", "999ms"},  {"client_head_timeout", "100ms", "11m"},
      {"tls_handshake_timeout", "10m", "99ms"}, {"upstream_idle_timeout", "100ms", "25h"},
      {"upstream_ping_after", "1s", "2h"},      {"upstream_ping_timeout", "100ms", "11m"},
      {"client_connection_age", "1s", "999ms"}, {"client_connection_age", "720h", "721h"},
  };
  for (const auto& field : kFields) {
    EXPECT_EQ(Errors(absl::StrCat("{", field.field, ": ", field.good, "}")), "");
    const std::string errors = Errors(absl::StrCat("{", field.field, ": ", field.bad, "}"));
    EXPECT_NE(errors.find("CONFIG_RANGE"), std::string::npos) << field.field << errors;
    EXPECT_NE(errors.find(absl::StrCat("limits.", field.field)), std::string::npos) << errors;
  }
}

TEST(ConfigGatewayLimitsTest, WindowsMustGoWithWhatTheyCarry) {
  EXPECT_EQ(Errors("{stream_window_bytes: 40960}"), "");
  EXPECT_NE(Errors("{stream_window_bytes: 40959}").find("CONFIG_CONFLICT"), std::string::npos);
  EXPECT_EQ(Errors("{stream_window_bytes: 16384, head_bytes: 8192}"), "");
  EXPECT_NE(Errors("{http2: {stream_window_bytes: 131072, connection_window_bytes: 65536}}")
                .find("CONFIG_CONFLICT"),
            std::string::npos);
}

TEST(ConfigGatewayLimitsTest, AnUnknownFieldIsToldWithTheNearest) {
  EXPECT_NE(Errors("{http2: {stream: 5}}").find("did you mean \"streams\""), std::string::npos);
  EXPECT_NE(Errors("{streams: 5}").find("in \"http2\""), std::string::npos)
      << Errors("{streams: 5}");
}

}  // namespace
}  // namespace pointsman::common
