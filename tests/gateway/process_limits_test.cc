#include "gateway/process_limits.h"

#include <gtest/gtest.h>

#include "common/core/config_load.h"

namespace pointsman::gateway {
namespace {

ProxyLimits Applied(const std::string& text) {
  v1::GatewayLimits message;
  EXPECT_TRUE(common::ParseYaml(text, &message).empty()) << text;
  ProxyLimits limits;
  ApplyLimits(message, &limits);
  return limits;
}

TEST(ProcessLimitsTest, EachFieldOfAFileSetsItsOwn) {
  const ProxyLimits limits = Applied(R"(
head_bytes: 8192
head_fields: 50
connections: 1000
connections_per_source: 0
client_idle_timeout: 5s
client_head_timeout: 2s
tls_handshake_timeout: 3s
idle_connections_per_endpoint: 7
upstream_idle_timeout: 4s
upstream_ping_after: 6s
upstream_ping_timeout: 7s
client_connection_age: 8h
replay_bytes: 0
buffer_bytes: 33554432
stream_window_bytes: 20000
http2:
  streams: 10
  stream_window_bytes: 30000
  connection_window_bytes: 70000
  resets_burst: 11
  resets_per_second: 12
  glitches_burst: 113
  glitches_per_second: 14
)");
  EXPECT_EQ(limits.head.bytes_max, 8192u);
  EXPECT_EQ(limits.head.fields_max, 50u);
  EXPECT_EQ(limits.connections_max, 1000u);
  EXPECT_EQ(limits.connections_per_source_max, 0u);
  EXPECT_EQ(limits.client_idle_timeout, absl::Seconds(5));
  EXPECT_EQ(limits.client_head_timeout, absl::Seconds(2));
  EXPECT_EQ(limits.tls_handshake_timeout, absl::Seconds(3));
  EXPECT_EQ(limits.idle_per_endpoint_max, 7u);
  EXPECT_EQ(limits.upstream_idle_timeout, absl::Seconds(4));
  EXPECT_EQ(limits.http2_ping_after, absl::Seconds(6));
  EXPECT_EQ(limits.http2_ping_timeout, absl::Seconds(7));
  EXPECT_EQ(limits.client_connection_age, absl::Hours(8));
  EXPECT_EQ(limits.replay_bytes_max, 0u);
  EXPECT_EQ(limits.buffer_bytes_max, 33'554'432u);
  EXPECT_EQ(limits.stream_window_bytes, 20'000u);
  EXPECT_EQ(limits.http2.streams_max, 10u);
  EXPECT_EQ(limits.http2.stream_window_bytes, 30'000u);
  EXPECT_EQ(limits.http2.connection_window_bytes, 70'000u);
  EXPECT_EQ(limits.http2.resets_burst, 11u);
  EXPECT_EQ(limits.http2.resets_per_second, 12u);
  EXPECT_EQ(limits.http2.glitches_burst, 113u);
  EXPECT_EQ(limits.http2.glitches_per_second, 14u);
}

// The defaults are those that gateway_limits.proto and docs/gateway.md name.
TEST(ProcessLimitsTest, WhatAFileDoesNotNameHasItsDefault) {
  const ProxyLimits limits = Applied("{}");
  EXPECT_EQ(limits.head.bytes_max, 32'768u);
  EXPECT_EQ(limits.head.fields_max, 128u);
  EXPECT_EQ(limits.connections_max, 65'536u);
  EXPECT_EQ(limits.connections_per_source_max, 16'384u);
  EXPECT_EQ(limits.client_idle_timeout, absl::Seconds(75));
  EXPECT_EQ(limits.client_head_timeout, absl::Seconds(10));
  EXPECT_EQ(limits.tls_handshake_timeout, absl::Seconds(10));
  EXPECT_EQ(limits.idle_per_endpoint_max, 128u);
  EXPECT_EQ(limits.upstream_idle_timeout, absl::Seconds(60));
  EXPECT_EQ(limits.client_connection_age, absl::InfiniteDuration());
  EXPECT_EQ(limits.replay_bytes_max, 131'072u);
  EXPECT_EQ(limits.buffer_bytes_max, 1u << 30);
  EXPECT_EQ(limits.stream_window_bytes, 65'536u);
  EXPECT_EQ(limits.http2.streams_max, 128u);
  EXPECT_EQ(limits.http2.stream_window_bytes, 65'536u);
  EXPECT_EQ(limits.http2.connection_window_bytes, 1'048'576u);
  EXPECT_EQ(limits.http2.resets_burst, 10'000u);
  EXPECT_EQ(limits.http2.resets_per_second, 1'000u);
  EXPECT_EQ(limits.http2.glitches_burst, 2'000u);
  EXPECT_EQ(limits.http2.glitches_per_second, 100u);
}

TEST(ProcessLimitsTest, WindowsGrowWithWhatTheyMustCarry) {
  EXPECT_EQ(Applied("{head_bytes: 49152}").stream_window_bytes, 65'536u);
  EXPECT_EQ(Applied("{http2: {stream_window_bytes: 2097152}}").http2.connection_window_bytes,
            2'097'152u);
}

TEST(ProcessLimitsTest, ChangedLimitsAreToldOnce) {
  v1::GatewayLimits running;
  running.set_head_bytes(8192);
  v1::GatewayLimits other;
  other.set_head_bytes(4096);
  LimitsWatch watch("f.yaml", running);
  EXPECT_FALSE(watch.Look(running));
  EXPECT_TRUE(watch.Look(other));
  EXPECT_FALSE(watch.Look(other));
  EXPECT_TRUE(watch.Look(std::nullopt));
  EXPECT_FALSE(watch.Look(running)) << "nothing waits any more";
  EXPECT_TRUE(watch.Look(other));
}

}  // namespace
}  // namespace pointsman::gateway
