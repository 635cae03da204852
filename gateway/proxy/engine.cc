#include "gateway/proxy/engine.h"

#include <algorithm>
#include <future>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/core/check.h"
#include "common/core/status_macros.h"
#include "common/thread_name.h"

namespace pointsman::gateway {

Engine::Engine(EngineOptions options) : options_(std::move(options)) {
  const size_t per_source = options_.limits.connections_per_source_max;
  if (per_source > 0) sources_ = std::make_unique<SourceTable>(per_source);
  if (options_.cells->workers() > 1) {
    shelf_ = std::make_unique<UpstreamShelf>(
        UpstreamShelf::Limits{.connections_max = options_.limits.shelved_connections_max,
                              .per_endpoint_max = options_.limits.idle_per_endpoint_max});
  }
}

Engine::~Engine() { Drain(absl::ZeroDuration()); }

namespace {

// One for each worker: the kernel shares connections out among them.
absl::StatusOr<Engine::Sockets> OpenSockets(const common::Address& wanted, size_t workers) {
  Engine::Sockets sockets;
  SocketAddress address = SocketAddress::From(wanted);
  for (size_t i = 0; i < workers; ++i) {
    // The first socket of port 0 decides the port for all.
    PM_ASSIGN_OR_RETURN(Fd fd, Listen(address, ListenOptions{}));
    PM_ASSIGN_OR_RETURN(address, SocketAddress::Local(fd.get()));
    sockets.push_back(std::move(fd));
  }
  return sockets;
}

}  // namespace

absl::Status Engine::Listen(std::vector<Sockets> inherited) {
  const size_t workers = options_.cells->workers();
  listeners_.resize(workers);
  sockets_ = std::move(inherited);
  sockets_.resize(options_.listeners.size());
  // Before the first of ours. A process that is to be replaced may listen on what overlaps.
  for (size_t place = 0; place < sockets_.size() && !options_.hold_listeners; ++place) {
    if (!sockets_[place].empty()) continue;
    PM_RETURN_IF_ERROR(CheckUnused(SocketAddress::From(options_.listeners[place].address)));
  }
  for (size_t place = 0; place < sockets_.size(); ++place) {
    Sockets& sockets = sockets_[place];
    if (sockets.empty()) {
      PM_ASSIGN_OR_RETURN(sockets, OpenSockets(options_.listeners[place].address, workers));
    }
    PM_ASSIGN_OR_RETURN(const SocketAddress address, SocketAddress::Local(sockets[0].get()));
    listen_addresses_.push_back(address.ToString());
    // Of another number of workers: each socket is served, and each worker serves one.
    for (size_t i = 0; i < std::max(sockets.size(), workers); ++i) {
      PM_ASSIGN_OR_RETURN(Fd fd, Duplicate(sockets[i % sockets.size()]));
      listeners_[i % workers].push_back({place, std::move(fd)});
    }
  }
  return absl::OkStatus();
}

void Engine::ReleaseListeners() {
  for (auto& worker : workers_) worker->ReleaseListeners();
}

Engine::Connections Engine::ListConnections(size_t max, absl::Duration wait) {
  const common::MonotonicTime until = options_.clock->Now() + wait;
  const size_t share = (max + workers_.size() - 1) / workers_.size();
  std::vector<std::future<Worker::Connections>> answers;
  for (auto& worker : workers_) {
    std::promise<Worker::Connections> answer;
    answers.push_back(answer.get_future());
    // One that has ended never runs it; the promise is broken with the worker.
    worker->Post([raw = worker.get(), share, answer = std::move(answer)]() mutable {
      answer.set_value(raw->Describe(share));
    });
  }
  Connections all;
  for (auto& answer : answers) {
    const absl::Duration left = std::max(until - options_.clock->Now(), absl::ZeroDuration());
    if (answer.wait_for(absl::ToChronoMilliseconds(left)) != std::future_status::ready) {
      ++all.mute;
      continue;
    }
    Worker::Connections part = answer.get();
    all.clients += part.clients;
    all.upstreams += part.upstreams;
    for (ConnectionFacts& one : part.shown) all.shown.push_back(std::move(one));
  }
  return all;
}

absl::StatusOr<std::vector<Engine::Sockets>> Engine::DuplicateSockets() const {
  std::vector<Sockets> copies(sockets_.size());
  for (size_t place = 0; place < sockets_.size(); ++place) {
    for (const Fd& socket : sockets_[place]) {
      PM_ASSIGN_OR_RETURN(Fd copy, Duplicate(socket));
      copies[place].push_back(std::move(copy));
    }
  }
  return copies;
}

absl::StatusOr<std::unique_ptr<Engine>> Engine::Start(EngineOptions options,
                                                      std::vector<Sockets> inherited) {
  PM_CHECK(options.cells != nullptr && options.clock != nullptr);
  std::unique_ptr<Engine> engine(new Engine(std::move(options)));
  const EngineOptions& own = engine->options_;
  PM_RETURN_IF_ERROR(engine->Listen(std::move(inherited)));
  if (engine->shelf_ != nullptr) PM_RETURN_IF_ERROR(engine->shelf_->Open());
  const size_t count = own.cells->workers();
  {
    common::MutexLock lock(engine->mutex_);
    engine->adopted_.resize(count, 0);
  }
  for (size_t i = 0; i < count; ++i) {
    WorkerOptions worker;
    worker.clock = own.clock;
    worker.limits = own.limits;
    worker.connections_max = (own.limits.connections_max + count - 1) / count;
    worker.sources = engine->sources_.get();
    worker.shelf = engine->shelf_.get();
    worker.index = i;
    worker.workers = count;
    worker.hold_listeners = own.hold_listeners;
    worker.cells = &own.cells->worker(i);
    worker.observer = own.observer;
    for (const ListenerOptions& listener : own.listeners) worker.tcp.push_back(listener.tcp);
    worker.on_adopted = [raw = engine.get(), i](uint64_t sequence) { raw->OnAdopted(i, sequence); };
    engine->workers_.push_back(std::make_unique<Worker>(std::move(worker)));
    PM_RETURN_IF_ERROR(
        engine->workers_.back()->Open(std::move(engine->listeners_[i]), own.listeners.size()));
  }
  std::vector<Worker*> peers;
  for (const auto& worker : engine->workers_) peers.push_back(worker.get());
  for (const auto& worker : engine->workers_) worker->SetPeers(peers);
  engine->BeginTickets();
  for (size_t i = 0; i < own.listeners.size(); ++i) {
    if (!own.listeners[i].tls.has_value()) continue;
    PM_RETURN_IF_ERROR(engine->ReplaceTls(i, *own.listeners[i].tls));
  }
  for (size_t i = 0; i < count; ++i) {
    engine->threads_.push_back(common::NamedThread(
        absl::StrCat("pm-worker-", i % 10'000), [raw = engine->workers_[i].get()] { raw->Run(); }));
  }
  return engine;
}

void Engine::PublishTable(std::shared_ptr<const RoutingTable> table,
                          std::function<void()> on_running) {
  const RoutingTable* raw = table.get();
  FreeRetired();
  PrepareUpstreamTls(*raw);
  {
    common::MutexLock lock(mutex_);
    publications_.push_back({++sequence_, std::move(table), std::move(on_running)});
  }
  for (auto& worker : workers_) worker->PostTable(raw, sequence_);
}

void Engine::OnAdopted(size_t worker, uint64_t sequence) {
  std::vector<std::function<void()>> done;
  {
    common::MutexLock lock(mutex_);
    adopted_[worker] = sequence;
    const uint64_t by_all = *std::min_element(adopted_.begin(), adopted_.end());
    for (Publication& publication : publications_) {
      if (publication.sequence > by_all) break;
      if (publication.on_running) done.push_back(std::exchange(publication.on_running, nullptr));
    }
  }
  for (auto& on_running : done) on_running();
}

size_t Engine::FreeRetired() {
  std::vector<Publication> retired;
  common::MutexLock lock(mutex_);
  const uint64_t by_all =
      adopted_.empty() ? 0 : *std::min_element(adopted_.begin(), adopted_.end());
  // A worker that runs sequence n may read no table before n.
  while (publications_.size() > 1 && publications_.front().sequence < by_all) {
    retired.push_back(std::move(publications_.front()));
    publications_.pop_front();
  }
  return publications_.size();
}

void Engine::Drain(const DrainOptions& drain) {
  // Before the workers close theirs: with one left open, who connects then would wait, not be
  // refused.
  sockets_.clear();
  for (auto& worker : workers_) worker->Drain(drain);
  draining_.store(true, std::memory_order_release);
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

EngineStats Engine::Stats() const {
  EngineStats stats;
  for (const auto& worker : workers_) stats.Add(worker->counters());
  stats.buffer_bytes_limit = options_.limits.buffer_bytes_max;
  if (shelf_ != nullptr) {
    stats.upstream_shelved = shelf_->connections();
    stats.upstream_idle += stats.upstream_shelved;
    stats.upstream_idle_closed += shelf_->closed();
  }
  return stats;
}

void EngineStats::Add(const WorkerCounters& counters) {
  turns += counters.turns.value();
  accepted += counters.accepted.value();
  connections += counters.connections.value();
  handed_off += counters.handed_off.value();
  shed_connections += counters.shed_connections.value();
  accept_failures += counters.accept_failures.value();
  proxy_headers += counters.proxy_headers.value();
  tls_handshakes += counters.tls_handshakes.value();
  tls_resumed += counters.tls_resumed.value();
  tls_handshake_failures += counters.tls_handshake_failures.value();
  tls_handshaking += counters.tls_handshaking.value();
  tls_upstream_handshakes += counters.tls_upstream_handshakes.value();
  tls_upstream_resumed += counters.tls_upstream_resumed.value();
  tcp_connections += counters.tcp_connections.value();
  tcp_open += counters.tcp_open.value();
  tls_upstream_failures += counters.tls_upstream_failures.value();
  requests += counters.requests.value();
  requests_active += counters.requests_active.value();
  tunnels += counters.tunnels.value();
  tunnels_opened += counters.tunnels_opened.value();
  requests_waiting += counters.requests_waiting.value();
  requests_waited += counters.requests_waited.value();
  requests_queued += counters.requests_queued.value();
  requests_queued_total += counters.requests_queued_total.value();
  requests_awaiting_body += counters.requests_awaiting_body.value();
  requests_awaited_body += counters.requests_awaited_body.value();
  bodies_too_large += counters.bodies_too_large.value();
  mirrors += counters.mirrors.value();
  mirrors_refused += counters.mirrors_refused.value();
  mirrors_broken += counters.mirrors_broken.value();
  bodies_unreadable += counters.bodies_unreadable.value();
  retries += counters.retries.value();
  hedges += counters.hedges.value();
  hedges_won += counters.hedges_won.value();
  outliers_failing += counters.outliers_failing.value();
  outliers_slow += counters.outliers_slow.value();
  stale_retries += counters.stale_retries.value();
  upstream_opened += counters.upstream_opened.value();
  upstream_second_addresses += counters.upstream_second_addresses.value();
  upstream_reused += counters.upstream_reused.value();
  upstream_idle += counters.upstream_idle.value();
  upstream_idle_closed += counters.upstream_idle_closed.value();
  upstream_shelf_taken += counters.upstream_shelf_taken.value();
  upstream_aged += counters.upstream_aged.value();
  clients_aged += counters.clients_aged.value();
  upstream_waiting += counters.upstream_waiting.value();
  upstream_silent += counters.upstream_silent.value();
  received_bytes += counters.received_bytes.value();
  sent_bytes += counters.sent_bytes.value();
  buffer_bytes += counters.buffer_bytes.value();
  buffer_bytes_peak += counters.buffer_bytes_peak.value();
  for (size_t i = 0; i < responses.size(); ++i) responses[i] += counters.responses[i].value();
  for (size_t i = 0; i < reasons.size(); ++i) reasons[i] += counters.reasons[i].value();
}

}  // namespace pointsman::gateway
