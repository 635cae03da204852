#include "tests/support/test_backend.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/random/distributions.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/clock.h"
#include "common/core/status_macros.h"

namespace pointsman::testing {
namespace {

using bench::MessageReader;
using common::MonotonicTime;

constexpr int kEventsPerTurn = 256;
constexpr size_t kReadBytes = 64 * 1024;
// Answers that a client does not read pile up to here; then its connection is closed.
constexpr size_t kUnsentBytesMax = 64 * 1024 * 1024;
enum : uint64_t { kListenerKey = 1, kTimerKey = 2, kWakeKey = 3 };

void BurnCpu(int64_t micros) {
  timespec start;
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
  do {
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  } while ((now.tv_sec - start.tv_sec) * 1000000 + (now.tv_nsec - start.tv_nsec) / 1000 < micros);
}

void Watch(int epoll, int fd, uint32_t events, uint64_t key) {
  epoll_event event{.events = events, .data = {.u64 = key}};
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

absl::string_view ReasonPhrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 503:
      return "Service Unavailable";
    default:
      return "Internal Server Error";
  }
}

absl::Status SetNumber(absl::string_view key, absl::string_view value, double max, double* out) {
  double number = 0;
  if (!absl::SimpleAtod(value, &number) || !(number >= 0 && number <= max)) {
    return absl::InvalidArgumentError(absl::StrCat(key, "=", value, ": want 0 to ", max));
  }
  *out = number;
  return absl::OkStatus();
}

template <typename Integer>
absl::Status SetInteger(absl::string_view key, absl::string_view value, double max, Integer* out) {
  double number = 0;
  PM_RETURN_IF_ERROR(SetNumber(key, value, max, &number));
  *out = static_cast<Integer>(number);
  return absl::OkStatus();
}

// One setting of /_control but `health`.
absl::Status SetBehaviour(absl::string_view key, absl::string_view value, Behaviour* behaviour) {
  if (key == "delay_ms") return SetNumber(key, value, 1e7, &behaviour->delay_ms);
  if (key == "fail") return SetNumber(key, value, 1, &behaviour->fail);
  if (key == "reset") return SetNumber(key, value, 1, &behaviour->reset);
  if (key == "hang") return SetNumber(key, value, 1, &behaviour->hang);
  if (key == "concurrency") return SetInteger(key, value, 1e6, &behaviour->concurrency);
  if (key == "burn_us") return SetInteger(key, value, 1e7, &behaviour->burn_us);
  if (key == "bytes") return SetInteger(key, value, 1e9, &behaviour->bytes);
  if (key == "jitter" && (value == "fixed" || value == "exponential")) {
    behaviour->exponential = value == "exponential";
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      key, "=", value, ": the keys are delay_ms jitter=fixed|exponential concurrency fail reset",
      " hang burn_us bytes health=ok|fail"));
}

}  // namespace

struct TestBackend::Connection {
  int fd = -1;
  bool working = false;    // A request is being worked on (or hangs).
  bool closing = false;    // Closed when everything is sent.
  bool ended = false;      // The client sends no more.
  bool continued = false;  // "100 Continue" was sent for this request.
  WorkQueue::Ticket ticket = 0;
  MessageReader reader{MessageReader::Kind::kRequest};
  std::string unread;  // Bytes behind the request in work.
  std::string unsent;
};

TestBackend::TestBackend(std::string name, Behaviour behaviour, uint64_t seed)
    : name_(std::move(name)),
      behaviour_(behaviour),
      random_(seed),
      now_(common::SystemClock().Now()),
      timer_set_for_(MonotonicTime::Infinite()),
      queue_(now_),
      buffer_(kReadBytes) {}

TestBackend::~TestBackend() {
  for (auto& [id, connection] : connections_) close(connection->fd);
  for (const int fd : {listener_, epoll_, timer_, wake_}) {
    if (fd >= 0) close(fd);
  }
}

absl::Status TestBackend::Listen(const bench::SocketAddress& address) {
  PM_ASSIGN_OR_RETURN(listener_, bench::ListenOn(address));
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  wake_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (epoll_ < 0 || timer_ < 0 || wake_ < 0) {
    return absl::UnavailableError(absl::StrCat("epoll: ", std::strerror(errno)));
  }
  Watch(epoll_, listener_, EPOLLIN, kListenerKey);
  Watch(epoll_, timer_, EPOLLIN, kTimerKey);
  Watch(epoll_, wake_, EPOLLIN, kWakeKey);
  return absl::OkStatus();
}

std::string TestBackend::address() const { return bench::LocalAddressText(listener_); }

void TestBackend::Stop() {
  stop_.store(true, std::memory_order_relaxed);
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = write(wake_, &one, sizeof(one));
}

void TestBackend::Run() {
  epoll_event events[kEventsPerTurn];
  while (!stop_.load(std::memory_order_relaxed)) {
    const int count = epoll_wait(epoll_, events, kEventsPerTurn, -1);
    now_ = common::SystemClock().Now();
    for (int i = 0; i < count; ++i) OnEvent(events[i].data.u64, events[i].events);
    FinishWork();
    SetTimer();
  }
}

void TestBackend::OnEvent(uint64_t id, uint32_t events) {
  if (id == kListenerKey) return Accept();
  if (id == kTimerKey || id == kWakeKey) {
    uint64_t expirations;
    [[maybe_unused]] const ssize_t n =
        read(id == kTimerKey ? timer_ : wake_, &expirations, sizeof(expirations));
    if (id == kTimerKey) timer_set_for_ = MonotonicTime::Infinite();
    return;
  }
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  if ((events & EPOLLOUT) && !Flush(id, *found->second)) return;
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
    OnReadable(id, (events & EPOLLRDHUP) != 0);
}

void TestBackend::Accept() {
  while (true) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    if (connections_.size() >= kConnectionsMax) {
      close(fd);
      continue;
    }
    ++accepted_;
    const uint64_t id = next_id_++;
    auto connection = std::make_unique<Connection>();
    connection->fd = fd;
    connections_.emplace(id, std::move(connection));
    Watch(epoll_, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, id);
  }
}

// Events are edges: when the client's end came with this one, it is not announced again, so the
// socket is read until it says so.
void TestBackend::OnReadable(uint64_t id, bool end_announced) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  Connection& connection = *found->second;
  while (true) {
    const ssize_t n = recv(connection.fd, buffer_.data(), buffer_.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n <= 0) {
      connection.ended = true;
      break;
    }
    connection.unread.append(buffer_.data(), static_cast<size_t>(n));
    if (static_cast<size_t>(n) < buffer_.size() && !end_announced) break;
  }
  TakeRequests(id);
}

// Works through what was read, one request at a time: answers keep the requests' order.
void TestBackend::TakeRequests(uint64_t id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  Connection& connection = *found->second;
  size_t begin = 0;
  while (!connection.working && !connection.closing && begin < connection.unread.size()) {
    size_t used = 0;
    const auto result =
        connection.reader.Read(absl::string_view(connection.unread).substr(begin), &used);
    begin += used;
    if (result == MessageReader::Result::kBroken) {
      connection.closing = true;
      Answer(connection, 400, "broken request\n");
    } else if (result == MessageReader::Result::kNeedMore) {
      if (connection.reader.expects_continue() && !connection.continued) {
        connection.continued = true;
        connection.unsent += "HTTP/1.1 100 Continue\r\n\r\n";
      }
    } else if (!HandleRequest(id, connection)) {
      return Close(id);
    }
  }
  connection.unread.erase(0, begin);
  if (!Flush(id, connection)) return;
  if (connection.ended && !connection.closing) Close(id);
}

// False: the connection is to be reset.
bool TestBackend::HandleRequest(uint64_t id, Connection& connection) {
  connection.continued = false;
  if (!connection.reader.keep_alive()) connection.closing = true;
  absl::string_view target = connection.reader.target();
  const size_t mark = target.find('?');
  const absl::string_view path = target.substr(0, mark);
  const absl::string_view query =
      mark == absl::string_view::npos ? absl::string_view() : target.substr(mark + 1);
  if (path == "/healthz") {
    Answer(connection, healthy_ ? 200 : 503, healthy_ ? "ok\n" : "told to fail\n");
  } else if (path == "/metrics.json") {
    Answer(connection, 200, MetricsJson());
  } else if (path == "/_stats") {
    Answer(connection, 200, StatsJson());
  } else if (path == "/_control") {
    const absl::Status status = connection.reader.method() == "POST"
                                    ? Control(query)
                                    : absl::InvalidArgumentError("want POST");
    Answer(connection, status.ok() ? 200 : 400,
           status.ok() ? StatsJson() : absl::StrCat(status.message(), "\n"));
  } else {
    return HandleWork(id, connection);
  }
  return true;
}

bool TestBackend::HandleWork(uint64_t id, Connection& connection) {
  ++requests_;
  const double chance = absl::Uniform(random_, 0.0, 1.0);
  if (chance < behaviour_.reset) {
    ++errors_;
    const linger reset{.l_onoff = 1, .l_linger = 0};
    setsockopt(connection.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    return false;
  }
  connection.working = true;
  if (chance < behaviour_.reset + behaviour_.hang) return true;
  connection.ticket = queue_.Enter(behaviour_, now_, random_);
  ticket_owner_.emplace(connection.ticket, id);
  return true;
}

// With CPU to burn, one request a turn: who comes meanwhile is seen, and counted as waiting.
void TestBackend::FinishWork() {
  if (queue_.NextEnd() > now_) return;
  const bool burns = behaviour_.burn_us > 0;
  if (burns) {
    BurnCpu(behaviour_.burn_us);
    now_ = common::SystemClock().Now();
  }
  const size_t most = burns ? 1 : SIZE_MAX;
  for (const WorkQueue::Ticket ticket : queue_.Finished(behaviour_, now_, random_, most)) {
    const auto owner = ticket_owner_.find(ticket);
    if (owner == ticket_owner_.end()) continue;
    const uint64_t id = owner->second;
    ticket_owner_.erase(owner);
    AnswerWork(id);
  }
}

void TestBackend::AnswerWork(uint64_t id) {
  Connection& connection = *connections_.find(id)->second;
  connection.working = false;
  connection.ticket = 0;
  if (behaviour_.fail > 0 && absl::Bernoulli(random_, behaviour_.fail)) {
    ++errors_;
    Answer(connection, 500, "told to fail\n");
  } else {
    work_body_.resize(static_cast<size_t>(behaviour_.bytes), 'x');
    Answer(connection, 200, work_body_);
  }
  TakeRequests(id);
}

void TestBackend::Answer(Connection& connection, int status, absl::string_view body) {
  absl::StrAppend(&connection.unsent, "HTTP/1.1 ", status, " ", ReasonPhrase(status),
                  "\r\nContent-Type: text/plain\r\nContent-Length: ", body.size(), "\r\n");
  if (!name_.empty()) absl::StrAppend(&connection.unsent, "X-Backend: ", name_, "\r\n");
  if (connection.closing) absl::StrAppend(&connection.unsent, "Connection: close\r\n");
  absl::StrAppend(&connection.unsent, "\r\n");
  if (connection.reader.method() != "HEAD") absl::StrAppend(&connection.unsent, body);
  connection.reader.Reset();
}

// Sends what it can; false: the connection is gone.
bool TestBackend::Flush(uint64_t id, Connection& connection) {
  size_t sent = 0;
  while (sent < connection.unsent.size()) {
    const ssize_t n = send(connection.fd, connection.unsent.data() + sent,
                           connection.unsent.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) {
      Close(id);
      return false;
    }
    sent += static_cast<size_t>(n);
  }
  connection.unsent.erase(0, sent);
  const bool done = connection.unsent.empty() && connection.closing && !connection.working;
  if (done || connection.unsent.size() > kUnsentBytesMax) {
    Close(id);
    return false;
  }
  return true;
}

void TestBackend::Close(uint64_t id) {
  const auto found = connections_.find(id);
  Connection& connection = *found->second;
  close(connection.fd);
  if (connection.ticket != 0) {
    ticket_owner_.erase(connection.ticket);
    queue_.Abandon(connection.ticket, behaviour_, now_, random_);
  }
  connections_.erase(found);
}

void TestBackend::SetTimer() {
  const MonotonicTime next = queue_.NextEnd();
  if (next == timer_set_for_ || next == MonotonicTime::Infinite()) return;
  timer_set_for_ = next;
  const int64_t at = std::max<int64_t>(1, next.micros());
  itimerspec spec{};
  spec.it_value = {.tv_sec = at / 1000000, .tv_nsec = at % 1000000 * 1000};
  timerfd_settime(timer_, TFD_TIMER_ABSTIME, &spec, nullptr);
}

// All settings of the query or none.
absl::Status TestBackend::Control(absl::string_view query) {
  Behaviour behaviour = behaviour_;
  bool healthy = healthy_;
  for (absl::string_view pair : absl::StrSplit(query, '&', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> setting =
        absl::StrSplit(pair, absl::MaxSplits('=', 1));
    if (setting.first == "health" && (setting.second == "ok" || setting.second == "fail")) {
      healthy = setting.second == "ok";
    } else {
      PM_RETURN_IF_ERROR(SetBehaviour(setting.first, setting.second, &behaviour));
    }
  }
  behaviour_ = behaviour;
  healthy_ = healthy;
  return absl::OkStatus();
}

std::string TestBackend::StatsJson() const {
  return absl::StrFormat(
      "{\"requests\":%d,\"errors\":%d,\"connections\":%d,\"accepted\":%d,\"in_flight\":%d,"
      "\"delay_ms\":%g,\"jitter\":\"%s\",\"concurrency\":%d,\"fail\":%g,\"reset\":%g,\"hang\":%g,"
      "\"burn_us\":%d,\"bytes\":%d,\"health\":\"%s\"}\n",
      requests_, errors_, connections_.size(), accepted_, queue_.in_flight(), behaviour_.delay_ms,
      behaviour_.exponential ? "exponential" : "fixed", behaviour_.concurrency, behaviour_.fail,
      behaviour_.reset, behaviour_.hang, behaviour_.burn_us, behaviour_.bytes,
      healthy_ ? "ok" : "fail");
}

std::string TestBackend::MetricsJson() {
  const ServiceLoad load = queue_.Load(behaviour_, now_);
  std::string json = absl::StrFormat("{\"in_flight\":%.6g,\"queue_delay_seconds\":%.6g,",
                                     load.in_flight, load.queue_delay_seconds);
  if (behaviour_.concurrency > 0)
    absl::StrAppendFormat(&json, "\"utilisation\":%.6g,", load.utilisation);
  absl::StrAppendFormat(&json, "\"requests\":%d,\"errors\":%d}\n", requests_, errors_);
  return json;
}

}  // namespace pointsman::testing
