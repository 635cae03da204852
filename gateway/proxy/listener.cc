#include "gateway/proxy/listener.h"

#include <fcntl.h>

#include <cerrno>
#include <utility>

namespace pointsman::gateway {

namespace {
Fd OpenReserve() { return Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }
}  // namespace

Listener::Listener(WorkerContext* context, Fd fd, OnAccepted on_accepted)
    : context_(context),
      fd_(std::move(fd)),
      reserve_(OpenReserve()),
      on_accepted_(std::move(on_accepted)) {}

void Listener::Start() {
  if (std::exchange(started_, true) || !fd_.valid()) return;
  Resume();
}

void Listener::Resume() {
  registered_ = context_->loop.RegisterListener(fd_.get(), this);
  if (!registered_) Pause();
}

void Listener::Unregister() {
  if (std::exchange(registered_, false)) context_->loop.Unregister(fd_.get());
}

void Listener::Close() {
  for (int i = 0; i < kAcceptsAtCloseMax && fd_.valid(); ++i) {
    if (!AcceptNext()) break;
  }
  Abandon();
}

void Listener::Abandon() {
  Unregister();
  fd_.Reset();
  Cancel();
}

void Listener::OnIo(uint32_t /*events*/) {
  for (int i = 0; i < kAcceptsPerTurnMax && fd_.valid() && !paused_; ++i) {
    if (!AcceptNext()) return;
  }
}

bool Listener::AcceptNext() {
  SocketAddress peer;
  const int fd = AcceptOne(fd_.get(), &peer);
  if (fd >= 0) {
    context_->counters.accepted.Add();
    on_accepted_(Fd(fd), peer);
    return true;
  }
  switch (errno) {
    case EAGAIN:
#if EAGAIN != EWOULDBLOCK
    case EWOULDBLOCK:
#endif
      return false;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      ShedOne();
      return false;
    default:
      // The waiting connection failed (reset, protocol): the next one may be good.
      return true;
  }
}

void Listener::ShedOne() {
  context_->counters.accept_failures.Add();
  reserve_.Reset();
  SocketAddress peer;
  Fd shed(AcceptOne(fd_.get(), &peer));
  if (shed.valid()) context_->counters.shed_connections.Add();
  const bool closed = shed.valid();
  shed.Reset();
  reserve_ = OpenReserve();
  if (!closed || !reserve_.valid()) Pause();
}

void Listener::Pause() {
  if (paused_ || !fd_.valid()) return;
  paused_ = true;
  Unregister();
  context_->loop.timers().Arm(*this, context_->loop.Now() + kPause);
}

void Listener::OnTimer() {
  paused_ = false;
  if (!fd_.valid()) return;
  if (!reserve_.valid()) reserve_ = OpenReserve();
  Resume();
}

}  // namespace pointsman::gateway
