#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <utility>

#include "common/core/status_macros.h"
#include "gateway/tls/contexts.h"
#include "gateway/tls/filter.h"
#include "gateway/tls/settings.h"

namespace pointsman::gateway {

LibraryPtr MakeTlsLibrary() { return LibraryPtr(OSSL_LIB_CTX_new()); }

namespace {

int KeepSession(SSL* session, SSL_SESSION* resumable) {
  auto* filter = static_cast<TlsFilter*>(SSL_get_app_data(session));
  return filter != nullptr && filter->OnNewSession(resumable) ? 1 : 0;
}

absl::Status TrustServers(const UpstreamTls& options, OSSL_LIB_CTX* library, SSL_CTX* context) {
  if (options.insecure) return absl::OkStatus();
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  if (options.ca_pem.empty()) {
    SSL_CTX_set_default_verify_paths(context);
    return absl::OkStatus();
  }
  PM_ASSIGN_OR_RETURN(const std::vector<X509Ptr> authorities,
                      ReadCertificates(options.ca_pem, library));
  for (const X509Ptr& authority : authorities) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.get());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const TlsClientContext>> TlsClientContext::Make(
    const UpstreamTls& options, OSSL_LIB_CTX* library) {
  std::shared_ptr<TlsClientContext> made(new TlsClientContext(options));
  made->context_.reset(SSL_CTX_new_ex(library, nullptr, TLS_client_method()));
  SSL_CTX* context = made->context_.get();
  if (context == nullptr) return absl::InternalError(TakeOpensslErrors());
  PM_RETURN_IF_ERROR(CommonSettings(TlsVersion::k12, context));
  PM_RETURN_IF_ERROR(TrustServers(options, library, context));
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, KeepSession);
  return made;
}

SslPtr TlsClientContext::NewSession() const {
  SslPtr session(SSL_new(context_.get()));
  if (session == nullptr) return nullptr;
  const std::string& name = options_.server_name;
  X509_VERIFY_PARAM* checks = SSL_get0_param(session.get());
  bool good = true;
  if (X509_VERIFY_PARAM_set1_ip_asc(checks, name.c_str()) != 1) {
    X509_VERIFY_PARAM_set_hostflags(checks, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    good = name.empty() || (X509_VERIFY_PARAM_set1_host(checks, name.data(), name.size()) == 1 &&
                            SSL_set_tlsext_host_name(session.get(), name.c_str()) == 1);
  }
  const absl::string_view protocols = http2() ? "\x02h2" : "\x08http/1.1";
  const bool offer = options_.protocol != UpstreamProtocol::kTcp;
  // The one call that returns 0 for success.
  good = good &&
         (!offer || SSL_set_alpn_protos(session.get(),
                                        reinterpret_cast<const unsigned char*>(protocols.data()),
                                        static_cast<unsigned>(protocols.size())) == 0);
  ERR_clear_error();
  if (!good) return nullptr;
  SSL_set_connect_state(session.get());
  return session;
}

}  // namespace pointsman::gateway
