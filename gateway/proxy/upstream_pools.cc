#include "gateway/proxy/upstream_pools.h"

#include "common/core/check.h"

namespace pointsman::gateway {

UpstreamPools::~UpstreamPools() { PM_CHECK(all_.empty()); }

void UpstreamPools::Unlink(Pool* pool, UpstreamConnection* connection) {
  (connection->idle_next != nullptr ? connection->idle_next->idle_previous : pool->oldest) =
      connection->idle_previous;
  (connection->idle_previous != nullptr ? connection->idle_previous->idle_next : pool->newest) =
      connection->idle_next;
  connection->idle_next = connection->idle_previous = nullptr;
  --pool->size;
  context_->counters.upstream_idle.Subtract();
}

UpstreamConnection* UpstreamPools::TakeIdle(CellRef cell) {
  const auto found = idle_.find(cell.index);
  if (found == idle_.end() || found->second.newest == nullptr) return nullptr;
  Pool& pool = found->second;
  if (pool.generation != cell.generation) {
    // The slot was given to another endpoint.
    while (pool.newest != nullptr) pool.newest->Close();
    return nullptr;
  }
  UpstreamConnection* connection = pool.newest;
  Unlink(&pool, connection);
  return connection;
}

UpstreamSide* UpstreamPools::Acquire(const Try& attempt) {
  if (!attempt.fresh) {
    if (UpstreamConnection* connection = TakeIdle(attempt.cell)) {
      context_->counters.upstream_reused.Add();
      connection->Bind(attempt.stream, attempt.attempt);
      return connection;
    }
  }
  auto owned = std::make_unique<UpstreamConnection>(context_, this, attempt.cell);
  UpstreamConnection* connection = owned.get();
  connection->registry_index = all_.size();
  all_.push_back(std::move(owned));
  connection->Connect(SocketAddress::From(*attempt.address), attempt.stream, attempt.attempt);
  return connection;
}

void UpstreamPools::GiveBack(UpstreamConnection* connection) {
  Pool& pool = idle_[connection->cell().index];
  if (pool.generation != connection->cell().generation) {
    // A higher generation owns the slot now, or this is the first connection of it.
    if (pool.generation > connection->cell().generation) {
      connection->Close();
      return;
    }
    while (pool.newest != nullptr) pool.newest->Close();
    pool.generation = connection->cell().generation;
  }
  if (context_->draining) {
    connection->Close();
    return;
  }
  if (pool.size >= context_->limits.idle_per_endpoint_max) {
    context_->counters.upstream_idle_closed.Add();
    pool.oldest->Close();
  }
  connection->idle_next = pool.newest;
  connection->idle_previous = nullptr;
  (pool.newest != nullptr ? pool.newest->idle_previous : pool.oldest) = connection;
  pool.newest = connection;
  ++pool.size;
  context_->counters.upstream_idle.Add();
  connection->BecomeIdle(context_->loop.Now() + context_->limits.upstream_idle_timeout);
}

void UpstreamPools::OnClosed(UpstreamConnection* connection, bool idle) {
  if (idle) {
    context_->counters.upstream_idle_closed.Add();
    Unlink(&idle_[connection->cell().index], connection);
  }
  const size_t index = connection->registry_index;
  context_->loop.Bury(std::move(all_[index]));
  if (index + 1 < all_.size()) {
    all_[index] = std::move(all_.back());
    all_[index]->registry_index = index;
  }
  all_.pop_back();
}

void UpstreamPools::KeepOnly(const RoutingTable& table) {
  if (idle_.empty()) return;
  for (auto& [index, pool] : idle_) pool.listed = false;
  for (const auto& service : table.services) {
    for (size_t i = 0; i < service->endpoints.size(); ++i) {
      const Endpoint& endpoint = service->endpoints[i];
      if (endpoint.handle == 0) continue;
      const auto found = idle_.find(endpoint.cell.index);
      if (found == idle_.end()) continue;
      if (found->second.generation == endpoint.cell.generation) found->second.listed = true;
    }
  }
  for (auto it = idle_.begin(); it != idle_.end();) {
    if (!it->second.listed) {
      while (it->second.newest != nullptr) it->second.newest->Close();
      idle_.erase(it++);
    } else {
      ++it;
    }
  }
}

void UpstreamPools::CloseAll() {
  while (!all_.empty()) all_.back()->Close();
}

}  // namespace pointsman::gateway
