#include "gateway/proxy/proxy_header_client.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "gateway/net/proxy_header.h"

namespace pointsman::gateway {

namespace {

SocketAddress AddressOf(const common::IpAddress& ip, uint16_t port) {
  common::Address address;
  address.kind = ip.v6 ? common::Address::Kind::kIpv6 : common::Address::Kind::kIpv4;
  address.bytes = ip.bytes;
  address.port = port;
  return SocketAddress::From(address);
}

}  // namespace

ProxyHeaderClient::ProxyHeaderClient(WorkerContext* context, ClientRegistry* registry,
                                     size_t listener)
    : context_(context), registry_(registry), listener_(listener) {}

bool ProxyHeaderClient::Start(Fd fd, const SocketAddress& peer) {
  if (!context_->loop.Register(fd.get(), this)) return false;
  fd_ = std::move(fd);
  peer_ = peer;
  deadline_ = context_->loop.Now() + context_->limits.client_head_timeout;
  context_->loop.timers().Arm(*this, deadline_);
  return true;
}

void ProxyHeaderClient::Drain() {
  deadline_ = std::min(deadline_, context_->loop.Now() + context_->limits.drain_first_request_wait);
  context_->loop.timers().Arm(*this, deadline_);
}

void ProxyHeaderClient::OnIo(uint32_t events) {
  if (closed_) return;
  char bytes[kProxyHeaderBytesMax];
  const ssize_t size = recv(fd_.get(), bytes, sizeof(bytes), MSG_PEEK);
  if (size < 0) {
    if (errno != EAGAIN && errno != EINTR) Fail(Reason::kBadProxyHeader);
    return;
  }
  // A connection that says nothing at all is how balancers look whether the port is open.
  if (size == 0) return Close();
  const ProxyHeader header = ParseProxyHeader({bytes, static_cast<size_t>(size)});
  if (header.state == ProxyHeaderState::kError) return Fail(Reason::kBadProxyHeader);
  if (header.state == ProxyHeaderState::kMore) {
    // Cut short: peeking would show these bytes for ever.
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) Fail(Reason::kBadProxyHeader);
    return;
  }
  // These bytes are there: one call takes them all.
  if (recv(fd_.get(), bytes, header.size, 0) != static_cast<ssize_t>(header.size)) {
    return Fail(Reason::kBadProxyHeader);
  }
  context_->counters.proxy_headers.Add();
  if (header.source.has_value()) peer_ = AddressOf(*header.source, header.source_port);
  context_->loop.Unregister(fd_.get());
  registry_->OnProxyHeader(listener_, std::move(fd_), peer_);
  Close();
}

void ProxyHeaderClient::OnTimer() {
  if (closed_) return;
  if (context_->loop.Now() < deadline_) return context_->loop.timers().Arm(*this, deadline_);
  Fail(Reason::kProxyHeaderTimeout);
}

void ProxyHeaderClient::Fail(Reason reason) {
  context_->counters.reasons[static_cast<size_t>(reason)].Add();
  Close();
}

void ProxyHeaderClient::Close() {
  if (std::exchange(closed_, true)) return;
  fd_.Reset();
  Cancel();
  registry_->OnClientClosed(this);
}

}  // namespace pointsman::gateway
