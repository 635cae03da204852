#pragma once

// Opens TLS connections at a fixed rate (or as fast as they end), sends one request on each and
// lets the server close it: what handshakes cost a server. TLS 1.3, AES-128-GCM, X25519; the
// certificate is not verified. With `resume` each connection offers the newest ticket it has.
//
// Open loop: connection i is due at start + i/rps and its latency counts from then; one that finds
// `connections` under way waits. Thread-compatible: Run() works on the calling thread.

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "bench/support/latency_recorder.h"
#include "bench/support/socket_address.h"
#include "common/core/time.h"
#include "gateway/tls/openssl.h"

namespace pointsman::bench {

struct HandshakeOptions {
  SocketAddress target;
  std::string host = "localhost";
  bool resume = false;
  // Under way at once.
  size_t connections = 32;
  // Connections a second; 0: closed loop.
  double rps = 0;
  absl::Duration duration = absl::Seconds(1);
};

struct HandshakeReport {
  uint64_t done = 0;     // Answered with 200.
  uint64_t resumed = 0;  // Of these.
  uint64_t failed = 0;
  // From when a connection was due to the end of its answer.
  LatencyRecorder latency;
  absl::Duration elapsed;
};

class HandshakeLoad {
 public:
  explicit HandshakeLoad(HandshakeOptions options);
  ~HandshakeLoad();
  HandshakeLoad(const HandshakeLoad&) = delete;
  HandshakeLoad& operator=(const HandshakeLoad&) = delete;

  // Internal: OpenSSL or epoll is not to be had.
  absl::Status Run();
  const HandshakeReport& report() const { return report_; }

 private:
  struct Connection;

  static int OnTicket(SSL* ssl, SSL_SESSION* session);
  absl::Status Prepare();
  void StartDue(common::MonotonicTime now);
  bool Start(common::MonotonicTime due);
  void Step(Connection* connection);
  // False: it goes on when the socket is ready again.
  bool TryStep(Connection* connection);
  bool Read(Connection* connection);
  // False: the library waits for the socket; else the connection has ended.
  bool Ends(Connection* connection, int result);
  void Finish(Connection* connection, bool good);
  int WaitMillis(common::MonotonicTime now) const;

  const HandshakeOptions options_;
  HandshakeReport report_;
  gateway::SslContextPtr context_;
  gateway::SessionPtr ticket_;
  int epoll_ = -1;
  common::MonotonicTime started_;
  uint64_t begun_ = 0;
  std::vector<std::unique_ptr<Connection>> all_;
  std::vector<Connection*> free_;
};

}  // namespace pointsman::bench
