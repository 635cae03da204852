#include "gateway/proxy/worker.h"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "absl/strings/string_view.h"
#include "common/core/check.h"

namespace pointsman::gateway {

namespace {
// Others may put there for so many sweeps what the table no longer has.
constexpr int kShelfSweeps = 3;
constexpr absl::string_view kTooManyConnectionsAnswer =
    "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n"
    "x-pointsman-reason: too_many_connections\r\nconnection: close\r\n\r\n";
constexpr absl::string_view kTooManyFromSourceAnswer =
    "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n"
    "x-pointsman-reason: too_many_from_source\r\nconnection: close\r\n\r\n";

// A connection is given away when its worker has so many more than the lightest, and a sixteenth of
// its own: the kernel's hash spreads many evenly enough, but not a few that live long.
constexpr size_t kGiveAwayFrom = 2;
constexpr size_t kGiveAwayPart = 16;
}  // namespace

Worker::Worker(WorkerOptions options)
    : context_(*options.clock, options.limits, *options.cells),
      streams_(&context_),
      upstreams_(&context_),
      outliers_(context_.cells, context_.avoidance),
      listener_tcp_(std::move(options.tcp)),
      sweep_timer_([this] { Sweep(); }),
      outlier_timer_([this] { FindOutliers(); }),
      first_table_timer_([this] { StartListeners(); }),
      on_adopted_(std::move(options.on_adopted)),
      hold_listeners_(options.hold_listeners) {
  // A head, or the framing between two pieces of a body, must fit into the credit given for it.
  PM_CHECK(context_.limits.stream_window_bytes >= context_.limits.head.bytes_max + 8192);
  context_.connections_max = options.connections_max;
  context_.sources = options.sources;
  context_.shelf = options.shelf;
  context_.index = options.index;
  context_.workers = options.workers;
  context_.chunks_max =
      std::max<size_t>(1, context_.limits.buffer_bytes_max / kChunkBytes / options.workers);
  context_.observer = options.observer;
  context_.streams = &streams_;
  context_.upstreams = &upstreams_;
  context_.budgets = &budgets_;
  context_.loads = &loads_;
}

Worker::~Worker() { CloseEverything(); }

absl::Status Worker::Open(std::vector<ListeningSocket> sockets, size_t places) {
  if (absl::Status status = context_.loop.Open(); !status.ok()) return status;
  listener_tls_.resize(places);
  listener_tcp_.resize(places);
  for (ListeningSocket& socket : sockets) {
    const size_t place = socket.place;
    auto on_accepted = [this, place](Fd accepted, const SocketAddress& peer) {
      OnAccepted(place, std::move(accepted), peer);
    };
    listeners_.push_back({place, std::make_unique<Listener>(&context_, std::move(socket.fd),
                                                            std::move(on_accepted))});
  }
  if (UpstreamShelf* shelf = tended_shelf()) {
    shelf_watch_.emplace(shelf);
    if (!context_.loop.RegisterListener(shelf->poll_fd(), &*shelf_watch_)) {
      return absl::ResourceExhaustedError("the upstream shelf cannot be watched");
    }
  }
  context_.loop.timers().Arm(sweep_timer_, context_.loop.Now() + context_.limits.sweep_interval);
  context_.loop.timers().Arm(outlier_timer_,
                             context_.loop.Now() + context_.limits.outlier_interval);
  context_.loop.timers().Arm(first_table_timer_,
                             context_.loop.Now() + context_.limits.first_table_wait);
  return absl::OkStatus();
}

void Worker::Run() {
  while (!context_.draining || !clients_.empty()) RunTurn();
  CloseEverything();
}

void Worker::RunTurn() {
  context_.loop.RunTurn(*this);
  context_.counters.turns.Add();
  context_.counters.buffer_bytes.Set(context_.chunks.in_use() * kChunkBytes);
  context_.counters.buffer_bytes_peak.Set(context_.chunks.in_use_peak() * kChunkBytes);
}

void Worker::StartListeners() {
  first_table_timer_.Cancel();
  listeners_due_ = true;
  if (hold_listeners_) return;
  for (PlacedListener& placed : listeners_) placed.listener->Start();
}

void Worker::PostTable(const RoutingTable* table, uint64_t sequence) {
  // One thread posts; the worker reads the sequence first, so that it never acknowledges a table
  // newer than the one it takes.
  posted_table_.store(table, std::memory_order_release);
  posted_sequence_.store(sequence, std::memory_order_release);
  context_.loop.Wake();
}

void Worker::Post(absl::AnyInvocable<void()> task) {
  {
    common::MutexLock lock(tasks_mutex_);
    tasks_.push_back(std::move(task));
  }
  tasks_posted_.store(true, std::memory_order_release);
  context_.loop.Wake();
}

void Worker::RunTasks() {
  if (!tasks_posted_.exchange(false, std::memory_order_acq_rel)) return;
  std::vector<absl::AnyInvocable<void()>> tasks;
  {
    common::MutexLock lock(tasks_mutex_);
    tasks = std::exchange(tasks_, {});
  }
  for (auto& task : tasks) task();
}

Worker::Connections Worker::Describe(size_t max) const {
  Connections all;
  all.clients = clients_.size();
  all.upstreams = upstreams_.connections();
  for (size_t i = 0; i < std::min(max, clients_.size()); ++i) {
    all.shown.push_back(clients_[i]->Describe());
  }
  upstreams_.Describe(max, &all.shown);
  for (ConnectionFacts& one : all.shown) {
    one.worker = context_.index;
    const auto peer = SocketAddress::Peer(one.fd);
    if (peer.ok()) one.remote = peer->ToString();
  }
  return all;
}

void Worker::ReleaseListeners() {
  Post([this] {
    hold_listeners_ = false;
    if (listeners_due_ && !context_.draining) StartListeners();
  });
}

OSSL_LIB_CTX* Worker::TlsLibrary() {
  if (context_.tls.library == nullptr) context_.tls.library = MakeTlsLibrary();
  return context_.tls.library.get();
}

void Worker::PostTls(TlsUpdate update) {
  {
    common::MutexLock lock(tls_mutex_);
    for (auto& listener : update.listeners) posted_tls_.listeners.push_back(std::move(listener));
    if (update.tickets != nullptr) posted_tls_.tickets = std::move(update.tickets);
    if (update.clients != nullptr) posted_tls_.clients = std::move(update.clients);
  }
  tls_posted_.store(true, std::memory_order_release);
  context_.loop.Wake();
}

void Worker::AdoptTls() {
  if (!tls_posted_.exchange(false, std::memory_order_acq_rel)) return;
  TlsUpdate update;
  {
    common::MutexLock lock(tls_mutex_);
    update = std::exchange(posted_tls_, TlsUpdate());
  }
  for (auto& [place, tls] : update.listeners) listener_tls_[place] = std::move(tls);
  if (update.tickets != nullptr) context_.tls.tickets = std::move(update.tickets);
  if (update.clients != nullptr) context_.tls_clients = std::move(update.clients);
}

void Worker::Drain(const DrainOptions& drain) {
  if (drain_grace_micros_.load(std::memory_order_relaxed) >= 0) return;
  handed_over_ = drain.handed_over;
  drain_grace_micros_.store(absl::ToInt64Microseconds(drain.grace), std::memory_order_release);
  context_.loop.Wake();
}

void Worker::AdoptTable() {
  const uint64_t sequence = posted_sequence_.load(std::memory_order_acquire);
  if (sequence == adopted_sequence_) return;
  const RoutingTable* table = posted_table_.load(std::memory_order_acquire);
  if (context_.table != nullptr) {
    pools_stale_ |= context_.table->lineup != table->lineup;
    if (context_.table->config != table->config) AdoptLimits(*context_.table, *table);
  }
  context_.table = table;
  adopted_sequence_ = sequence;
  if (context_.table->router != nullptr) StartListeners();
  if (on_adopted_) on_adopted_(sequence);
}

void Worker::AdoptLimits(const RoutingTable& before, const RoutingTable& now) {
  // Both are ascending by name.
  size_t place = 0;
  for (const auto& service : now.services) {
    while (place < before.services.size() && before.services[place]->name < service->name) ++place;
    if (place == before.services.size()) return;
    const ServiceTable& old = *before.services[place];
    if (&old != service.get() && old.name == service->name) AdoptLimits(old.policy, *service);
  }
}

void Worker::AdoptLimits(const ServicePolicy& before, const ServiceTable& service) {
  WorkerCells& cells = context_.cells;
  const ServicePolicy& policy = service.policy;
  if (before.max_in_flight != policy.max_in_flight) {
    cells.SetLimit(service.cell, policy.max_in_flight);
  }
  if (before.watches_load() && !policy.watches_load()) pools_stale_ = true;
  if (policy.adaptive_min_in_flight == 0) cells.ShowLearnedLimit(service.cell, 0);
  const uint32_t each = policy.max_in_flight_per_endpoint;
  if (before.max_in_flight_per_endpoint == each) return;
  for (size_t i = 0; i < service.endpoints.size(); ++i) {
    const Endpoint& endpoint = service.endpoints[i];
    if (endpoint.handle != 0) cells.SetLimit(endpoint.cell, each);
  }
}

void Worker::OnTurnStart() {
  context_.tls.handshake_steps_left = context_.limits.tls_handshake_steps_per_turn;
  // First: a table may need what was posted with it.
  if (tls_posted_.load(std::memory_order_relaxed)) AdoptTls();
  AdoptTable();
  if (tasks_posted_.load(std::memory_order_relaxed)) RunTasks();
  if (!context_.draining && drain_grace_micros_.load(std::memory_order_acquire) >= 0) BeginDrain();
  if (context_.loop.Now() >= drain_deadline_) {
    while (!clients_.empty()) {
      clients_.back()->Kill();
      Settle();
    }
  }
}

void Worker::BeginDrain() {
  {
    common::MutexLock lock(tasks_mutex_);
    takes_offers_ = false;
  }
  RunTasks();  // What was offered before is served.
  context_.draining = true;
  first_table_timer_.Cancel();
  const absl::Duration grace = absl::Microseconds(drain_grace_micros_.load());
  drain_deadline_ = context_.loop.Now() + grace;
  context_.drain_idle_until =
      context_.loop.Now() + context_.limits.drain_idle_wait.value_or(grace * 2 / 3);
  for (PlacedListener& placed : listeners_) {
    const bool handed_over = placed.place < handed_over_.size() && handed_over_[placed.place];
    handed_over ? placed.listener->Abandon() : placed.listener->Close();
  }
  if (UpstreamShelf* shelf = tended_shelf()) shelf->Close();
  for (size_t i = clients_.size(); i > 0; --i) clients_[i - 1]->Drain();
  // The deadline ends a wait.
  sweep_timer_.Cancel();
  context_.loop.timers().Arm(sweep_timer_, drain_deadline_);
}

void Worker::Sweep() {
  if (context_.draining) {
    context_.loop.timers().Arm(sweep_timer_, drain_deadline_);
    return;
  }
  context_.avoidance.Sweep(context_.loop.Now());
  TrimMemory();
  const bool stale = std::exchange(pools_stale_, false) && context_.table != nullptr;
  if (stale) {
    upstreams_.KeepOnly(*context_.table);
    budgets_.KeepOnly(*context_.table);
    if (!loads_.KeepOnly(*context_.table)) pools_stale_ = true;
  }
  if (UpstreamShelf* shelf = tended_shelf()) {
    shelf->Expire(context_.loop.Now());
    if (stale) shelf_sweeps_ = kShelfSweeps;
    if (shelf_sweeps_ > 0) {
      --shelf_sweeps_;
      shelf->KeepOnly(*context_.table);
    }
  }
  context_.loop.timers().Arm(sweep_timer_, context_.loop.Now() + context_.limits.sweep_interval);
}

void Worker::FindOutliers() {
  const common::MonotonicTime now = context_.loop.Now();
  context_.loop.timers().Arm(outlier_timer_, now + context_.limits.outlier_interval);
  if (context_.table == nullptr) return;
  const OutlierWatch::Found found = outliers_.Look(*context_.table, now);
  context_.counters.outliers_failing.Add(found.failing);
  context_.counters.outliers_slow.Add(found.slow);
}

void Worker::TrimMemory() {
  streams_.Trim();
  context_.chunks.Trim();
  context_.ready.Trim();
  context_.json.Trim();
  Http2Session::TrimMemory();
}

void Worker::Settle() {
  context_.FlushSoonerWhenFull();
  while (!context_.ready.empty() || !context_.to_flush.empty()) {
    while (!context_.ready.empty()) {
      StreamEvent event = context_.ready.Pop();
      Stream* stream = streams_.Find(event.stream);
      if (stream != nullptr) stream->OnEvent(std::move(event));
    }
    for (size_t i = 0; i < context_.to_flush.size(); ++i) {
      TcpConnection* connection = context_.to_flush[i];
      connection->flush_listed = false;
      if (connection->open()) connection->Flush();
    }
    context_.to_flush.clear();
  }
}

void Worker::OnTurnEnd() {
  // What is sent may make room for more.
  while (!context_.to_flush_at_end.empty()) {
    flushing_.swap(context_.to_flush_at_end);
    for (TcpConnection* connection : flushing_) {
      connection->flush_listed = false;
      if (connection->open()) connection->Flush();
    }
    flushing_.clear();
    Settle();
  }
}

void Worker::Shed(size_t listener, const Fd& fd, Reason reason) {
  context_.counters.shed_connections.Add();
  context_.counters.reasons[static_cast<size_t>(reason)].Add();
  if (listener_tls_[listener] != nullptr || listener_tcp_[listener] != nullptr) return;
  const absl::string_view answer =
      reason == Reason::kTooManyFromSource ? kTooManyFromSourceAnswer : kTooManyConnectionsAnswer;
  // A fresh socket takes these few bytes; if not, the close says it.
  [[maybe_unused]] const ssize_t sent =
      send(fd.get(), answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

size_t Worker::Load() const {
  return context_.counters.connections.value() + offered_.load(std::memory_order_relaxed);
}

Worker* Worker::LighterPeer() const {
  if (peers_.size() < 2 || context_.draining) return nullptr;
  Worker* lightest = peers_[0];
  size_t least = lightest->Load();
  for (Worker* peer : peers_) {
    const size_t load = peer->Load();
    if (load < least) {
      least = load;
      lightest = peer;
    }
  }
  const size_t own = Load();
  return own >= least + kGiveAwayFrom + own / kGiveAwayPart ? lightest : nullptr;
}

bool Worker::Offer(size_t listener, Fd* fd, const SocketAddress& peer) {
  {
    common::MutexLock lock(tasks_mutex_);
    if (!takes_offers_) return false;
    offered_.fetch_add(1, std::memory_order_relaxed);
    tasks_.push_back([this, listener, fd = std::move(*fd), peer]() mutable {
      offered_.fetch_sub(1, std::memory_order_relaxed);
      Begin(listener, std::move(fd), peer);
    });
    // Under the lock: a drain that begins now finds the offer.
    tasks_posted_.store(true, std::memory_order_release);
  }
  context_.loop.Wake();
  return true;
}

void Worker::OnAccepted(size_t listener, Fd fd, const SocketAddress& peer) {
  Worker* other = LighterPeer();
  if (other != nullptr && other->Offer(listener, &fd, peer)) {
    context_.counters.handed_off.Add();
    return;
  }
  Begin(listener, std::move(fd), peer);
}

void Worker::Begin(size_t listener, Fd fd, const SocketAddress& peer) {
  if (clients_.size() >= context_.connections_max) {
    return Shed(listener, fd, Reason::kTooManyConnections);
  }
  if (!WorkerContext::IsIn(context_.limits.proxy_header_from.get(), peer)) {
    return Serve(listener, std::move(fd), peer);
  }
  auto client = std::make_unique<ProxyHeaderClient>(&context_, this, listener);
  if (client->Start(std::move(fd), peer)) {
    AddClient(std::move(client), {});
  } else {
    context_.counters.accept_failures.Add();
  }
}

void Worker::OnProxyHeader(size_t listener, Fd socket, const SocketAddress& peer) {
  const size_t before = clients_.size();
  Serve(listener, std::move(socket), peer);
  // The others were told when the drain began.
  if (context_.draining && clients_.size() > before) clients_.back()->Drain();
}

std::optional<SourceTable::Slot> Worker::EnterSource(const SocketAddress& peer) {
  const std::optional<common::IpAddress> ip = peer.Ip();
  if (context_.sources == nullptr || !ip.has_value() || context_.Trusts(peer)) {
    return SourceTable::Slot();
  }
  return context_.sources->Enter(*ip);
}

void Worker::Serve(size_t listener, Fd fd, const SocketAddress& peer) {
  std::optional<SourceTable::Slot> source = EnterSource(peer);
  if (!source.has_value()) return Shed(listener, fd, Reason::kTooManyFromSource);
  if (listener_tls_[listener] != nullptr) {
    return StartTls(listener, std::move(fd), peer, *std::move(source));
  }
  if (listener_tcp_[listener] != nullptr) {
    return StartTcp(listener, std::move(fd), nullptr, *std::move(source));
  }
  auto client = std::make_unique<Http1Client>(&context_, this, context_.PeerOf(peer));
  if (!client->Start(std::move(fd))) {
    context_.counters.accept_failures.Add();
    return;
  }
  AddClient(std::move(client), *std::move(source));
}

void Worker::AddClient(std::unique_ptr<ClientConnection> client, SourceTable::Slot source) {
  client->registry_index = clients_.size();
  client->source = std::move(source);
  clients_.push_back(std::move(client));
  context_.counters.connections.Add();
}

void Worker::OnHttp2(ClientConnection* from, TcpConnection* socket, const ClientPeer& peer,
                     const Slice& received) {
  auto client = std::make_unique<Http2Client>(&context_, this, peer);
  Http2Client* started = client.get();
  AddClient(std::move(client), std::move(from->source));
  started->Start(socket, received);
}

void Worker::StartTls(size_t listener, Fd fd, const SocketAddress& peer, SourceTable::Slot source) {
  auto client = std::make_unique<TlsClient>(&context_, this, listener);
  if (client->Start(std::move(fd), peer, listener_tls_[listener])) {
    AddClient(std::move(client), std::move(source));
  } else {
    context_.counters.accept_failures.Add();
  }
}

void Worker::StartTcp(size_t listener, Fd fd, TcpConnection* socket, SourceTable::Slot source) {
  auto client = std::make_unique<TcpClient>(&context_, this, listener_tcp_[listener]);
  TcpClient* started = client.get();
  if (socket != nullptr) {
    started->Start(socket);
  } else if (!started->Start(std::move(fd))) {
    context_.counters.accept_failures.Add();
    return;
  }
  AddClient(std::move(client), std::move(source));
  started->Begin();
}

void Worker::OnTlsReady(ClientConnection* from, size_t listener, TcpConnection* socket,
                        const SocketAddress& peer) {
  if (listener_tcp_[listener] != nullptr) {
    return StartTcp(listener, Fd(), socket, std::move(from->source));
  }
  const ClientPeer known = context_.PeerOf(peer);
  if (TlsOf(*socket)->http2()) return OnHttp2(from, socket, known, Slice{});
  auto client = std::make_unique<Http1Client>(&context_, this, known);
  Http1Client* started = client.get();
  AddClient(std::move(client), std::move(from->source));
  started->Start(socket, listener_tls_[listener]->http2());
}

void Worker::OnClientClosed(ClientConnection* connection) {
  const size_t index = connection->registry_index;
  context_.loop.Bury(std::move(clients_[index]));
  if (index + 1 < clients_.size()) {
    clients_[index] = std::move(clients_.back());
    clients_[index]->registry_index = index;
  }
  clients_.pop_back();
  context_.counters.connections.Subtract();
}

void Worker::CloseEverything() {
  for (PlacedListener& placed : listeners_) placed.listener->Close();
  while (!clients_.empty()) {
    clients_.back()->Kill();
    Settle();
  }
  OnTurnEnd();
  upstreams_.CloseAll();
  context_.upstream_sessions.Clear();
  Settle();
  OnTurnEnd();
}

}  // namespace pointsman::gateway
