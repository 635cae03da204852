#include "common/core/config_format.h"

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <limits>

#include "common/core/config_load.h"
#include "pointsman/v1/state.pb.h"

namespace pointsman::common {
namespace {

using google::protobuf::util::MessageDifferencer;

v1::Config Sample() {
  v1::Config config;
  v1::Service& service = *config.add_services();
  service.set_name("services/web");
  service.set_protocol(v1::PROTOCOL_HTTP1);
  v1::HealthCheck& check = *service.add_checks();
  check.mutable_http()->set_path("/healthz");
  (*check.mutable_http()->mutable_headers())["X-B"] = "true";
  (*check.mutable_http()->mutable_headers())["X-A"] = "a: \"b\"\n\x01\xc3\xa4";
  check.mutable_interval()->set_seconds(90);
  check.mutable_interval()->set_nanos(500'000'000);
  check.mutable_timeout()->set_nanos(150'000'000);
  v1::HealthCheck& tcp = *service.add_checks();
  tcp.mutable_tcp()->set_send(std::string("\0 \x7f \xc3\xa4", 6));
  tcp.mutable_tcp()->set_expect("+PONG\r\n");
  service.add_checks()->mutable_tcp()->set_send_hex("0010");
  service.add_checks()->mutable_tcp();
  service.mutable_weights()->set_signal(v1::LOAD_SIGNAL_QUEUE_DELAY);
  service.mutable_weights()->set_min_factor(0.1);
  service.mutable_retries()->set_max_retries(0);
  service.mutable_recovery();
  service.set_revision(std::numeric_limits<uint64_t>::max());
  service.set_etag("123");
  v1::Override& drained = *config.add_overrides();
  drained.set_drain(true);
  drained.set_comment("- no: list");
  drained.mutable_create_time()->set_seconds(1'767'323'045);
  drained.mutable_create_time()->set_nanos(1);
  config.add_routes();
  return config;
}

TEST(ConfigFormatTest, WritesYamlForPeople) {
  EXPECT_EQ(FormatYaml(Sample()), R"(services:
- name: services/web
  protocol: http1
  checks:
  - http:
      path: /healthz
      headers:
        X-A: "a: \"b\"\n\x01ä"
        X-B: "true"
    interval: 90.5s
    timeout: 150ms
  - tcp:
      send: "\x00 \x7f ä"
      expect: "+PONG\r\n"
  - tcp:
      send_hex: "0010"
  - tcp: {}
  weights:
    signal: queue_delay
    min_factor: 0.1
  recovery: {}
  retries:
    max_retries: 0
  revision: 18446744073709551615
  etag: "123"
routes:
- {}
overrides:
- drain: true
  comment: "- no: list"
  create_time: "2026-01-02T03:04:05.000000001Z"
)");
}

TEST(ConfigFormatTest, YamlReadsBackToTheSameMessage) {
  v1::Config again;
  const ConfigProblems problems = ParseYaml(FormatYaml(Sample()), &again);
  ASSERT_TRUE(problems.empty()) << FormatProblem(problems[0], "");
  EXPECT_TRUE(MessageDifferencer::Equals(again, Sample())) << again.DebugString();
}

TEST(ConfigFormatTest, EveryTextReadsBack) {
  const std::string kTexts[] = {" ",
                                "a b",
                                "true",
                                "No",
                                "~",
                                "null",
                                "1",
                                "1.5",
                                "0x1F",
                                "-",
                                "- a",
                                "a: b",
                                "a #b",
                                "#a",
                                "\"",
                                "'",
                                "\\",
                                "\\n",
                                "\n",
                                "\r\n",
                                "\t",
                                "*",
                                "&a",
                                "!a",
                                "%a",
                                "@a",
                                "`a`",
                                "{}",
                                "[]",
                                "a,b",
                                "?",
                                ":",
                                "=",
                                "<<",
                                "---",
                                "...",
                                "\x7f",
                                "\xc2\x85",
                                "\xe2\x80\xa8",
                                "\xef\xbb\xbf",
                                "\xf0\x9f\x9a\x82",
                                "2026-01-02",
                                "1e5",
                                ".inf",
                                "/a/b-c_d.e",
                                "a ",
                                "\xef\xbf\xbe"};
  for (const std::string& text : kTexts) {
    v1::Override before;
    before.set_comment(text);
    v1::Override after;
    const ConfigProblems problems = ParseYaml(FormatYaml(before), &after);
    EXPECT_TRUE(problems.empty()) << FormatYaml(before);
    EXPECT_EQ(after.comment(), text) << FormatYaml(before);
  }
}

TEST(ConfigFormatTest, LeavesOutWhatTheServerSets) {
  const std::string text = FormatYaml(Sample(), {.server_fields = false});
  EXPECT_EQ(text.find("revision"), std::string::npos);
  EXPECT_EQ(text.find("etag"), std::string::npos);
  EXPECT_EQ(text.find("create_time"), std::string::npos);
  v1::Service only_server_fields;
  only_server_fields.set_revision(3);
  EXPECT_EQ(FormatYaml(only_server_fields, {.server_fields = false}), "{}\n");
}

TEST(ConfigFormatTest, JsonReadsBackToo) {
  const v1::Config config = Sample();
  v1::Config again;
  const ConfigProblems problems = ParseYaml(FormatJson(config), &again);
  ASSERT_TRUE(problems.empty()) << FormatProblem(problems[0], "") << FormatJson(config);
  EXPECT_TRUE(MessageDifferencer::Equals(again, config)) << again.DebugString();
}

TEST(ConfigFormatTest, WritesStateToo) {
  v1::EndpointState state;
  state.set_name("services/web/endpoints/web-1");
  state.set_share(0.25);
  state.set_cpu_utilisation(0.5);
  state.mutable_since()->set_seconds(3600);
  EXPECT_EQ(FormatYaml(state),
            "name: services/web/endpoints/web-1\nsince: 3600s\nshare: 0.25\n"
            "cpu_utilisation: 0.5\n");
}

}  // namespace
}  // namespace pointsman::common
