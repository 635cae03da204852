// The engine's TLS: contexts are built here, on the publishing thread, one for each worker.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gateway/proxy/engine.h"

namespace pointsman::gateway {

absl::Status Engine::ReplaceTls(size_t listener, const TlsServerOptions& tls) {
  common::MutexLock lock(tls_mutex_);
  std::vector<std::shared_ptr<const TlsServerContext>> contexts;
  for (auto& worker : workers_) {
    auto context = TlsServerContext::Make(tls, worker->TlsLibrary());
    if (!context.ok()) {
      return absl::Status(
          context.status().code(),
          absl::StrCat("listener ", listen_addresses_[listener], ": ", context.status().message()));
    }
    contexts.push_back(*std::move(context));
  }
  not_after_.resize(options_.listeners.size(), 0);
  not_after_[listener] = contexts.front()->not_after();
  int64_t first = 0;
  for (const int64_t end : not_after_) {
    if (end != 0 && (first == 0 || end < first)) first = end;
  }
  certificates_end_.store(first, std::memory_order_relaxed);
  for (size_t i = 0; i < workers_.size(); ++i) {
    TlsUpdate update;
    update.listeners.emplace_back(listener, std::move(contexts[i]));
    workers_[i]->PostTls(std::move(update));
  }
  return absl::OkStatus();
}

// A key of its own in front, so that a key does not live on however often processes are replaced.
void Engine::BeginTickets() {
  {
    common::MutexLock lock(tls_mutex_);
    if (!options_.tickets.empty()) tickets_ = std::make_shared<TicketRing>(options_.tickets);
  }
  RotateTickets();
}

TicketRing Engine::tickets() const {
  common::MutexLock lock(tls_mutex_);
  return tickets_ == nullptr ? TicketRing() : *tickets_;
}

void Engine::RotateTickets() {
  common::MutexLock lock(tls_mutex_);
  auto next = ::pointsman::gateway::RotateTickets(tickets_.get());
  // Without randomness the old keys go on.
  if (next == nullptr) return;
  tickets_ = std::move(next);
  for (auto& worker : workers_) {
    TlsUpdate update;
    update.tickets = tickets_;
    worker->PostTls(std::move(update));
  }
}

void Engine::PrepareUpstreamTls(const RoutingTable& table) {
  common::MutexLock lock(tls_mutex_);
  if (table.upstream_tls == upstream_tls_) return;
  // Requests that began under the table before may still connect.
  const auto before = std::exchange(upstream_tls_, table.upstream_tls);
  client_contexts_.resize(workers_.size());
  for (size_t i = 0; i < workers_.size(); ++i) {
    TlsClientContexts next;
    if (upstream_tls_ != nullptr) {
      for (const auto& [key, tls] : *upstream_tls_) {
        if (const auto known = client_contexts_[i].find(key); known != client_contexts_[i].end()) {
          next.insert(*known);
          continue;
        }
        // One that cannot be built leaves its key out: tries fail as those of a bad certificate.
        auto made = TlsClientContext::Make(tls, workers_[i]->TlsLibrary());
        if (made.ok()) next.emplace(key, *std::move(made));
      }
    }
    for (const auto& [key, context] : client_contexts_[i]) {
      if (before != nullptr && before->contains(key)) next.emplace(key, context);
    }
    client_contexts_[i] = next;
    TlsUpdate update;
    update.clients = std::make_shared<const TlsClientContexts>(std::move(next));
    workers_[i]->PostTls(std::move(update));
  }
}

}  // namespace pointsman::gateway
