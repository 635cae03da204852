#pragma once

// Certificates and contexts for the engine's TLS tests. Thread-compatible.

#include <openssl/ssl.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "common/core/check.h"
#include "gateway/tls/options.h"
#include "tests/common/rpc/test_certificates.h"

namespace pointsman::gateway {

using SslContext = std::shared_ptr<SSL_CTX>;

class TlsPeers {
 public:
  std::string Pem(const std::string& path) const {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  std::string ca_pem() const { return Pem(authority_.folder() + "/ca.pem"); }

  // "DNS:a.example,DNS:b.example" and the like.
  TlsCertificate Certificate(const std::string& file, const std::string& names) {
    const common::TlsFiles files = authority_.Issue(file, names);
    TlsCertificate certificate;
    certificate.chain_pem = Pem(files.cert);
    certificate.key_pem = Pem(files.key);
    return certificate;
  }

  // Verifies the gateway; `alpn` in wire form; `file`: a certificate issued before, to show.
  SslContext ClientContext(const std::string& alpn = "", const std::string& file = "") const {
    SslContext context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
    PM_CHECK(SSL_CTX_load_verify_file(context.get(), (authority_.folder() + "/ca.pem").c_str()) ==
             1);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    if (!alpn.empty()) {
      SSL_CTX_set_alpn_protos(context.get(), reinterpret_cast<const unsigned char*>(alpn.data()),
                              static_cast<unsigned>(alpn.size()));
    }
    if (!file.empty()) Use(file, context.get());
    return context;
  }

  // An endpoint's; picks `protocol` in ALPN ("" : none).
  SslContext ServerContext(const std::string& file, const std::string& names,
                           const std::string& protocol = "") {
    authority_.Issue(file, names);
    SslContext context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
    Use(file, context.get());
    protocol_ = protocol;
    if (!protocol.empty()) SSL_CTX_set_alpn_select_cb(context.get(), Choose, &protocol_);
    return context;
  }

 private:
  void Use(const std::string& file, SSL_CTX* context) const {
    const std::string stem = authority_.folder() + "/" + file;
    PM_CHECK(SSL_CTX_use_certificate_chain_file(context, (stem + ".pem").c_str()) == 1);
    PM_CHECK(SSL_CTX_use_PrivateKey_file(context, (stem + ".key").c_str(), SSL_FILETYPE_PEM) == 1);
  }
  static int Choose(SSL* /*ssl*/, const unsigned char** out, unsigned char* size,
                    const unsigned char* /*in*/, unsigned /*in_size*/, void* self) {
    const auto* protocol = static_cast<const std::string*>(self);
    *out = reinterpret_cast<const unsigned char*>(protocol->data());
    *size = static_cast<unsigned char>(protocol->size());
    return SSL_TLSEXT_ERR_OK;
  }

  common::TestAuthority authority_;
  std::string protocol_;
};

}  // namespace pointsman::gateway
