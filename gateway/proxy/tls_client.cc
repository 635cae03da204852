#include "gateway/proxy/tls_client.h"

#include <algorithm>
#include <utility>

namespace pointsman::gateway {

TlsClient::TlsClient(WorkerContext* context, ClientRegistry* registry, size_t listener)
    : context_(context),
      registry_(registry),
      listener_(listener),
      tcp_(&context->loop, &context->chunks, this) {}

bool TlsClient::Start(Fd fd, const SocketAddress& peer,
                      std::shared_ptr<const TlsServerContext> tls) {
  peer_ = peer;
  auto filter = TlsFilter::Server(std::move(tls), &context_->tls, &context_->chunks);
  if (filter == nullptr || !tcp_.Attach(std::move(fd))) return false;
  tcp_.StartFilter(std::move(filter));
  deadline_ = context_->loop.Now() + context_->limits.tls_handshake_timeout;
  context_->loop.timers().Arm(*this, deadline_);
  context_->counters.tls_handshaking.Add();
  return true;
}

void TlsClient::Drain() {
  deadline_ = std::min(deadline_, context_->loop.Now() + context_->limits.drain_first_request_wait);
  context_->loop.timers().Arm(*this, deadline_);
}

void TlsClient::OnConnected() {
  context_->counters.tls_handshakes.Add();
  if (TlsOf(tcp_)->resumed()) context_->counters.tls_resumed.Add();
  registry_->OnTlsReady(this, listener_, &tcp_, peer_);
  Close();
}

void TlsClient::OnTimer() {
  if (closed_) return;
  if (context_->loop.Now() < deadline_) return context_->loop.timers().Arm(*this, deadline_);
  Fail();
}

void TlsClient::Fail() {
  if (closed_) return;
  context_->counters.tls_handshake_failures.Add();
  Close();
}

void TlsClient::Close() {
  if (std::exchange(closed_, true)) return;
  context_->counters.tls_handshaking.Subtract();
  tcp_.Close();
  Cancel();
  registry_->OnClientClosed(this);
}

}  // namespace pointsman::gateway
