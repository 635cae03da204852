#pragma once

// What the engine is built with: named limits, and counters of what happened. Values; the counters
// are written by one worker each (relaxed atomics) and may be read by any thread.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/time/time.h"
#include "common/core/address.h"
#include "common/core/cidr_set.h"
#include "common/core/micros.h"
#include "common/core/time.h"
#include "gateway/http/message.h"
#include "gateway/http2/limits.h"

namespace pointsman::gateway {

// Every bound of the data path that is not a service's policy.
struct ProxyLimits {
  HeadLimits head;
  Http2Limits http2;
  // Client connections of the whole gateway; more are answered 503 and closed.
  size_t connections_max = 65'536;
  // Of one source (SourceTable) among them, unless it is a trusted proxy; more are answered 429 and
  // closed. 0: no limit.
  size_t connections_per_source_max = 16'384;
  // Bytes of a body that wait in the gateway in one direction of one stream (one chunk more may
  // come before the sender stops).
  size_t stream_window_bytes = 64 * 1024;
  // Bodies that wait in the gateway in all. From half of it on a stream's window is one chunk; at
  // it new requests are answered 503; a quarter above it requests and TCP connections end that
  // bring more. Each worker has its part.
  size_t buffer_bytes_max = size_t{1} << 30;
  // Request body kept to be sent again; a larger one makes a try final.
  size_t replay_bytes_max = 128 * 1024;
  // Interim (1xx) responses before the final one.
  int interim_responses_max = 8;
  // Idle connections to one endpoint, per worker, and as many on the workers' shelf.
  size_t idle_per_endpoint_max = 128;
  // Bytes thrown away after an early answer so that the client can read it.
  size_t linger_bytes_max = 256 * 1024;

  // Connections wait in the kernel until there is a configuration, but no longer than this; then
  // they are answered 503.
  absl::Duration first_table_wait = absl::Seconds(1);
  common::Micros client_idle_timeout = absl::Seconds(75);
  // Of a client's connection, the most: each one's is drawn.
  absl::Duration client_connection_age = absl::InfiniteDuration();
  // From a head's first byte to its last.
  common::Micros client_head_timeout = absl::Seconds(10);
  // For the first request of a connection that stands when a drain begins: its client could not
  // know. Also for a further one after an answer that began before the drain.
  absl::Duration drain_first_request_wait = absl::Seconds(1);
  // From the beginning of a drain until HTTP/1 connections on which nothing is asked are closed: a
  // client that asks before is told by its answer, and loses nothing. Absent: two thirds of the
  // drain's grace.
  std::optional<absl::Duration> drain_idle_wait = std::nullopt;
  // From "begin no more streams" to "none are taken": what was sent meanwhile is still served.
  absl::Duration http2_goaway_wait = absl::Seconds(1);
  // From accepting to the end of a TLS handshake.
  absl::Duration tls_handshake_timeout = absl::Seconds(10);
  // Steps of handshakes per worker and turn: the rest waits, so that many handshakes at once do not
  // hold up requests. (A step with a signature takes about 0.1 ms.)
  int tls_handshake_steps_per_turn = 16;
  // Sessions to endpoints kept for resumption, per worker.
  size_t tls_upstream_sessions_max = 4096;
  // For the client to take what is left of a complete answer.
  absl::Duration http2_stuck_timeout = absl::Seconds(60);
  // HTTP/2 connections to one endpoint, per worker.
  size_t http2_per_endpoint_max = 8;
  absl::Duration linger_timeout = absl::Seconds(2);
  common::Micros upstream_idle_timeout = absl::Seconds(60);
  // An idle plain HTTP/1 connection to an endpoint is for any worker from then on (upstream_shelf).
  absl::Duration upstream_shelf_after = absl::Seconds(1);
  // Of those, in all.
  size_t shelved_connections_max = 4096;
  // How often a worker looks for what it can let go of: memory that a peak needed, pools of
  // endpoints that left.
  absl::Duration sweep_interval = absl::Seconds(5);
  // How often a worker compares the endpoints of a service with each other.
  absl::Duration outlier_interval = absl::Seconds(1);

  // Peers that are believed in what they say of the client (forwarded.h). Null: nobody.
  std::shared_ptr<const common::CidrSet> trusted_proxies;
  // Clients whose error pages say more than the reason. Null: nobody.
  std::shared_ptr<const common::CidrSet> error_details_to;
  // Requests without a trace are given one; this share of those with the flag "sampled". Absent:
  // they are not.
  std::optional<double> trace_sample;
  // Connections from these begin with a PROXY header, which names the peer from then on; all others
  // have none. Null: nobody.
  std::shared_ptr<const common::CidrSet> proxy_header_from;

  // An endpoint's HTTP/2 connection that is silent for so long while a try runs, or was before one
  // begins, is asked for a sign of life; without one for so long it is lost.
  absl::Duration http2_ping_after = absl::Seconds(10);
  absl::Duration http2_ping_timeout = absl::Seconds(5);
  // So many times between two frames of answers; then no sooner than every so long: gRPC's servers
  // end connections that ask oftener than every 5 minutes.
  int http2_quick_pings_max = 2;
  absl::Duration http2_patient_ping_after = absl::Seconds(310);
  // A try that was given up after so long, without a byte on its connection meanwhile, makes the
  // connection suspect.
  absl::Duration http2_silent_try_min = absl::Milliseconds(50);
};

// A counter with one writer.
class Counter {
 public:
  void Add(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void Subtract(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) - n, std::memory_order_relaxed);
  }
  void Set(uint64_t n) { value_.store(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

inline constexpr size_t kReasonCount = static_cast<size_t>(Reason::kReasonCount);

struct alignas(64) WorkerCounters {
  Counter turns;
  Counter accepted;
  Counter connections;  // Open now.
  Counter handed_off;   // Accepted, then given to a worker with fewer.
  Counter shed_connections;
  Counter accept_failures;
  Counter proxy_headers;   // Taken off connections.
  Counter tls_handshakes;  // Of clients, done; resumed ones included.
  Counter tls_resumed;
  Counter tls_handshake_failures;
  Counter tls_handshaking;  // Now.
  Counter tls_upstream_handshakes;
  Counter tls_upstream_resumed;
  Counter tls_upstream_failures;
  Counter tcp_connections;  // Passed through, in all.
  Counter tcp_open;         // Now.
  Counter requests;         // Heads that were complete.
  Counter requests_active;  // Now.
  Counter tunnels;          // Now.
  Counter tunnels_opened;
  Counter requests_waiting;  // Now, because a filter says so.
  Counter requests_waited;   // In all.
  Counter requests_queued;   // Now, because their service is at a limit.
  Counter requests_queued_total;
  Counter requests_awaiting_body;  // Now: a route or a filter is to see it.
  Counter requests_awaited_body;   // In all.
  Counter bodies_too_large;        // To be awaited whole.
  Counter mirrors;                 // Copies of requests that were begun,
  Counter mirrors_refused;         // that had no room or no endpoint,
  Counter mirrors_broken;          // that were too slow for the request's body.
  Counter bodies_unreadable;       // By routes that match on JSON.
  Counter retries;
  Counter hedges;            // Retries before the first try had failed,
  Counter hedges_won;        // that were the first to answer.
  Counter outliers_failing;  // Endpoints avoided because they fail far oftener than the others,
  Counter outliers_slow;     // or are far slower.
  Counter stale_retries;     // On a fresh connection, after an idle one was found closed.
  Counter upstream_opened;
  Counter upstream_second_addresses;  // Of these, at an address that was not asked first.
  Counter upstream_reused;
  Counter upstream_idle;  // Now.
  Counter upstream_idle_closed;
  Counter upstream_shelf_taken;
  Counter upstream_aged;  // Ended by their age or their number of requests.
  Counter clients_aged;   // Connections of clients, the same.
  Counter upstream_waiting;
  Counter upstream_silent;
  Counter received_bytes;  // From clients.
  Counter sent_bytes;      // To clients.
  Counter buffer_bytes;    // Chunks in use, after the last turn.
  Counter buffer_bytes_peak;
  std::array<Counter, 6> responses;  // By status / 100; the gateway's own included.
  std::array<Counter, kReasonCount> reasons;
};

// Sums over the workers, as of now.
struct EngineStats {
  uint64_t turns = 0;
  uint64_t accepted = 0;
  uint64_t connections = 0;
  uint64_t handed_off = 0;
  uint64_t shed_connections = 0;
  uint64_t accept_failures = 0;
  uint64_t proxy_headers = 0;
  uint64_t tls_handshakes = 0;
  uint64_t tls_resumed = 0;
  uint64_t tls_handshake_failures = 0;
  uint64_t tls_handshaking = 0;
  uint64_t tls_upstream_handshakes = 0;
  uint64_t tls_upstream_resumed = 0;
  uint64_t tls_upstream_failures = 0;
  uint64_t tcp_connections = 0;
  uint64_t tcp_open = 0;
  uint64_t requests = 0;
  uint64_t requests_active = 0;
  uint64_t tunnels = 0;
  uint64_t tunnels_opened = 0;
  uint64_t requests_waiting = 0;
  uint64_t requests_waited = 0;
  uint64_t requests_queued = 0;
  uint64_t requests_queued_total = 0;
  uint64_t requests_awaiting_body = 0;
  uint64_t requests_awaited_body = 0;
  uint64_t bodies_too_large = 0;
  uint64_t mirrors = 0;
  uint64_t mirrors_refused = 0;
  uint64_t mirrors_broken = 0;
  uint64_t bodies_unreadable = 0;
  uint64_t retries = 0;
  uint64_t hedges = 0;
  uint64_t hedges_won = 0;
  uint64_t outliers_failing = 0;
  uint64_t outliers_slow = 0;
  uint64_t stale_retries = 0;
  uint64_t upstream_opened = 0;
  uint64_t upstream_second_addresses = 0;
  uint64_t upstream_reused = 0;
  uint64_t upstream_idle = 0;
  uint64_t upstream_idle_closed = 0;
  uint64_t upstream_shelved = 0;  // Now.
  uint64_t upstream_shelf_taken = 0;
  uint64_t upstream_aged = 0;
  uint64_t clients_aged = 0;
  uint64_t upstream_waiting = 0;
  uint64_t upstream_silent = 0;
  uint64_t received_bytes = 0;
  uint64_t sent_bytes = 0;
  uint64_t buffer_bytes = 0;
  uint64_t buffer_bytes_peak = 0;
  uint64_t buffer_bytes_limit = 0;  // Of all workers.
  std::array<uint64_t, 6> responses = {};
  std::array<uint64_t, kReasonCount> reasons = {};

  void Add(const WorkerCounters& counters);
};

// What an access log gets to know of a finished request. Views live for the call only.
struct RequestRecord {
  size_t worker = 0;
  // Its address: the connection's other end, or whom a trusted proxy names.
  absl::string_view client;
  // The connection's other end.
  absl::string_view peer;
  absl::string_view protocol;  // "1.1" and the like.
  absl::string_view method;
  absl::string_view authority;
  absl::string_view target;
  absl::string_view service;
  absl::string_view route;
  // Of the last try; null: there was none.
  const common::Address* endpoint = nullptr;
  // As the endpoint is told.
  absl::string_view request_id;
  absl::string_view trace_id;
  // "TLSv1.3" and the like, and the name asked for; empty: plain, none.
  absl::string_view tls;
  absl::string_view server_name;
  int status = 0;  // 0: no answer was begun.
  Reason reason = Reason::kNone;
  // What the client is told by gRPC; negative: nothing.
  int grpc_status = -1;
  int tries = 0;
  // Of bodies, without framing.
  uint64_t received_bytes = 0;
  uint64_t sent_bytes = 0;
  common::MonotonicTime ended;
  absl::Duration duration;
  // From the request's head to the answer's; negative: none came.
  absl::Duration first_byte = absl::Microseconds(-1);
  // From the last try's begin until a connection stood; negative: none did.
  absl::Duration connect = absl::Microseconds(-1);
};

// Told of finished requests on the worker's thread; must be quick and thread-safe.
class RequestObserver {
 public:
  virtual ~RequestObserver() = default;
  virtual void OnRequest(const RequestRecord& record) = 0;
};

}  // namespace pointsman::gateway
