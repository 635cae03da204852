#include "bench/tls/handshake_load.h"

#include <openssl/err.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/clock.h"

namespace pointsman::bench {

namespace {

using common::MonotonicTime;

constexpr absl::Duration kConnectionTimeout = absl::Seconds(10);

MonotonicTime Now() { return common::SystemClock().Now(); }

}  // namespace

struct HandshakeLoad::Connection {
  int fd = -1;  // -1: free.
  gateway::SslPtr ssl;
  MonotonicTime due;
  bool agreed = false;
  bool asked = false;
  std::string answer;
};

HandshakeLoad::HandshakeLoad(HandshakeOptions options) : options_(std::move(options)) {}

HandshakeLoad::~HandshakeLoad() {
  for (auto& connection : all_) {
    if (connection->fd >= 0) close(connection->fd);
  }
  if (epoll_ >= 0) close(epoll_);
}

int HandshakeLoad::OnTicket(SSL* ssl, SSL_SESSION* session) {
  auto* self = static_cast<HandshakeLoad*>(SSL_get_app_data(ssl));
  // A copy, which stays as it came: OpenSSL lets a TLS 1.3 session be used once, and marks it when
  // the handshake that used it ends.
  self->ticket_.reset(SSL_SESSION_dup(session));
  return 0;
}

absl::Status HandshakeLoad::Prepare() {
  context_.reset(SSL_CTX_new(TLS_client_method()));
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (context_ == nullptr || epoll_ < 0) return absl::InternalError("no OpenSSL or no epoll");
  SSL_CTX* context = context_.get();
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
  SSL_CTX_set1_groups_list(context, "X25519");
  static constexpr uint8_t kHttp1[] = "\x08http/1.1";
  SSL_CTX_set_alpn_protos(context, kHttp1, sizeof(kHttp1) - 1);
  if (options_.resume) {
    SSL_CTX_set_session_cache_mode(context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context, &OnTicket);
  }
  for (size_t i = 0; i < options_.connections; ++i) {
    all_.push_back(std::make_unique<Connection>());
    free_.push_back(all_.back().get());
  }
  return absl::OkStatus();
}

absl::Status HandshakeLoad::Run() {
  if (absl::Status status = Prepare(); !status.ok()) return status;
  started_ = Now();
  std::array<epoll_event, 64> events;
  while (true) {
    const MonotonicTime now = Now();
    const bool over = now - started_ >= options_.duration;
    if (!over) StartDue(now);
    if (over && free_.size() == all_.size()) break;
    const int count = epoll_wait(epoll_, events.data(), events.size(), WaitMillis(now));
    for (int i = 0; i < count; ++i) Step(static_cast<Connection*>(events[i].data.ptr));
    for (auto& connection : all_) {
      if (connection->fd >= 0 && now - connection->due > kConnectionTimeout) {
        Finish(connection.get(), false);
      }
    }
  }
  report_.elapsed = Now() - started_;
  return absl::OkStatus();
}

int HandshakeLoad::WaitMillis(MonotonicTime now) const {
  constexpr int kLookMillis = 100;
  const bool over = now - started_ >= options_.duration;
  if (options_.rps <= 0 || over || free_.empty()) return kLookMillis;
  const absl::Duration next =
      started_ + absl::Seconds(static_cast<double>(begun_) / options_.rps) - now;
  return static_cast<int>(std::clamp<int64_t>(absl::ToInt64Milliseconds(next), 0, kLookMillis));
}

void HandshakeLoad::StartDue(MonotonicTime now) {
  while (!free_.empty()) {
    MonotonicTime due = now;
    if (options_.rps > 0) {
      due = started_ + absl::Seconds(static_cast<double>(begun_) / options_.rps);
      if (due > now) return;
    }
    // The first one's ticket is for all the others.
    if (options_.resume && ticket_ == nullptr && begun_ > 0 && report_.failed == 0) return;
    ++begun_;
    if (!Start(due)) ++report_.failed;
  }
}

bool HandshakeLoad::Start(MonotonicTime due) {
  const auto fd = StartConnection(options_.target);
  if (!fd.ok()) return false;
  Connection* connection = free_.back();
  free_.pop_back();
  connection->fd = *fd;
  connection->due = due;
  connection->agreed = connection->asked = false;
  connection->answer.clear();
  connection->ssl.reset(SSL_new(context_.get()));
  SSL* ssl = connection->ssl.get();
  SSL_set_app_data(ssl, this);
  SSL_set_fd(ssl, *fd);
  SSL_set_tlsext_host_name(ssl, options_.host.c_str());
  SSL_set_connect_state(ssl);
  if (ticket_ != nullptr) {
    SSL_SESSION* once = SSL_SESSION_dup(ticket_.get());
    SSL_set_session(ssl, once);
    SSL_SESSION_free(once);
  }
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = connection;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, *fd, &event);
  return true;
}

void HandshakeLoad::Step(Connection* connection) {
  while (connection->fd >= 0 && TryStep(connection)) {
  }
}

bool HandshakeLoad::TryStep(Connection* connection) {
  SSL* ssl = connection->ssl.get();
  ERR_clear_error();
  if (!connection->agreed) {
    const int result = SSL_do_handshake(ssl);
    if (result != 1) return Ends(connection, result);
    connection->agreed = true;
  }
  if (!connection->asked) {
    const std::string request = absl::StrCat("GET /work HTTP/1.1\r\nHost: ", options_.host,
                                             "\r\nConnection: close\r\n\r\n");
    const int result = SSL_write(ssl, request.data(), static_cast<int>(request.size()));
    if (result <= 0) return Ends(connection, result);
    connection->asked = true;
  }
  return Read(connection);
}

bool HandshakeLoad::Read(Connection* connection) {
  char buffer[16384];
  const int result = SSL_read(connection->ssl.get(), buffer, sizeof(buffer));
  if (result <= 0) return Ends(connection, result);
  connection->answer.append(buffer, static_cast<size_t>(result));
  return true;
}

bool HandshakeLoad::Ends(Connection* connection, int result) {
  const int error = SSL_get_error(connection->ssl.get(), result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return false;
  // Some servers end without close_notify; the answer tells its own length.
  Finish(connection, absl::StartsWith(connection->answer, "HTTP/1.1 200") &&
                         absl::StrContains(connection->answer, "\r\n\r\n"));
  return false;
}

void HandshakeLoad::Finish(Connection* connection, bool good) {
  SSL* ssl = connection->ssl.get();
  if (good) {
    ++report_.done;
    if (SSL_session_reused(ssl) == 1) ++report_.resumed;
    report_.latency.Add((Now() - connection->due) / absl::Microseconds(1));
  } else {
    ++report_.failed;
  }
  // Else the library takes the session for a broken one.
  SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  connection->ssl.reset();
  close(connection->fd);
  connection->fd = -1;
  free_.push_back(connection);
}

}  // namespace pointsman::bench
