#include "gateway/proxy/upstream_pools.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "common/core/check.h"
#include "gateway/proxy/upstream_shelf.h"
#include "gateway/proxy/upstream_target.h"

namespace pointsman::gateway {

UpstreamPools::~UpstreamPools() { PM_CHECK(all_.empty() && all_http2_.empty()); }

void UpstreamPools::Unlink(Pool* pool, Http1Upstream* connection) {
  (connection->idle_next != nullptr ? connection->idle_next->idle_previous : pool->oldest) =
      connection->idle_previous;
  (connection->idle_previous != nullptr ? connection->idle_previous->idle_next : pool->newest) =
      connection->idle_next;
  connection->idle_next = connection->idle_previous = nullptr;
  --pool->size;
  context_->counters.upstream_idle.Subtract();
}

Http1Upstream* UpstreamPools::TakeIdle(const Try& attempt) {
  const auto found = idle_.find(attempt.cell.index);
  if (found == idle_.end() || found->second.newest == nullptr) return nullptr;
  Pool& pool = found->second;
  const bool same_tls = pool.newest->tls_policy() == attempt.policy->upstream_tls;
  if (pool.generation != attempt.cell.generation || !same_tls) {
    // The slot was given to another endpoint, or the service changed how it is spoken to.
    while (pool.newest != nullptr) pool.newest->Close();
    return nullptr;
  }
  // Its timer may be late.
  while (pool.newest != nullptr && pool.newest->CloseIfAged()) {
  }
  Http1Upstream* connection = pool.newest;
  if (connection != nullptr) Unlink(&pool, connection);
  return connection;
}

UpstreamSide* UpstreamPools::Acquire(const Try& attempt) {
  if (attempt.policy->upstream_http2) return AcquireHttp2(attempt);
  if (!attempt.fresh) {
    if (Http1Upstream* connection = TakeIdle(attempt)) {
      context_->counters.upstream_reused.Add();
      connection->Bind(attempt.stream, attempt.attempt, attempt.limits());
      return connection;
    }
    if (Http1Upstream* connection = TakeShelved(attempt)) return connection;
  }
  Http1Upstream* connection = Add(attempt);
  connection->Connect(Target(attempt), attempt.stream, attempt.attempt, attempt.limits());
  return connection;
}

ConnectTarget UpstreamPools::Target(const Try& attempt) const {
  return TargetOf(
      *context_, {attempt.cell, *attempt.address, *attempt.other, attempt.policy->connect_timeout});
}

Http1Upstream* UpstreamPools::Add(const Try& attempt) {
  auto owned =
      std::make_unique<Http1Upstream>(context_, this, attempt.cell, attempt.policy->upstream_tls);
  owned->registry_index = all_.size();
  all_.push_back(std::move(owned));
  return all_.back().get();
}

Http1Upstream* UpstreamPools::TakeShelved(const Try& attempt) {
  // What lies there since before there were limits is of unknown age.
  if (context_->shelf == nullptr || attempt.policy->upstream_tls != 0 || attempt.limits().any())
    return nullptr;
  UpstreamShelf::Connection taken = context_->shelf->Take(attempt.cell, context_->loop.Now());
  if (!taken.fd.valid()) return nullptr;
  Http1Upstream* connection = Add(attempt);
  if (!connection->Adopt(std::move(taken.fd), taken.at_other, attempt.stream, attempt.attempt)) {
    return nullptr;
  }
  context_->counters.upstream_reused.Add();
  context_->counters.upstream_shelf_taken.Add();
  return connection;
}

bool UpstreamPools::MayShelve(const Http1Upstream& connection) const {
  return context_->shelf != nullptr && context_->shelf->HasRoom() && connection.tls_policy() == 0 &&
         !connection.limited() && !context_->draining;
}

void UpstreamPools::Shelve(Http1Upstream* connection) {
  Unlink(&idle_[connection->cell().index], connection);
  const common::MonotonicTime deadline = connection->idle_deadline();
  const bool at_other = connection->at_other();
  context_->shelf->Put(connection->cell(), {connection->Surrender(), at_other}, deadline);
  Forget(connection);
}

// The connection with the fewest tries, if it has room; else one more, up to the limit; beyond that
// the request waits for one of the endpoint's streams. Those that may be dead are the last choice.
UpstreamSide* UpstreamPools::AcquireHttp2(const Try& attempt) {
  auto& of_endpoint = http2_[attempt.cell.index];
  const auto rank = [](const Http2Upstream& connection) {
    return std::pair<bool, size_t>(connection.suspect(), connection.tries());
  };
  Http2Upstream* best = nullptr;
  size_t usable = 0;
  for (Http2Upstream* connection : of_endpoint) {
    if (connection->cell() != attempt.cell || !connection->open_for_tries()) continue;
    if (connection->tls_policy() != attempt.policy->upstream_tls) continue;
    ++usable;
    if (best == nullptr || rank(*connection) < rank(*best)) best = connection;
  }
  const bool full = best != nullptr && (best->suspect() || best->tries() >= best->tries_max());
  if (best == nullptr || (full && usable < context_->limits.http2_per_endpoint_max)) {
    best = OpenHttp2(attempt);
  } else {
    context_->counters.upstream_reused.Add();
  }
  return best->Bind(attempt.stream, attempt.attempt, attempt.limits());
}

Http2Upstream* UpstreamPools::OpenHttp2(const Try& attempt) {
  auto owned =
      std::make_unique<Http2Upstream>(context_, this, attempt.cell, attempt.policy->upstream_tls);
  Http2Upstream* connection = owned.get();
  connection->registry_index = all_http2_.size();
  all_http2_.push_back(std::move(owned));
  http2_[attempt.cell.index].push_back(connection);
  connection->Connect(Target(attempt));
  return connection;
}

void UpstreamPools::OnClosed(Http2Upstream* connection) {
  const auto found = http2_.find(connection->cell().index);
  auto& of_endpoint = found->second;
  of_endpoint.erase(std::find(of_endpoint.begin(), of_endpoint.end(), connection));
  if (of_endpoint.empty()) http2_.erase(found);
  const size_t index = connection->registry_index;
  context_->loop.Bury(std::move(all_http2_[index]));
  if (index + 1 < all_http2_.size()) {
    all_http2_[index] = std::move(all_http2_.back());
    all_http2_[index]->registry_index = index;
  }
  all_http2_.pop_back();
}

void UpstreamPools::GiveBack(Http1Upstream* connection) {
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
    if (MayShelve(*pool.oldest)) {
      Shelve(pool.oldest);
    } else {
      pool.oldest->Close();
    }
  }
  connection->idle_next = pool.newest;
  connection->idle_previous = nullptr;
  (pool.newest != nullptr ? pool.newest->idle_previous : pool.oldest) = connection;
  pool.newest = connection;
  ++pool.size;
  context_->counters.upstream_idle.Add();
  connection->BecomeIdle(context_->loop.Now() + context_->limits.upstream_idle_timeout);
}

void UpstreamPools::OnClosed(Http1Upstream* connection, bool idle) {
  if (idle) {
    context_->counters.upstream_idle_closed.Add();
    Unlink(&idle_[connection->cell().index], connection);
  }
  Forget(connection);
}

void UpstreamPools::Forget(Http1Upstream* connection) {
  const size_t index = connection->registry_index;
  context_->loop.Bury(std::move(all_[index]));
  if (index + 1 < all_.size()) {
    all_[index] = std::move(all_.back());
    all_[index]->registry_index = index;
  }
  all_.pop_back();
}

void UpstreamPools::KeepOnly(const RoutingTable& table) {
  if (!http2_.empty()) RetireUnlisted(table);
  if (idle_.empty()) return;
  for (auto& [index, pool] : idle_) pool.listed = false;
  ForEachEndpoint(table, [this](const ServiceTable&, const Endpoint& endpoint) {
    const auto found = idle_.find(endpoint.cell.index);
    if (found == idle_.end()) return;
    if (found->second.generation == endpoint.cell.generation) found->second.listed = true;
  });
  for (auto it = idle_.begin(); it != idle_.end();) {
    if (!it->second.listed) {
      while (it->second.newest != nullptr) it->second.newest->Close();
      idle_.erase(it++);
    } else {
      ++it;
    }
  }
}

void UpstreamPools::RetireUnlisted(const RoutingTable& table) {
  std::vector<Http2Upstream*> unlisted;
  absl::flat_hash_set<Http2Upstream*> listed;
  ForEachEndpoint(table, [&](const ServiceTable& service, const Endpoint& endpoint) {
    const auto found = http2_.find(endpoint.cell.index);
    if (found == http2_.end() || !service.policy.upstream_http2) return;
    for (Http2Upstream* connection : found->second) {
      const bool same = connection->cell() == endpoint.cell &&
                        connection->tls_policy() == service.policy.upstream_tls;
      if (same) listed.insert(connection);
    }
  });
  for (const auto& connection : all_http2_) {
    if (!listed.contains(connection.get())) unlisted.push_back(connection.get());
  }
  for (Http2Upstream* connection : unlisted) connection->Retire();
}

void UpstreamPools::CloseAll() {
  while (!all_http2_.empty()) all_http2_.back()->Lose(Reason::kDraining);
  while (!all_.empty()) all_.back()->Close();
}

void UpstreamPools::Describe(size_t max, std::vector<ConnectionFacts>* out) const {
  const size_t end = out->size() + max;
  for (size_t i = 0; i < all_.size() && out->size() < end; ++i) {
    out->push_back(all_[i]->Describe());
  }
  for (size_t i = 0; i < all_http2_.size() && out->size() < end; ++i) {
    out->push_back(all_http2_[i]->Describe());
  }
}

}  // namespace pointsman::gateway
