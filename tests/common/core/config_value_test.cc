#include "common/core/config_value.h"

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>
#include <gtest/gtest.h>

#include "pointsman/v1/agent.pb.h"
#include "pointsman/v1/service.pb.h"

namespace pointsman::common {
namespace {

YamlNode Text(const std::string& text) {
  return {.kind = YamlNode::Kind::kScalar, .text = text, .plain = true};
}

template <typename Message>
bool Set(const std::string& field, const YamlNode& node, Message* message) {
  return SetScalar(*Message::descriptor()->FindFieldByName(field), node, message).ok();
}

TEST(ConfigValueTest, SizesHaveSuffixesOnFieldsOfBytes) {
  v1::Limits limits;
  EXPECT_TRUE(Set("max_request_body_bytes", Text("3KiB"), &limits));
  EXPECT_EQ(limits.max_request_body_bytes(), 3072u);
  EXPECT_TRUE(Set("max_request_body_bytes", Text("2 GiB"), &limits));
  EXPECT_EQ(limits.max_request_body_bytes(), 2ull << 30);
  for (const char* text :
       {"KiB", "1KB", "-1", "+1", "1.5MiB", "99999999999GiB", "", " 1", "0x10"}) {
    EXPECT_FALSE(Set("max_request_body_bytes", Text(text), &limits)) << text;
  }
  EXPECT_FALSE(Set("max_in_flight", Text("1KiB"), &limits));
}

TEST(ConfigValueTest, NumbersStayInTheirType) {
  v1::Limits limits;
  EXPECT_TRUE(Set("max_in_flight", Text("4294967295"), &limits));
  EXPECT_FALSE(Set("max_in_flight", Text("4294967296"), &limits));
  v1::HostLoad load;
  EXPECT_TRUE(Set("cpu_utilisation", Text("0.5"), &load));
  EXPECT_FALSE(Set("cpu_utilisation", Text("1e39"), &load));
  for (const char* text : {"nan", "inf", "-inf", ".5.", "1,5", ""}) {
    EXPECT_FALSE(Set("cpu_utilisation", Text(text), &load)) << text;
  }
}

TEST(ConfigValueTest, EnumsHaveManySpellings) {
  for (const char* text : {"in_flight", "IN_FLIGHT", "In_Flight", "LOAD_SIGNAL_IN_FLIGHT"}) {
    v1::WeightPolicy weights;
    EXPECT_TRUE(Set("signal", Text(text), &weights)) << text;
    EXPECT_EQ(weights.signal(), v1::LOAD_SIGNAL_IN_FLIGHT);
  }
  v1::WeightPolicy weights;
  EXPECT_FALSE(Set("signal", Text("SIGNAL_CPU"), &weights));
  EXPECT_EQ(ShortEnumName(*v1::LoadSignal_descriptor()->FindValueByNumber(4)), "queue_delay");
}

TEST(ConfigValueTest, TextsAreUtf8) {
  v1::TcpCheck check;
  EXPECT_TRUE(Set("send", Text(std::string("\0\xc3\xa4", 3)), &check));
  EXPECT_EQ(check.send(), std::string("\0\xc3\xa4", 3));
  EXPECT_FALSE(Set("send", Text("\xff"), &check));
}

TEST(ConfigValueTest, DurationsAndTimes) {
  google::protobuf::Duration duration;
  EXPECT_TRUE(SetScalarMessage(Text("-1.5s"), &duration).ok());
  EXPECT_EQ(duration.seconds(), -1);
  EXPECT_EQ(duration.nanos(), -500'000'000);
  EXPECT_TRUE(SetScalarMessage(Text("1h1ms"), &duration).ok());
  EXPECT_EQ(duration.seconds(), 3600);
  EXPECT_EQ(duration.nanos(), 1'000'000);
  for (const char* text : {"5", "s", "1 s", "1d", "inf", "99999999999h", ""}) {
    EXPECT_FALSE(SetScalarMessage(Text(text), &duration).ok()) << text;
  }
  google::protobuf::Timestamp time;
  EXPECT_TRUE(SetScalarMessage(Text("2026-01-02T03:04:05+01:00"), &time).ok());
  EXPECT_EQ(time.seconds(), 1'767'319'445);
  for (const char* text : {"2026-01-02", "yesterday", "infinite-future", ""}) {
    EXPECT_FALSE(SetScalarMessage(Text(text), &time).ok()) << text;
  }
  EXPECT_TRUE(IsScalarMessage(*google::protobuf::Duration::descriptor()));
  EXPECT_FALSE(IsScalarMessage(*v1::Limits::descriptor()));
}

}  // namespace
}  // namespace pointsman::common
