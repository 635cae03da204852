#include "gateway/net/connect_race.h"

#include <utility>

namespace pointsman::gateway {

SecondConnect::SecondConnect(EventLoop* loop, const SocketAddress& address,
                             absl::Duration head_start, absl::AnyInvocable<void()> on_stands)
    : loop_(loop),
      address_(address),
      begin_at_(loop->Now() + head_start),
      on_stands_(std::move(on_stands)) {
  loop_->timers().Arm(*this, begin_at_);
}

void SecondConnect::Begin() {
  begun_ = true;
  ConnectStart start = StartConnect(address_);
  // One that stands already is told of by the loop like any other.
  if (start.fd.valid() && loop_->Register(start.fd.get(), this)) fd_ = std::move(start.fd);
}

Fd SecondConnect::Take() {
  if (!begun_) Begin();
  Fd fd = std::move(fd_);
  Stop();
  return fd;
}

void SecondConnect::Stop() {
  begun_ = true;
  fd_.Reset();
  Cancel();
  loop_->Forget(this);
}

void SecondConnect::OnIo(uint32_t events) {
  if (!fd_.valid() || (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0) return;
  if (ConnectError(fd_.get()) != 0) return fd_.Reset();
  on_stands_();
}

void SecondConnect::OnTimer() {
  if (begun_) return;
  if (loop_->Now() < begin_at_) return loop_->timers().Arm(*this, begin_at_);
  Begin();
}

}  // namespace pointsman::gateway
