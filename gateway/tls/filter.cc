#include "gateway/tls/filter.h"

#include <openssl/err.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace pointsman::gateway {

namespace {

// Plain bytes of one record (RFC 8446 5.1).
constexpr size_t kRecordBytesMax = 16 * 1024;
// Sealed bytes that nobody asked for (answers to the peer's key updates and alerts) before the
// session is given up.
constexpr size_t kUnaskedBytesMax = 256 * 1024;

int ReadBio(BIO* bio, char* out, size_t size, size_t* taken) {
  BIO_clear_retry_flags(bio);
  *taken = static_cast<TlsFilter*>(BIO_get_data(bio))->TakeInput(out, size);
  if (*taken > 0) return 1;
  BIO_set_retry_read(bio);
  return 0;
}

int WriteBio(BIO* bio, const char* data, size_t size, size_t* taken) {
  static_cast<TlsFilter*>(BIO_get_data(bio))->PutSealed(absl::string_view(data, size));
  *taken = size;
  return 1;
}

long ControlBio(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {  // NOLINT
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

const BIO_METHOD* FilterBio() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "pointsman");
    BIO_meth_set_read_ex(made, ReadBio);
    BIO_meth_set_write_ex(made, WriteBio);
    BIO_meth_set_ctrl(made, ControlBio);
    return made;
  }();
  return method;
}

}  // namespace

TlsFilter::TlsFilter(SslPtr session, TlsWorker* worker, ChunkPool* chunks)
    : StreamFilter(chunks), chunks_(chunks), worker_(worker), session_(std::move(session)) {
  BIO* bio = BIO_new(FilterBio());
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  // Both directions share it; the session owns it.
  SSL_set_bio(session_.get(), bio, bio);
}

TlsFilter::~TlsFilter() = default;

std::unique_ptr<TlsFilter> TlsFilter::Server(std::shared_ptr<const TlsServerContext> context,
                                             TlsWorker* worker, ChunkPool* chunks) {
  SslPtr session = context->NewSession(worker);
  if (session == nullptr) return nullptr;
  std::unique_ptr<TlsFilter> filter(new TlsFilter(std::move(session), worker, chunks));
  filter->server_ = std::move(context);
  return filter;
}

std::unique_ptr<TlsFilter> TlsFilter::Client(std::shared_ptr<const TlsClientContext> context,
                                             TlsWorker* worker, ChunkPool* chunks) {
  SslPtr session = context->NewSession();
  if (session == nullptr) return nullptr;
  std::unique_ptr<TlsFilter> filter(new TlsFilter(std::move(session), worker, chunks));
  filter->client_ = std::move(context);
  SSL_set_app_data(filter->session_.get(), filter.get());
  return filter;
}

size_t TlsFilter::TakeInput(char* out, size_t size) {
  const size_t n = std::min(size, input_.size);
  if (n == 0) return 0;
  std::memcpy(out, input_.data, n);
  input_.Advance(n);
  return n;
}

// Records are numbered: what was held back leaves before any other.
void TlsFilter::PutSealed(absl::string_view bytes) {
  SealOwed();
  sealed_.Append(bytes);
}

bool TlsFilter::OnNewSession(SSL_SESSION* session) {
  if (keeper_ == nullptr) return false;
  keeper_->Keep(SessionPtr(session));
  return true;
}

bool TlsFilter::TakeHandshakeStep() {
  if (worker_->handshake_steps_left <= 0) return false;
  --worker_->handshake_steps_left;
  return true;
}

TlsFilter::Progress TlsFilter::Handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(session_.get());
  if (result == 1) {
    handshaking_ = false;
    more_ = true;
    // TLS 1.3: only a ticket is left to say. Where the client has already asked, an answer follows.
    const bool asked = server_ != nullptr && !input_.empty();
    if (asked && SSL_version(session_.get()) >= TLS1_3_VERSION) HoldBack();
    if (server_ != nullptr) {
      certificate_ = static_cast<uint32_t>(server_->CertificateOf(session_.get()));
    }
    if (client_ != nullptr && client_->http2() != http2()) {
      failed_ = true;
      return Progress::kFailed;
    }
    return Progress::kDone;
  }
  if (SSL_get_error(session_.get(), result) == SSL_ERROR_WANT_READ) return Progress::kWaits;
  failed_ = true;
  ERR_clear_error();
  return Progress::kFailed;
}

TlsFilter::Reading TlsFilter::Read(Slice* plain) {
  if (failed_) return Reading::kFailed;
  ERR_clear_error();
  ChunkRef chunk = ChunkRef::Adopt(chunks_->Take());
  size_t used = 0;
  more_ = true;
  int error = SSL_ERROR_NONE;
  while (used < kChunkDataBytes) {
    size_t n = 0;
    if (SSL_read_ex(session_.get(), chunk->data() + used, kChunkDataBytes - used, &n) == 1) {
      used += n;
      continue;
    }
    error = SSL_get_error(session_.get(), 0);
    more_ = false;
    break;
  }
  const bool waits = error == SSL_ERROR_NONE || error == SSL_ERROR_WANT_READ;
  const bool flooded = sealed_.bytes() > kUnaskedBytesMax;
  if ((!waits && error != SSL_ERROR_ZERO_RETURN) || flooded) {
    failed_ = true;
    ERR_clear_error();
  }
  // What came before the end is given first.
  if (used > 0) {
    more_ = more_ || !waits;
    chunk->used = static_cast<uint32_t>(used);
    const char* data = chunk->data();
    *plain = Slice{std::move(chunk), data, used};
    return Reading::kData;
  }
  if (failed_) return Reading::kFailed;
  if (!waits) {
    input_ = Slice{};
    return Reading::kEnd;
  }
  return Reading::kNothing;
}

bool TlsFilter::SealOne(const char* data, size_t size) {
  size_t written = 0;
  // The queue takes everything: either all is sealed or the session is broken.
  if (SSL_write_ex(session_.get(), data, size, &written) == 1 && written == size) return true;
  failed_ = true;
  ERR_clear_error();
  return false;
}

size_t TlsFilter::Seal(const OutQueue& plain) {
  if (failed_ || handshaking_) return 0;
  ERR_clear_error();
  ChunkRef joined;
  size_t taken = 0;
  for (const Slice& slice : plain.slices()) {
    size_t at = 0;
    while (at < slice.size && taken < kSealBytesMax) {
      const size_t left = slice.size - at;
      const bool last = taken + left >= plain.bytes();
      // Whole records, and what stands alone, are sealed where they lie; small pieces are joined.
      if (!joined && (left >= kRecordBytesMax || last)) {
        const size_t n = std::min(left, kRecordBytesMax);
        if (!SealOne(slice.data + at, n)) return 0;
        at += n;
        taken += n;
        continue;
      }
      if (!joined) joined = ChunkRef::Adopt(chunks_->Take());
      const size_t n = std::min(left, kChunkDataBytes - joined->used);
      std::memcpy(joined->data() + joined->used, slice.data + at, n);
      joined->used += static_cast<uint32_t>(n);
      at += n;
      taken += n;
      if (joined->used < kChunkDataBytes) continue;
      if (!SealOne(joined->data(), joined->used)) return 0;
      joined.Reset();
    }
    if (taken >= kSealBytesMax) break;
  }
  if (joined && joined->used > 0 && !SealOne(joined->data(), joined->used)) return 0;
  return taken;
}

void TlsFilter::SealEnd() {
  if (failed_ || handshaking_ || std::exchange(ended_, true)) return;
  ERR_clear_error();
  SSL_shutdown(session_.get());
  ERR_clear_error();
}

void TlsFilter::HoldBack() {
  for (const Slice& slice : sealed_.slices()) owed_.append(slice.data, slice.size);
  sealed_.Clear();
}

void TlsFilter::SealOwed() {
  if (owed_.empty()) return;
  sealed_.Append(owed_);
  owed_ = std::string();
}

absl::string_view TlsFilter::server_name() const {
  const char* name = SSL_get_servername(session_.get(), TLSEXT_NAMETYPE_host_name);
  return name == nullptr ? absl::string_view() : absl::string_view(name);
}

bool TlsFilter::http2() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(session_.get(), &name, &size);
  return absl::string_view(reinterpret_cast<const char*>(name), size) == "h2";
}

bool TlsFilter::Misdirects(absl::string_view authority) const {
  return server_ != nullptr && server_->CertificateFor(HostOfAuthority(authority)) != certificate_;
}

}  // namespace pointsman::gateway
