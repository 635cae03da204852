#include "gateway/proxy/tcp_client.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/core/hashing.h"
#include "gateway/proxy/retry_budgets.h"
#include "gateway/proxy/upstream_target.h"
#include "gateway/tls/client_hello.h"

namespace pointsman::gateway {

// The endpoint's side of one try.
class TcpClient::Upstream final : public Mortal, public ConnectionOwner {
 public:
  Upstream(TcpClient* client, CellRef cell, uint64_t tls)
      : client_(client),
        tls_(client->context_, cell, tls),
        tcp_(&client->context_->loop, &client->context_->chunks, this) {}

  // False: it failed at once.
  bool Connect(const ConnectTarget& target) {
    if (!tcp_.Connect(target) || !tls_.Start(&tcp_)) return false;
    client_->context_->counters.upstream_opened.Add();
    if (tls_.policy() == 0 && !tcp_.connecting()) OnConnected();
    return true;
  }
  // No callback comes any more.
  void Leave(bool reset) {
    client_ = nullptr;
    if (reset) {
      tcp_.Reset();
    } else {
      tcp_.Close();
    }
  }
  TcpConnection& tcp() { return tcp_; }
  Reason FailureOf(int error) { return tls_.OnConnectFailed(error); }

  void OnConnected() override {
    tls_.OnConnected(tcp_);
    NoteReached(client_->context_, client_->cell_, tcp_);
    client_->OnUpstreamConnected();
  }
  void OnReceived(Slice bytes) override { client_->Relay(bytes, &client_->tcp_); }
  void OnInputEnd() override {
    client_->upstream_ended_ = true;
    client_->EndIfFlushed();
  }
  void OnSent(size_t /*n*/) override {
    client_->progress_ = client_->context_->loop.Now();
    client_->UpdateCredit();
    client_->EndIfFlushed();
  }
  void OnFailed(int error) override {
    if (client_ != nullptr) client_->OnUpstreamFailed(error);
  }

 private:
  TcpClient* client_;
  UpstreamTlsBinding tls_;
  TcpConnection tcp_;
};

TcpClient::TcpClient(WorkerContext* context, ClientRegistry* registry,
                     std::shared_ptr<const TcpForwarding> forwarding)
    : context_(context),
      registry_(registry),
      forwarding_(std::move(forwarding)),
      tcp_(&context->loop, &context->chunks, this),
      early_(&context->chunks),
      progress_(context->loop.Now()) {}

TcpClient::~TcpClient() = default;

bool TcpClient::Start(Fd fd) {
  if (!tcp_.Attach(std::move(fd))) return false;
  context_->counters.tcp_connections.Add();
  context_->counters.tcp_open.Add();
  return true;
}

void TcpClient::Start(TcpConnection* socket) {
  tcp_.TakeOver(socket);
  context_->counters.tcp_connections.Add();
  context_->counters.tcp_open.Add();
}

void TcpClient::Begin() {
  tcp_.SetCredit(static_cast<int64_t>(ClientHelloReader::kBytesMax));
  if (!forwarding_->names.empty() && tcp_.filter() == nullptr) {
    ArmAt(context_->loop.Now() + context_->limits.client_head_timeout);
    return;
  }
  // Clients of such services may never get an answer with which a ticket could leave.
  if (tcp_.filter() != nullptr) context_->FlushLater(&tcp_);
  Enter(forwarding_->services.front());
}

void TcpClient::ArmAt(common::MonotonicTime deadline) {
  deadline_ = deadline;
  context_->loop.timers().Arm(*this, deadline);
}

// ---- Which service.

void TcpClient::ReadHello() {
  std::string bytes;
  for (const Slice& slice : early_.slices()) bytes.append(slice.data, slice.size);
  std::string name;
  switch (context_->hello.Read(bytes, &name)) {
    case ClientHelloReader::Found::kMore:
      return;
    case ClientHelloReader::Found::kHello:
      return Enter(forwarding_->services[forwarding_->names.Find(name)]);
    case ClientHelloReader::Found::kNotTls:
      return Enter(forwarding_->services.front());
  }
}

const ServiceTable* TcpClient::FindService(absl::string_view name) const {
  if (context_->table == nullptr) return nullptr;
  return context_->table->Find(name);
}

void TcpClient::Enter(const std::string& name) {
  state_ = State::kConnecting;
  if (name.empty()) return Fail(Reason::kNoRoute);
  if (context_->table == nullptr || context_->table->router == nullptr) {
    return Fail(Reason::kNoTable);
  }
  const ServiceTable* service = FindService(name);
  if (service == nullptr || !service->policy.tcp || !service->unavailable.empty()) {
    return Fail(Reason::kNoService);
  }
  if (context_->BuffersFull()) return Fail(Reason::kBuffersFull);
  if (!context_->cells.StartTry(service->cell, service->policy.max_in_flight)) {
    return Fail(Reason::kTooManyRequests);
  }
  service_name_ = name;
  policy_ = service->policy;
  service_cell_ = service->cell;
  in_service_ = true;
  context_->budgets->Of(service_cell_)
      .OnRequest(RetryBudgetOf(policy_, context_->workers), context_->loop.Now());
  TryNext(*service);
}

// ---- Tries.

// All there is to hash of bytes that are passed through is where they come from.
PickKey TcpClient::KeyOf(const ServiceTable& service) const {
  PickKey key;
  if (service.picker == nullptr || !service.picker->hashes()) return key;
  const absl::StatusOr<SocketAddress> peer = SocketAddress::Peer(tcp_.fd());
  if (!peer.ok()) return key;
  char host[SocketAddress::kHostBytes];
  key.hash = common::Hash64(absl::string_view(host, peer->WriteHost(host)));
  return key;
}

void TcpClient::TryNext(const ServiceTable& service) {
  const CountersView view = context_->counters_view();
  const PickResult pick =
      PickAndStart(service, view, &context_->cells, tried_, KeyOf(service), context_->random);
  if (pick.status != PickResult::Status::kPicked) {
    return Fail(pick.status == PickResult::Status::kAtLimit ? Reason::kTooManyRequests
                                                            : Reason::kNoEndpoint);
  }
  cell_ = pick.endpoint->cell;
  tried_.push_back(cell_);
  if (pick.probe) context_->avoidance.OnProbeStarted(cell_, context_->loop.Now());
  in_try_ = true;
  upstream_ = std::make_unique<Upstream>(this, cell_, policy_.upstream_tls);
  ArmAt(context_->loop.Now() + policy_.connect_timeout);
  const Endpoint& endpoint = *pick.endpoint;
  const ConnectTarget target =
      TargetOf(*context_, {cell_, endpoint.address(), endpoint.other(), policy_.connect_timeout});
  if (!upstream_->Connect(target)) OnUpstreamFailed(ECONNREFUSED);
}

bool TcpClient::MayRetry(const ServiceTable& service) {
  if (tried_.size() > service.policy.max_retries) return false;
  const bool allowed =
      context_->budgets->Of(service_cell_)
          .TryTake(RetryBudgetOf(policy_, context_->workers), context_->loop.Now());
  if (allowed) context_->counters.retries.Add();
  return allowed;
}

void TcpClient::EndTry(TryOutcome outcome) {
  if (!std::exchange(in_try_, false)) return;
  if (state_ == State::kConnecting) {
    context_->cells.CountOutcome(cell_, outcome, absl::Microseconds(-1));
    context_->avoidance.OnOutcome(cell_, outcome, context_->loop.Now());
  }
  context_->cells.EndTry(cell_);
}

void TcpClient::OnUpstreamConnected() {
  context_->cells.CountOutcome(cell_, TryOutcome::kResponse, absl::Microseconds(-1));
  context_->avoidance.OnOutcome(cell_, TryOutcome::kResponse, context_->loop.Now());
  state_ = State::kOpen;
  for (const Slice& slice : early_.slices()) upstream_->tcp().out().Append(slice);
  early_.Clear();
  context_->FlushLater(&upstream_->tcp());
  progress_ = context_->loop.Now();
  ArmAt(progress_ + forwarding_->idle_timeout);
  UpdateCredit();
  EndIfFlushed();
}

void TcpClient::OnUpstreamFailed(int error) {
  if (state_ == State::kClosed) return;
  if (state_ == State::kOpen) return Fail(Reason::kUpstreamReset);
  const Reason reason = upstream_->FailureOf(error);
  EndTry(TryOutcome::kConnectFailure);
  upstream_->Leave(/*reset=*/false);
  context_->loop.Bury(std::move(upstream_));
  const ServiceTable* service = FindService(service_name_);
  if (service == nullptr || !MayRetry(*service)) return Fail(reason);
  TryNext(*service);
}

// ---- Bytes.

void TcpClient::OnReceived(Slice bytes) {
  context_->counters.received_bytes.Add(bytes.size);
  if (state_ == State::kOpen) return Relay(bytes, &upstream_->tcp());
  if (context_->BuffersOverfull()) return Fail(Reason::kBuffersFull);
  early_.Append(bytes);
  if (state_ == State::kHello) return ReadHello();
  UpdateCredit();
}

void TcpClient::Relay(const Slice& bytes, TcpConnection* to) {
  if (context_->BuffersOverfull()) return Fail(Reason::kBuffersFull);
  progress_ = context_->loop.Now();
  to->out().Append(bytes);
  context_->FlushLater(to);
  UpdateCredit();
}

void TcpClient::UpdateCredit() {
  if (state_ == State::kClosed) return;
  const auto window = static_cast<int64_t>(context_->StreamWindow());
  if (state_ != State::kOpen) {
    return tcp_.SetCredit(std::max<int64_t>(0, window - static_cast<int64_t>(early_.bytes())));
  }
  const auto room = [window](const TcpConnection& to) {
    return std::max<int64_t>(0, window - static_cast<int64_t>(to.out().bytes()));
  };
  tcp_.SetCredit(room(upstream_->tcp()));
  upstream_->tcp().SetCredit(room(tcp_));
}

void TcpClient::OnSent(size_t n) {
  context_->counters.sent_bytes.Add(n);
  progress_ = context_->loop.Now();
  UpdateCredit();
  EndIfFlushed();
}

// ---- Ends.

void TcpClient::OnInputEnd() {
  client_ended_ = true;
  if (state_ == State::kHello) return Fail(Reason::kClientGone);
  EndIfFlushed();
}

void TcpClient::EndIfFlushed() {
  if (state_ != State::kOpen) return;
  if (client_ended_ && upstream_->tcp().out().empty() && !std::exchange(client_end_passed_, true)) {
    upstream_->tcp().ShutdownWrite();
  }
  if (upstream_ended_ && tcp_.out().empty() && !std::exchange(upstream_end_passed_, true)) {
    tcp_.ShutdownWrite();
  }
  if (client_end_passed_ && upstream_end_passed_) Close();
}

void TcpClient::OnFailed(int /*error*/) {
  if (state_ == State::kClosed) return;
  Fail(Reason::kClientGone);
}

void TcpClient::Kill() {
  if (state_ != State::kClosed) Fail(Reason::kDraining);
}

// A broken half is passed on as such: whoever is left must not take it for an end.
void TcpClient::Fail(Reason reason) {
  context_->counters.reasons[static_cast<size_t>(reason)].Add();
  if (state_ == State::kOpen) {
    upstream_->Leave(/*reset=*/true);
    tcp_.Reset();
  }
  Close();
}

void TcpClient::Close() {
  EndTry(TryOutcome::kAbandoned);
  if (in_service_) context_->cells.EndTry(service_cell_);
  state_ = State::kClosed;
  if (upstream_ != nullptr) {
    upstream_->Leave(/*reset=*/false);
    context_->loop.Bury(std::move(upstream_));
  }
  tcp_.Close();
  Cancel();
  early_.Clear();
  context_->counters.tcp_open.Subtract();
  registry_->OnClientClosed(this);
}

void TcpClient::OnTimer() {
  if (state_ == State::kClosed) return;
  if (state_ == State::kOpen) deadline_ = progress_ + forwarding_->idle_timeout;
  if (context_->loop.Now() < deadline_) return ArmAt(deadline_);
  switch (state_) {
    case State::kHello:
      return Fail(Reason::kHeadTimeout);
    case State::kConnecting:
      return OnUpstreamFailed(ETIMEDOUT);
    default:
      return Fail(Reason::kIdleTimeout);
  }
}

}  // namespace pointsman::gateway
