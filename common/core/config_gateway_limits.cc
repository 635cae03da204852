#include "common/core/config_gateway_limits.h"

#include "absl/strings/str_cat.h"

namespace pointsman::common {
namespace {

using absl::Hours;
using absl::Milliseconds;
using absl::Minutes;
using absl::Seconds;

constexpr uint64_t kConnectionsMax = 4'000'000;
constexpr uint64_t kRateMax = 1'000'000;
constexpr uint64_t kWindowMin = 16 << 10;
constexpr uint64_t kWindowMax = 16 << 20;
constexpr uint64_t kConnectionWindowMin = 64 << 10;
constexpr uint64_t kConnectionWindowMax = 256 << 20;
// Above it, the HTTP/2 library refuses to send a head of many fields on to the other side.
constexpr uint64_t kHeadBytesMax = 48 << 10;

// One number: present or not, its value, its range.
struct Count {
  absl::string_view name;
  bool present;
  uint64_t value;
  Range<uint64_t> range;
};

template <size_t n>
void CheckCounts(const Count (&counts)[n], const RulePath& path, Rules* rules) {
  for (const Count& count : counts) {
    if (count.present) rules->CountIn(path.Field(count.name), count.value, count.range);
  }
}

void CheckTimes(const v1::GatewayLimits& limits, const RulePath& path, Rules* rules) {
  rules->DurationIn(path.Field("client_idle_timeout"), limits.has_client_idle_timeout(),
                    limits.client_idle_timeout(), {Seconds(1), Hours(24)});
  rules->DurationIn(path.Field("client_head_timeout"), limits.has_client_head_timeout(),
                    limits.client_head_timeout(), {Milliseconds(100), Minutes(10)});
  rules->DurationIn(path.Field("tls_handshake_timeout"), limits.has_tls_handshake_timeout(),
                    limits.tls_handshake_timeout(), {Milliseconds(100), Minutes(10)});
  rules->DurationIn(path.Field("upstream_idle_timeout"), limits.has_upstream_idle_timeout(),
                    limits.upstream_idle_timeout(), {Milliseconds(100), Hours(24)});
  rules->DurationIn(path.Field("upstream_ping_after"), limits.has_upstream_ping_after(),
                    limits.upstream_ping_after(), {Seconds(1), Hours(1)});
  rules->DurationIn(path.Field("upstream_ping_timeout"), limits.has_upstream_ping_timeout(),
                    limits.upstream_ping_timeout(), {Milliseconds(100), Minutes(10)});
  rules->DurationIn(path.Field("client_connection_age"), limits.has_client_connection_age(),
                    limits.client_connection_age(), {Seconds(1), Hours(720)});
}

void CheckHttp2(const v1::GatewayHttp2Limits& http2, const RulePath& path, Rules* rules) {
  const Count counts[] = {
      {"streams", http2.has_streams(), http2.streams(), {1, 10'000}},
      {"stream_window_bytes",
       http2.has_stream_window_bytes(),
       http2.stream_window_bytes(),
       {kWindowMin, kWindowMax}},
      {"connection_window_bytes",
       http2.has_connection_window_bytes(),
       http2.connection_window_bytes(),
       {kConnectionWindowMin, kConnectionWindowMax}},
      {"resets_burst", http2.has_resets_burst(), http2.resets_burst(), {1, kRateMax}},
      {"resets_per_second",
       http2.has_resets_per_second(),
       http2.resets_per_second(),
       {1, kRateMax}},
      {"glitches_burst", http2.has_glitches_burst(), http2.glitches_burst(), {100, kRateMax}},
      {"glitches_per_second",
       http2.has_glitches_per_second(),
       http2.glitches_per_second(),
       {1, kRateMax}},
  };
  CheckCounts(counts, path, rules);
  if (http2.has_connection_window_bytes() &&
      http2.connection_window_bytes() < http2.stream_window_bytes()) {
    rules->Broken(config_code::kConflict, path.Field("connection_window_bytes"),
                  absl::StrCat(http2.connection_window_bytes(), " is below stream_window_bytes, ",
                               http2.stream_window_bytes()));
  }
}

}  // namespace

void CheckGatewayLimits(const v1::GatewayLimits& limits, const RulePath& path, Rules* rules) {
  const Count counts[] = {
      {"head_bytes", limits.has_head_bytes(), limits.head_bytes(), {4096, kHeadBytesMax}},
      {"head_fields", limits.has_head_fields(), limits.head_fields(), {16, 1000}},
      {"connections", limits.has_connections(), limits.connections(), {16, kConnectionsMax}},
      {"connections_per_source",
       limits.has_connections_per_source(),
       limits.connections_per_source(),
       {0, kConnectionsMax}},
      {"idle_connections_per_endpoint",
       limits.has_idle_connections_per_endpoint(),
       limits.idle_connections_per_endpoint(),
       {1, 65'536}},
      {"buffer_bytes",
       limits.has_buffer_bytes(),
       limits.buffer_bytes(),
       {uint64_t{16} << 20, uint64_t{1} << 40}},
      {"replay_bytes", limits.has_replay_bytes(), limits.replay_bytes(), {0, 16 << 20}},
      {"stream_window_bytes",
       limits.has_stream_window_bytes(),
       limits.stream_window_bytes(),
       {kWindowMin, kWindowMax}},
  };
  CheckCounts(counts, path, rules);
  CheckTimes(limits, path, rules);
  const uint64_t head = limits.has_head_bytes() ? limits.head_bytes() : kHeadBytesDefault;
  if (limits.has_stream_window_bytes() &&
      limits.stream_window_bytes() < head + kWindowAboveHeadBytes) {
    rules->Broken(config_code::kConflict, path.Field("stream_window_bytes"),
                  absl::StrCat(limits.stream_window_bytes(), " is too little beside head_bytes, ",
                               head, ": ", kWindowAboveHeadBytes, " more are needed at least"));
  }
  const RulePath http2 = path.Field("http2");
  CheckHttp2(limits.http2(), http2, rules);
}

}  // namespace pointsman::common
