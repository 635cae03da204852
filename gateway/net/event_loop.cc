#include "gateway/net/event_loop.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace pointsman::gateway {

EventLoop::EventLoop(const common::Clock& clock)
    : clock_(clock), now_(clock.Now()), timers_(std::make_unique<TimerWheel>(now_)) {}

EventLoop::~EventLoop() { dead_.clear(); }

absl::Status EventLoop::Open() {
  epoll_.Reset(epoll_create1(EPOLL_CLOEXEC));
  wake_.Reset(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!epoll_.valid() || !wake_.valid()) {
    return absl::ResourceExhaustedError(absl::StrCat("event loop: ", std::strerror(errno)));
  }
  // Edge-triggered and never read: each write to it is one more edge.
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.ptr = nullptr;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) != 0) {
    return absl::ResourceExhaustedError(absl::StrCat("event loop: ", std::strerror(errno)));
  }
  return absl::OkStatus();
}

void EventLoop::Wake() {
  const uint64_t one = 1;
  // A full counter means that a wake-up is pending anyway.
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof(one));
}

bool EventLoop::Register(int fd, IoHandler* handler) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = handler;
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

bool EventLoop::Reregister(int fd, IoHandler* handler) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = handler;
  return epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0;
}

bool EventLoop::RegisterListener(int fd, IoHandler* handler) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = handler;
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void EventLoop::Unregister(int fd) { epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

void EventLoop::Forget(IoHandler* handler) {
  for (int i = events_begin_; i < events_end_; ++i) {
    if (events_[i].data.ptr == handler) events_[i].data.ptr = nullptr;
  }
  std::replace(requeued_.begin(), requeued_.end(), handler, static_cast<IoHandler*>(nullptr));
  std::replace(requeued_now_.begin(), requeued_now_.end(), handler,
               static_cast<IoHandler*>(nullptr));
}

int EventLoop::WaitMillis() const {
  if (!requeued_.empty() || behind_since_.has_value()) return 0;
  const int64_t next = timers_->MicrosToNext(now_);
  const int64_t wait = next < 0 ? kWaitMicrosMax : std::min(next, kWaitMicrosMax);
  return static_cast<int>((wait + 999) / 1000);
}

void EventLoop::RunRequeued(Delegate& delegate) {
  requeued_now_.swap(requeued_);
  for (size_t i = 0; i < requeued_now_.size(); ++i) {
    if (requeued_now_[i] == nullptr) continue;
    requeued_now_[i]->OnIo(0);
    delegate.Settle();
  }
  requeued_now_.clear();
}

int EventLoop::Wait(int millis) {
  int count = epoll_wait(epoll_.get(), events_.data(), kEventsPerTurnMax, millis);
  // A process that was stopped and goes on gets EINTR instead of what came meanwhile.
  if (count < 0) count = epoll_wait(epoll_.get(), events_.data(), kEventsPerTurnMax, 0);
  return std::max(count, 0);
}

bool EventLoop::SawAll(int count, bool stood_still) {
  // It may have stood between the kernel's answer and now, so what this turn saw says nothing of
  // what came meanwhile: at least one more.
  const bool first = stood_still && !behind_since_.has_value();
  if (first) behind_since_ = now_;
  const bool more = first || count == kEventsPerTurnMax || !requeued_.empty();
  if (more && behind_since_.has_value() && now_ - *behind_since_ < kTimersWaitMax) return false;
  behind_since_.reset();
  return true;
}

void EventLoop::RunTurn(Delegate& delegate) {
  const int millis = WaitMillis();
  const int64_t longest = now_.micros() + int64_t{1000} * millis + kTurnMicrosMax;
  const int count = Wait(millis);
  now_ = clock_.Now();
  const bool stood_still = now_.micros() > longest;
  delegate.OnTurnStart();
  delegate.Settle();
  events_end_ = count;
  for (events_begin_ = 0; events_begin_ < events_end_;) {
    const epoll_event& event = events_[events_begin_++];
    auto* handler = static_cast<IoHandler*>(event.data.ptr);
    if (handler == nullptr) continue;
    handler->OnIo(event.events);
    delegate.Settle();
  }
  if (!requeued_.empty()) RunRequeued(delegate);
  if (SawAll(count, stood_still)) {
    timers_->Advance(now_, [&](TimerEntry& entry) {
      entry.OnTimer();
      delegate.Settle();
    });
  }
  delegate.OnTurnEnd();
  dead_.clear();
}

}  // namespace pointsman::gateway
