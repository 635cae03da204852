#include "gateway/proxy/upstream_tls_binding.h"

#include <cerrno>
#include <utility>

namespace pointsman::gateway {

bool UpstreamTlsBinding::Start(TcpConnection* connection) {
  if (policy() == 0) return true;
  if (context_->tls_clients == nullptr) return false;
  const auto found = context_->tls_clients->find(policy());
  if (found == context_->tls_clients->end()) return false;
  auto filter = TlsFilter::Client(found->second, &context_->tls, &context_->chunks);
  if (filter == nullptr) return false;
  filter->KeepSessionsIn(this);
  if (const SessionPtr session = context_->upstream_sessions.Take(key_)) {
    filter->Resume(session.get());
  }
  connection->StartFilter(std::move(filter));
  return true;
}

void UpstreamTlsBinding::OnConnected(const TcpConnection& connection) {
  if (TlsOf(connection) == nullptr) return;
  context_->counters.tls_upstream_handshakes.Add();
  if (TlsOf(connection)->resumed()) context_->counters.tls_upstream_resumed.Add();
}

Reason UpstreamTlsBinding::OnConnectFailed(int error) {
  if (policy() != 0 && error == EPROTO) {
    context_->counters.tls_upstream_failures.Add();
    return Reason::kUpstreamTls;
  }
  return error == ETIMEDOUT ? Reason::kConnectTimeout : Reason::kConnectFailed;
}

}  // namespace pointsman::gateway
