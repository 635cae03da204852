#pragma once

// Sends HTTP/1.1 requests over kept connections and counts what comes back.
//
// Open loop (`rps` > 0): request i is due at start + i/rps whatever happened to those before it,
// and its latency counts from then, so that a stall of the server is seen by every request it
// delayed. Closed loop (`rps` == 0): each connection sends its next request when the last one
// ended.
//
// A connection that its peer closes while idle is opened again; a request that was sent on a kept
// connection just as the peer closed it (no byte came back) is sent once more on a new one and
// counted as resent. Everything else that ends without a response under 400 is a failure.
//
// Thread-compatible: Run() works on the calling thread; Stop() may be called from any thread and
// from a signal handler.

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "bench/support/load_report.h"
#include "bench/support/message_reader.h"
#include "bench/support/socket_address.h"
#include "common/core/time.h"

namespace pointsman::bench {

struct LoadOptions {
  SocketAddress target;
  // Value of the Host header.
  std::string host = "localhost";
  std::string method = "GET";
  std::string path = "/";
  size_t request_body_bytes = 0;
  // At most this many connections, opened when needed. Range 1 to kConnectionsMax.
  int connections = 16;
  // Requests a second; 0: closed loop.
  double rps = 0;
  // No request is started after this time ...
  absl::Duration duration = absl::InfiniteDuration();
  // ... nor after so many; 0: no such end.
  uint64_t requests = 0;
  // From the first byte sent to the last received.
  absl::Duration timeout = absl::Seconds(10);
  // How often `on_interval` is called; Infinite: never.
  absl::Duration interval = absl::InfiniteDuration();
};

class LoadRun {
 public:
  static constexpr int kConnectionsMax = 20000;
  // Requests that are due and wait for a connection; more fail as timeouts.
  static constexpr size_t kWaitingMax = 1 << 20;

  // Called on Run()'s thread with what was counted since the last call and since the start.
  using OnInterval = std::function<void(const LoadReport& interval, const LoadReport& total,
                                        absl::Duration interval_length)>;

  LoadRun(LoadOptions options, OnInterval on_interval);
  ~LoadRun();
  LoadRun(const LoadRun&) = delete;
  LoadRun& operator=(const LoadRun&) = delete;

  // Runs to the end of the schedule or until Stop(), waits for the requests in flight, returns.
  // Unavailable: epoll is not to be had.
  absl::Status Run();
  void Stop() { stop_.store(true, std::memory_order_relaxed); }

  const LoadReport& report() const { return total_; }
  // From the first request's start to the last's end.
  absl::Duration elapsed() const { return ended_ - started_; }

 private:
  struct Request {
    common::MonotonicTime intended;
    bool resent = false;
  };
  struct Connection {
    int fd = -1;
    bool busy = false;
    bool connected = false;
    bool used_before = false;  // Carried a whole exchange already.
    Request request;
    common::MonotonicTime deadline;
    size_t written = 0;
    MessageReader reader{MessageReader::Kind::kResponse};
  };

  void StartDueRequests();
  void StartRequest(Request request);
  void OpenAndSend(size_t index, Request request);
  void SendOn(size_t index, Request request);
  void Write(size_t index);
  void OnEvent(size_t index, uint32_t events);
  void OnReadable(size_t index, bool end_announced);
  void OnEnd(size_t index);
  void OnResponse(size_t index);
  void Fail(size_t index, Failure failure);
  void Close(size_t index);
  void Release(size_t index);
  void ExpireRequests();
  void CountFailure(Failure failure);
  void CountResponse(const Connection& connection);
  void ReportInterval();
  void WaitForEvents();
  void DropWaiting();
  bool ScheduleEnded() const;

  const LoadOptions options_;
  const OnInterval on_interval_;
  const std::string request_bytes_;
  int epoll_ = -1;
  int timer_ = -1;
  std::atomic<bool> stop_{false};
  common::MonotonicTime now_;
  common::MonotonicTime started_;
  common::MonotonicTime ended_;
  common::MonotonicTime interval_started_;
  common::MonotonicTime next_expiry_scan_;
  uint64_t scheduled_ = 0;
  size_t in_flight_ = 0;
  std::vector<Connection> connections_;
  std::deque<size_t> idle_;     // Connected and without a request, longest idle first.
  std::vector<size_t> closed_;  // Slots without a connection.
  std::deque<Request> waiting_;
  std::vector<char> buffer_;
  LoadReport interval_;
  LoadReport total_;
};

}  // namespace pointsman::bench
