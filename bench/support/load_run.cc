#include "bench/support/load_run.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/core/check.h"

namespace pointsman::bench {
namespace {

using common::MonotonicTime;

constexpr int kEventsPerTurn = 256;
constexpr size_t kReadBytes = 64 * 1024;
constexpr uint64_t kTimerKey = UINT64_MAX;
// A run's ends, its timeouts and a signal are noticed at least this often.
constexpr int kWaitMillisMax = 50;
constexpr absl::Duration kExpiryScanPeriod = absl::Milliseconds(20);

std::string RequestBytes(const LoadOptions& options) {
  std::string bytes =
      absl::StrCat(options.method, " ", options.path, " HTTP/1.1\r\nHost: ", options.host, "\r\n");
  if (options.request_body_bytes > 0) {
    absl::StrAppend(&bytes, "Content-Length: ", options.request_body_bytes, "\r\n");
  }
  absl::StrAppend(&bytes, "\r\n");
  return bytes.append(options.request_body_bytes, 'x');
}

}  // namespace

LoadRun::LoadRun(LoadOptions options, OnInterval on_interval)
    : options_(std::move(options)),
      on_interval_(std::move(on_interval)),
      request_bytes_(RequestBytes(options_)),
      connections_(options_.connections),
      buffer_(kReadBytes) {
  PM_CHECK(options_.connections >= 1 && options_.connections <= kConnectionsMax);
  for (int i = options_.connections; i-- > 0;) closed_.push_back(i);
}

LoadRun::~LoadRun() {
  for (Connection& connection : connections_) {
    if (connection.fd >= 0) close(connection.fd);
  }
  if (epoll_ >= 0) close(epoll_);
  if (timer_ >= 0) close(timer_);
}

absl::Status LoadRun::Run() {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (epoll_ < 0 || timer_ < 0) {
    return absl::UnavailableError(absl::StrCat("epoll: ", std::strerror(errno)));
  }
  epoll_event event{.events = EPOLLIN, .data = {.u64 = kTimerKey}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, timer_, &event);
  now_ = started_ = interval_started_ = common::SystemClock().Now();
  while (true) {
    StartDueRequests();
    if (ScheduleEnded()) DropWaiting();
    if (ScheduleEnded() && in_flight_ == 0) break;
    WaitForEvents();
    ExpireRequests();
    ReportInterval();
  }
  ended_ = now_;
  return absl::OkStatus();
}

// What still waits for a connection at the end was never sent.
void LoadRun::DropWaiting() {
  total_.sent -= waiting_.size();
  waiting_.clear();
}

bool LoadRun::ScheduleEnded() const {
  if (stop_.load(std::memory_order_relaxed) || now_ - started_ >= options_.duration) return true;
  return options_.requests > 0 && scheduled_ >= options_.requests && waiting_.empty();
}

// Open loop: everything due by now. Closed loop: one for each free connection.
void LoadRun::StartDueRequests() {
  while (!waiting_.empty() && (!idle_.empty() || !closed_.empty())) {
    const Request request = waiting_.front();
    waiting_.pop_front();
    StartRequest(request);
  }
  while (!ScheduleEnded() && (options_.requests == 0 || scheduled_ < options_.requests)) {
    Request request{.intended = now_};
    if (options_.rps > 0) {
      request.intended =
          started_ + absl::Microseconds(static_cast<double>(scheduled_) * 1e6 / options_.rps);
      if (request.intended > now_) return;
    } else if (in_flight_ >= connections_.size()) {
      return;
    }
    ++scheduled_;
    ++interval_.sent;
    ++total_.sent;
    StartRequest(request);
  }
}

void LoadRun::StartRequest(Request request) {
  if (!idle_.empty()) {
    const size_t index = idle_.front();
    idle_.pop_front();
    SendOn(index, request);
  } else if (!closed_.empty()) {
    const size_t index = closed_.back();
    closed_.pop_back();
    OpenAndSend(index, request);
  } else if (waiting_.size() < kWaitingMax) {
    waiting_.push_back(request);
  } else {
    CountFailure(Failure::kTimeout);
  }
}

void LoadRun::OpenAndSend(size_t index, Request request) {
  Connection& connection = connections_[index];
  const absl::StatusOr<int> fd = StartConnection(options_.target);
  if (!fd.ok()) {
    closed_.push_back(index);
    CountFailure(Failure::kConnect);
    return;
  }
  connection.fd = *fd;
  connection.connected = connection.used_before = false;
  epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.u64 = index}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event);
  ++interval_.connections;
  ++total_.connections;
  SendOn(index, request);
}

void LoadRun::SendOn(size_t index, Request request) {
  Connection& connection = connections_[index];
  connection.busy = true;
  connection.request = request;
  connection.deadline = now_ + options_.timeout;
  connection.written = 0;
  connection.reader.Reset(options_.method == "HEAD");
  ++in_flight_;
  if (connection.connected) Write(index);
}

void LoadRun::Write(size_t index) {
  Connection& connection = connections_[index];
  while (connection.written < request_bytes_.size()) {
    const ssize_t n = send(connection.fd, request_bytes_.data() + connection.written,
                           request_bytes_.size() - connection.written, MSG_NOSIGNAL);
    if (n < 0) {
      // An error shows again as an event, after what the peer may still have answered.
      return;
    }
    connection.written += static_cast<size_t>(n);
  }
}

void LoadRun::WaitForEvents() {
  if (options_.rps > 0 && !ScheduleEnded()) {
    const auto due = static_cast<int64_t>(static_cast<double>(scheduled_) * 1e6 / options_.rps);
    const int64_t wait = std::max<int64_t>(1, started_.micros() + due - now_.micros());
    itimerspec spec{};
    spec.it_value = {.tv_sec = wait / 1000000, .tv_nsec = wait % 1000000 * 1000};
    timerfd_settime(timer_, 0, &spec, nullptr);
  }
  epoll_event events[kEventsPerTurn];
  const int count = epoll_wait(epoll_, events, kEventsPerTurn, kWaitMillisMax);
  now_ = common::SystemClock().Now();
  for (int i = 0; i < count; ++i) {
    if (events[i].data.u64 == kTimerKey) {
      uint64_t expirations;
      [[maybe_unused]] const ssize_t n = read(timer_, &expirations, sizeof(expirations));
    } else {
      OnEvent(events[i].data.u64, events[i].events);
    }
  }
}

void LoadRun::OnEvent(size_t index, uint32_t events) {
  Connection& connection = connections_[index];
  if (connection.fd < 0) return;
  if (!connection.connected) {
    if (events & (EPOLLERR | EPOLLHUP)) return Fail(index, Failure::kConnect);
    if (!(events & EPOLLOUT)) return;
    connection.connected = true;
  }
  if (connection.busy && connection.written < request_bytes_.size()) Write(index);
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
    OnReadable(index, (events & EPOLLRDHUP) != 0);
}

// Events are edges: when the peer's end came with this one, it is not announced again, so the
// socket is read until it says so.
void LoadRun::OnReadable(size_t index, bool end_announced) {
  Connection& connection = connections_[index];
  while (connection.fd >= 0) {
    const ssize_t n = recv(connection.fd, buffer_.data(), buffer_.size(), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) return OnEnd(index);
    if (!connection.busy) return Close(index);  // Bytes that nobody asked for.
    size_t used = 0;
    const absl::string_view bytes(buffer_.data(), static_cast<size_t>(n));
    const MessageReader::Result result = connection.reader.Read(bytes, &used);
    if (result == MessageReader::Result::kBroken) return Fail(index, Failure::kProtocol);
    if (result == MessageReader::Result::kNeedMore) continue;
    if (used < bytes.size()) return Fail(index, Failure::kProtocol);
    OnResponse(index);
    if (!end_announced) return;
  }
}

// The peer closed or reset the connection.
void LoadRun::OnEnd(size_t index) {
  Connection& connection = connections_[index];
  if (!connection.busy) {
    Close(index);
  } else if (connection.reader.ReadEnd() == MessageReader::Result::kDone) {
    OnResponse(index);
  } else if (connection.used_before && !connection.reader.started() && !connection.request.resent) {
    Request again = connection.request;
    again.resent = true;
    ++interval_.resent;
    ++total_.resent;
    Close(index);
    closed_.pop_back();
    OpenAndSend(index, again);
  } else {
    Fail(index, Failure::kReset);
  }
}

void LoadRun::OnResponse(size_t index) {
  Connection& connection = connections_[index];
  CountResponse(connection);
  if (connection.reader.keep_alive()) {
    connection.used_before = true;
    Release(index);
  } else {
    Close(index);
  }
}

void LoadRun::Fail(size_t index, Failure failure) {
  CountFailure(failure);
  Close(index);
}

void LoadRun::Close(size_t index) {
  Connection& connection = connections_[index];
  close(connection.fd);
  connection.fd = -1;
  if (connection.busy) {
    --in_flight_;
  } else {
    std::erase(idle_, index);
  }
  connection.busy = connection.connected = false;
  closed_.push_back(index);
}

void LoadRun::Release(size_t index) {
  connections_[index].busy = false;
  --in_flight_;
  idle_.push_back(index);
}

void LoadRun::ExpireRequests() {
  if (now_ < next_expiry_scan_) return;
  next_expiry_scan_ = now_ + kExpiryScanPeriod;
  for (size_t i = 0; i < connections_.size(); ++i) {
    if (connections_[i].busy && connections_[i].deadline <= now_) Fail(i, Failure::kTimeout);
  }
}

void LoadRun::CountFailure(Failure failure) {
  for (LoadReport* report : {&interval_, &total_}) {
    ++report->failures[static_cast<size_t>(failure)];
    if (report->first_failure == MonotonicTime()) report->first_failure = now_;
    report->last_failure = now_;
  }
}

void LoadRun::CountResponse(const Connection& connection) {
  const int64_t micros = absl::ToInt64Microseconds(now_ - connection.request.intended);
  const bool ok = connection.reader.status() < 400;
  if (!ok) CountFailure(Failure::kStatus);
  for (LoadReport* report : {&interval_, &total_}) {
    ++report->statuses[connection.reader.status()];
    BackendCount& backend = report->backends[connection.reader.backend()];
    backend.last = now_;
    if (!ok) {
      ++backend.failed;
      continue;
    }
    ++report->ok;
    ++backend.ok;
    report->latency.Add(micros);
    backend.latency.Add(micros);
  }
}

void LoadRun::ReportInterval() {
  if (on_interval_ == nullptr || now_ - interval_started_ < options_.interval) return;
  on_interval_(interval_, total_, now_ - interval_started_);
  interval_ = LoadReport();
  interval_started_ = now_;
}

}  // namespace pointsman::bench
