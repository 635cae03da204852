#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/core/status_macros.h"
#include "gateway/tls/client_hello.h"
#include "gateway/tls/contexts.h"
#include "gateway/tls/settings.h"

namespace pointsman::gateway {
namespace {

constexpr absl::string_view kHttp2 = "\x02h2";
constexpr absl::string_view kHttp1 = "\x08http/1.1";

std::vector<std::string> DnsNames(const X509* leaf) {
  std::vector<std::string> result;
  auto* names =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_DNS) continue;
    const absl::string_view text(
        reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
        static_cast<size_t>(ASN1_STRING_length(name->d.dNSName)));
    // A name with a terminator inside would read differently elsewhere.
    if (text.find('\0') == absl::string_view::npos) result.emplace_back(text);
  }
  GENERAL_NAMES_free(names);
  return result;
}

int64_t NotAfter(const X509* leaf) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &parts) != 1) return 0;
  return timegm(&parts);
}

// Sessions are resumed under the same certificate and the same demands on clients only.
void SetSessionScope(const TlsCertificate& certificate, const X509* leaf, SSL_CTX* context) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  X509_digest(leaf, EVP_sha256(), digest.data(), &size);
  const std::string scope =
      absl::StrCat(absl::string_view(reinterpret_cast<const char*>(digest.data()), size),
                   static_cast<int>(certificate.clients), certificate.client_ca_pem);
  std::array<unsigned char, SHA256_DIGEST_LENGTH> id{};
  SHA256(reinterpret_cast<const unsigned char*>(scope.data()), scope.size(), id.data());
  SSL_CTX_set_session_id_context(context, id.data(), id.size());
}

int VerifyMode(ClientCertificates clients) {
  switch (clients) {
    case ClientCertificates::kNone:
      return SSL_VERIFY_NONE;
    case ClientCertificates::kOptional:
      return SSL_VERIFY_PEER;
    case ClientCertificates::kRequired:
      return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  }
  return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
}

// Seals and opens tickets with the worker's ring. Returns as OpenSSL asks: 0 no key, 1 good, 2 good
// but to be renewed.
int SealTicket(SSL* session, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
               EVP_MAC_CTX* mac, int sealing) {
  const auto* worker = static_cast<const TlsWorker*>(SSL_get_app_data(session));
  if (worker == nullptr || worker->tickets == nullptr) return 0;
  const TicketRing& ring = *worker->tickets;
  size_t place = 0;
  if (sealing == 0) {
    while (place < ring.size() &&
           std::memcmp(ring[place].name.data(), name, ring[place].name.size()) != 0) {
      ++place;
    }
    if (place == ring.size()) return 0;
  }
  const TicketKey& key = ring[place];
  auto mac_key = key.mac;
  std::array<char, 7> digest = {"SHA256"};
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, mac_key.data(), mac_key.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
      OSSL_PARAM_construct_end()};
  if (EVP_MAC_CTX_set_params(mac, parameters) != 1) return -1;
  if (sealing != 0) {
    std::memcpy(name, key.name.data(), key.name.size());
    if (RAND_bytes(iv, EVP_MAX_IV_LENGTH) != 1) return -1;
    return EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key.cipher.data(), iv) == 1 ? 1
                                                                                              : -1;
  }
  if (EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key.cipher.data(), iv) != 1) return -1;
  // In TLS 1.3 every resumption brings a new ticket anyway.
  return place == 0 && SSL_version(session) < TLS1_3_VERSION ? 1 : 2;
}

absl::Status TrustClients(const TlsCertificate& certificate, OSSL_LIB_CTX* library,
                          SSL_CTX* context) {
  if (certificate.clients == ClientCertificates::kNone) return absl::OkStatus();
  PM_ASSIGN_OR_RETURN(const std::vector<X509Ptr> authorities,
                      ReadCertificates(certificate.client_ca_pem, library));
  for (const X509Ptr& authority : authorities) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.get());
    SSL_CTX_add_client_CA(context, authority.get());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const TlsServerContext>> TlsServerContext::Make(
    const TlsServerOptions& options, OSSL_LIB_CTX* library) {
  if (options.certificates.empty()) return absl::InvalidArgumentError("no certificate is given");
  std::shared_ptr<TlsServerContext> made(new TlsServerContext);
  made->http2_ = options.http2;
  made->not_after_ = std::numeric_limits<int64_t>::max();
  for (size_t i = 0; i < options.certificates.size(); ++i) {
    const TlsCertificate& certificate = options.certificates[i];
    SslContextPtr context(SSL_CTX_new_ex(library, nullptr, TLS_server_method()));
    if (context == nullptr) return absl::InternalError(TakeOpensslErrors());
    PM_RETURN_IF_ERROR(CommonSettings(options.min_version, context.get()));
    PM_ASSIGN_OR_RETURN(std::vector<X509Ptr> chain,
                        ReadCertificates(certificate.chain_pem, library));
    PM_RETURN_IF_ERROR(UseCertificate(chain, certificate.key_pem, library, context.get()));
    PM_RETURN_IF_ERROR(TrustClients(certificate, library, context.get()));
    SetSessionScope(certificate, chain.front().get(), context.get());
    SSL_CTX_set_verify(context.get(), VerifyMode(certificate.clients), nullptr);
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(context.get(), absl::ToInt64Seconds(kTicketLifetime));
    // A second ticket would serve clients that open several connections at once; it costs each
    // handshake a third more sealing.
    SSL_CTX_set_num_tickets(context.get(), 1);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context.get(), SealTicket);
    SSL_CTX_set_client_hello_cb(context.get(), &TlsServerContext::ChooseCertificate, made.get());
    if (options.http) {
      SSL_CTX_set_alpn_select_cb(context.get(), &TlsServerContext::ChooseProtocol, made.get());
    }
    const std::vector<std::string> names =
        certificate.names.empty() ? DnsNames(chain.front().get()) : certificate.names;
    for (const std::string& name : names) made->names_.Add(name, i);
    made->not_after_ = std::min(made->not_after_, NotAfter(chain.front().get()));
    made->clients_.push_back(certificate.clients);
    made->certificates_.push_back(std::move(context));
  }
  return made;
}

SslPtr TlsServerContext::NewSession(TlsWorker* worker) const {
  SslPtr session(SSL_new(certificates_.front().get()));
  if (session == nullptr) return nullptr;
  SSL_set_app_data(session.get(), worker);
  SSL_set_accept_state(session.get());
  return session;
}

size_t TlsServerContext::CertificateOf(const SSL* session) const {
  const SSL_CTX* context = SSL_get_SSL_CTX(session);
  for (size_t i = 0; i < certificates_.size(); ++i) {
    if (certificates_[i].get() == context) return i;
  }
  return 0;
}

// Before anything else is read of the hello: a session resumed under one certificate's demands must
// never serve another's.
int TlsServerContext::ChooseCertificate(SSL* session, int* /*alert*/, void* self) {
  const auto* context = static_cast<const TlsServerContext*>(self);
  const size_t place = context->names_.Find(ServerNameOf(session));
  if (place == 0) return SSL_CLIENT_HELLO_SUCCESS;
  SSL_set_SSL_CTX(session, context->certificates_[place].get());
  SSL_set_verify(session, VerifyMode(context->clients_[place]), nullptr);
  return SSL_CLIENT_HELLO_SUCCESS;
}

int TlsServerContext::ChooseProtocol(SSL* /*session*/, const unsigned char** out,
                                     unsigned char* out_size, const unsigned char* in,
                                     unsigned in_size, void* self) {
  const auto* context = static_cast<const TlsServerContext*>(self);
  const std::string ours = absl::StrCat(context->http2_ ? kHttp2 : "", kHttp1);
  unsigned char* chosen = nullptr;
  const int result =
      SSL_select_next_proto(&chosen, out_size, reinterpret_cast<const unsigned char*>(ours.data()),
                            static_cast<unsigned>(ours.size()), in, in_size);
  if (result != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
  // `chosen` may point into `ours`, which ends here: the client's copy of the name stays.
  const absl::string_view name(reinterpret_cast<const char*>(chosen), *out_size);
  *out = reinterpret_cast<const unsigned char*>((name == "h2" ? kHttp2 : kHttp1).data() + 1);
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace pointsman::gateway
