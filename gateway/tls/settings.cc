#include "gateway/tls/settings.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace pointsman::gateway {

namespace {

BioPtr TextBio(absl::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// OpenSSL would ask a terminal.
int NoPassphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*unused*/) { return 0; }

}  // namespace

absl::Status CommonSettings(TlsVersion min_version, SSL_CTX* context) {
  const int version = min_version == TlsVersion::k13 ? TLS1_3_VERSION : TLS1_2_VERSION;
  // AES-128 first: as far out of reach as AES-256, and cheaper.
  const bool good =
      SSL_CTX_set_min_proto_version(context, version) == 1 &&
      SSL_CTX_set_ciphersuites(context,
                               "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                               "TLS_CHACHA20_POLY1305_SHA256") == 1 &&
      SSL_CTX_set_cipher_list(context,
                              "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                              "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                              "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305") == 1 &&
      SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") == 1;
  if (!good) return absl::InternalError(TakeOpensslErrors());
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  // An idle connection keeps no buffers; the unsent rest of a record may move.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<X509Ptr>> ReadCertificates(absl::string_view pem,
                                                      OSSL_LIB_CTX* library) {
  std::vector<X509Ptr> certificates;
  const BioPtr bio = TextBio(pem);
  while (true) {
    X509* certificate = X509_new_ex(library, nullptr);
    if (PEM_read_bio_X509(bio.get(), &certificate, NoPassphrase, nullptr) == nullptr) {
      // On failure it may have been freed and nulled, or left.
      X509_free(certificate);
      break;
    }
    certificates.emplace_back(certificate);
  }
  const unsigned long error = ERR_peek_last_error();  // NOLINT(google-runtime-int)
  const bool at_end =
      ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  const std::string why = TakeOpensslErrors();
  if (certificates.empty() || !at_end) {
    return absl::InvalidArgumentError(absl::StrCat("no certificates in PEM could be read",
                                                   at_end ? "" : ": ", at_end ? "" : why));
  }
  return certificates;
}

absl::Status UseCertificate(const std::vector<X509Ptr>& chain, absl::string_view key_pem,
                            OSSL_LIB_CTX* library, SSL_CTX* context) {
  const BioPtr bio = TextBio(key_pem);
  const KeyPtr key(
      PEM_read_bio_PrivateKey_ex(bio.get(), nullptr, NoPassphrase, nullptr, library, nullptr));
  if (key == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("no private key in PEM without passphrase: ", TakeOpensslErrors()));
  }
  bool good = SSL_CTX_use_certificate(context, chain.front().get()) == 1;
  for (size_t i = 1; good && i < chain.size(); ++i) {
    good = SSL_CTX_add1_chain_cert(context, chain[i].get()) == 1;
  }
  if (!good) {
    return absl::InvalidArgumentError(absl::StrCat("certificate: ", TakeOpensslErrors()));
  }
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("the key does not belong to the certificate: ", TakeOpensslErrors()));
  }
  return absl::OkStatus();
}

}  // namespace pointsman::gateway
