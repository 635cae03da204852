#include "gateway/process_limits.h"

#include <algorithm>
#include <utility>

#include "common/core/config_gateway_limits.h"
#include "common/core/proto_time.h"
#include "common/log.h"

namespace pointsman::gateway {
namespace {

void ApplyHttp2(const v1::GatewayHttp2Limits& message, Http2Limits* limits) {
  if (message.has_streams()) limits->streams_max = message.streams();
  if (message.has_stream_window_bytes()) {
    limits->stream_window_bytes = message.stream_window_bytes();
  }
  limits->connection_window_bytes =
      message.has_connection_window_bytes()
          ? message.connection_window_bytes()
          : std::max(limits->connection_window_bytes, limits->stream_window_bytes);
  if (message.has_resets_burst()) limits->resets_burst = message.resets_burst();
  if (message.has_resets_per_second()) limits->resets_per_second = message.resets_per_second();
  if (message.has_glitches_burst()) limits->glitches_burst = message.glitches_burst();
  if (message.has_glitches_per_second()) {
    limits->glitches_per_second = message.glitches_per_second();
  }
}

void ApplyTimes(const v1::GatewayLimits& message, ProxyLimits* limits) {
  if (message.has_client_idle_timeout()) {
    limits->client_idle_timeout = common::FromProto(message.client_idle_timeout());
  }
  if (message.has_client_head_timeout()) {
    limits->client_head_timeout = common::FromProto(message.client_head_timeout());
  }
  if (message.has_tls_handshake_timeout()) {
    limits->tls_handshake_timeout = common::FromProto(message.tls_handshake_timeout());
  }
  if (message.has_upstream_idle_timeout()) {
    limits->upstream_idle_timeout = common::FromProto(message.upstream_idle_timeout());
  }
  if (message.has_upstream_ping_after()) {
    limits->http2_ping_after = common::FromProto(message.upstream_ping_after());
  }
  if (message.has_upstream_ping_timeout()) {
    limits->http2_ping_timeout = common::FromProto(message.upstream_ping_timeout());
  }
  if (message.has_client_connection_age()) {
    limits->client_connection_age = common::FromProto(message.client_connection_age());
  }
}

// Equal for equal limits: the message has no maps.
std::string TextOf(const LimitsWatch::Limits& limits) {
  return limits.has_value() ? limits->SerializeAsString() : "";
}

}  // namespace

static_assert(HeadLimits().bytes_max == common::kHeadBytesDefault);

void ApplyLimits(const v1::GatewayLimits& message, ProxyLimits* limits) {
  if (message.has_head_bytes()) limits->head.bytes_max = message.head_bytes();
  if (message.has_head_fields()) limits->head.fields_max = message.head_fields();
  if (message.has_connections()) limits->connections_max = message.connections();
  if (message.has_connections_per_source()) {
    limits->connections_per_source_max = message.connections_per_source();
  }
  if (message.has_idle_connections_per_endpoint()) {
    limits->idle_per_endpoint_max = message.idle_connections_per_endpoint();
  }
  if (message.has_buffer_bytes()) limits->buffer_bytes_max = message.buffer_bytes();
  if (message.has_replay_bytes()) limits->replay_bytes_max = message.replay_bytes();
  limits->stream_window_bytes =
      message.has_stream_window_bytes()
          ? message.stream_window_bytes()
          : std::max<size_t>(limits->stream_window_bytes,
                             limits->head.bytes_max + common::kWindowAboveHeadBytes);
  ApplyTimes(message, limits);
  ApplyHttp2(message.http2(), &limits->http2);
}

LimitsWatch::LimitsWatch(std::string file, const Limits& running)
    : file_(std::move(file)), running_(TextOf(running)), seen_(running_) {}

bool LimitsWatch::Look(const Limits& now) {
  std::string text = TextOf(now);
  if (text == seen_) return false;
  seen_ = std::move(text);
  if (seen_ == running_) return false;
  common::LogWarning(
      "gateway.limits_wait",
      {{"file", file_}, {"why", "changed limits apply with an upgrade or a restart"}});
  return true;
}

}  // namespace pointsman::gateway
