#pragma once

// One TLS session as a filter of a connection. Thread-compatible.

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "gateway/net/stream_filter.h"
#include "gateway/net/tcp_connection.h"
#include "gateway/tls/contexts.h"

namespace pointsman::gateway {

// Where a client's side keeps sessions to resume.
class TlsSessionKeeper {
 public:
  virtual ~TlsSessionKeeper() = default;
  virtual void Keep(SessionPtr session) = 0;
};

class TlsFilter final : public StreamFilter {
 public:
  // Plain bytes sealed in one go: they count as unsent until their records have left.
  static constexpr size_t kSealBytesMax = 64 * 1024;

  // A server's side. Null when out of memory. `worker` outlives the filter.
  static std::unique_ptr<TlsFilter> Server(std::shared_ptr<const TlsServerContext> context,
                                           TlsWorker* worker, ChunkPool* chunks);
  // A client's side. Null when out of memory.
  static std::unique_ptr<TlsFilter> Client(std::shared_ptr<const TlsClientContext> context,
                                           TlsWorker* worker, ChunkPool* chunks);
  ~TlsFilter() override;

  // Client's side, before the handshake. `keeper` outlives the filter.
  void Resume(SSL_SESSION* session) { SSL_set_session(session_.get(), session); }
  void KeepSessionsIn(TlsSessionKeeper* keeper) { keeper_ = keeper; }

  // StreamFilter
  bool TakeHandshakeStep() override;
  Progress Handshake() override;
  bool server() const override { return server_ != nullptr; }
  Reading Read(Slice* plain) override;
  size_t Seal(const OutQueue& plain) override;
  void SealEnd() override;
  void SealOwed() override;

  // After the handshake.
  bool http2() const;
  // "TLSv1.3" and the like. Static storage.
  absl::string_view version() const { return SSL_get_version(session_.get()); }
  // Server's side: the name that the client asked for; empty: none.
  absl::string_view server_name() const;
  bool resumed() const { return SSL_session_reused(session_.get()) == 1; }
  // Server's side: requests for this host belong on a connection of their own (421).
  bool Misdirects(absl::string_view authority) const;

  // For OpenSSL's callbacks. True: the session is taken over.
  bool OnNewSession(SSL_SESSION* session);
  size_t TakeInput(char* out, size_t size);
  void PutSealed(absl::string_view bytes);

 private:
  TlsFilter(SslPtr session, TlsWorker* worker, ChunkPool* chunks);
  bool SealOne(const char* data, size_t size);
  void HoldBack();

  ChunkPool* const chunks_;
  TlsWorker* const worker_;
  std::shared_ptr<const TlsServerContext> server_;
  std::shared_ptr<const TlsClientContext> client_;
  TlsSessionKeeper* keeper_ = nullptr;
  SslPtr session_;
  // Server's side: a sealed ticket that waits for the answer, in no chunk of the pool meanwhile.
  std::string owed_;
  bool failed_ = false;
  bool ended_ = false;
  uint32_t certificate_ = 0;
};

// Null: the connection is plain. (No other filter is ever put in.)
inline const TlsFilter* TlsOf(const TcpConnection& connection) {
  return static_cast<const TlsFilter*>(connection.filter());
}

}  // namespace pointsman::gateway
