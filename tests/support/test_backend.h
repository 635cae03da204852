#pragma once

// A small HTTP/1.1 server that behaves as it is told: slow, failing, silent, busy. Used by tests,
// by the demo and by benchmarks (over 50,000 requests a second on one core when told nothing).
//
// Paths: /healthz (200 "ok", or 503 after health=fail; not delayed), /metrics.json (what a service
// reports about its load), /_stats (counters and settings), POST /_control?KEY=VALUE&... (changes
// settings: delay_ms, jitter=fixed|exponential, concurrency, fail, reset, hang, burn_us, bytes,
// health=ok|fail; answers the settings). Every other path is work.
//
// Listen() and Run() on one thread; Stop() from any thread or a signal handler.

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bench/support/message_reader.h"
#include "bench/support/socket_address.h"
#include "common/core/time.h"
#include "tests/support/work_queue.h"

namespace pointsman::testing {

class TestBackend {
 public:
  static constexpr size_t kConnectionsMax = 20000;

  // `name` is sent back as X-Backend; empty: no such header.
  TestBackend(std::string name, Behaviour behaviour, uint64_t seed);
  ~TestBackend();
  TestBackend(const TestBackend&) = delete;
  TestBackend& operator=(const TestBackend&) = delete;

  // Binds; Unavailable: the address is taken, or epoll is not to be had.
  absl::Status Listen(const bench::SocketAddress& address);
  // "127.0.0.1:41234". REQUIRES: Listen() succeeded.
  std::string address() const;
  // Serves until Stop(). REQUIRES: Listen() succeeded.
  void Run();
  void Stop();

 private:
  struct Connection;

  void Accept();
  void OnEvent(uint64_t id, uint32_t events);
  void OnReadable(uint64_t id, bool end_announced);
  void TakeRequests(uint64_t id);
  // False: the connection is to be reset.
  bool HandleRequest(uint64_t id, Connection& connection);
  bool HandleWork(uint64_t id, Connection& connection);
  void FinishWork();
  void AnswerWork(uint64_t id);
  void Answer(Connection& connection, int status, absl::string_view body);
  bool Flush(uint64_t id, Connection& connection);
  void Close(uint64_t id);
  void SetTimer();
  absl::Status Control(absl::string_view query);
  std::string StatsJson() const;
  std::string MetricsJson();

  const std::string name_;
  Behaviour behaviour_;
  bool healthy_ = true;
  std::mt19937_64 random_;
  int listener_ = -1;
  int epoll_ = -1;
  int timer_ = -1;
  int wake_ = -1;
  std::atomic<bool> stop_{false};
  common::MonotonicTime now_;
  common::MonotonicTime timer_set_for_;
  WorkQueue queue_;
  uint64_t next_id_ = 16;
  std::map<uint64_t, std::unique_ptr<Connection>> connections_;
  std::map<WorkQueue::Ticket, uint64_t> ticket_owner_;
  std::vector<char> buffer_;
  std::string work_body_;
  uint64_t requests_ = 0;
  uint64_t errors_ = 0;
  uint64_t accepted_ = 0;
};

}  // namespace pointsman::testing
