#pragma once

// Bounds of one HTTP/2 connection. Values; the connection of either side takes them at its start.

#include <cstdint>

namespace pointsman::gateway {

struct Http2Limits {
  // Streams a client may have open at once on one connection.
  uint32_t streams_max = 128;
  // Bytes the peer may send on one stream, and on all of a connection, before they are passed on.
  uint32_t stream_window_bytes = 64 * 1024;
  uint32_t connection_window_bytes = 1024 * 1024;
  // Streams a client may reset: so many at once, and so many a second for ever. gRPC clients cancel
  // a lot; the library's own default (1,000 and 33) would cut them off.
  uint32_t resets_burst = 10'000;
  uint32_t resets_per_second = 1'000;
  // Frames that carry nothing (pings, settings, priorities, empty data, window updates, unknown
  // ones, errors): so many at once, and so many a second for ever.
  uint32_t glitches_burst = 2'000;
  uint32_t glitches_per_second = 100;
  // Work that was done forgives them, because honest peers answer it with such frames: gRPC's send
  // a PING and a WINDOW_UPDATE or two for each message. So many for each request that both sides
  // ended, and for each DATA frame we sent that the peer's window did not cut short (or windows of
  // one byte would pay for themselves); beside them, each KiB of a body forgives one.
  uint32_t glitches_forgiven_per_request = 8;
  uint32_t glitches_forgiven_per_message = 3;
  // Memory that the decoded heads of a client's running requests may take: so much on every
  // connection, and for each byte ever received on it. A table entry that a byte names a hundred
  // times over is then no way to make a few bytes into megabytes.
  uint32_t head_bytes_free = 128 * 1024;
  uint32_t head_bytes_per_received = 24;
};

}  // namespace pointsman::gateway
