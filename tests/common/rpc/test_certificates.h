#pragma once

// Certificates made on the spot: one authority and any number of leaves, as PEM files in a folder
// of the test's own. Thread-compatible.

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "common/core/check.h"
#include "common/rpc/tls.h"

namespace pointsman::common {

class TestAuthority {
 public:
  TestAuthority() {
    char name[] = "/tmp/pm-certificates-XXXXXX";
    PM_CHECK(mkdtemp(name) != nullptr);
    folder_ = name;
    key_.reset(NewKey());
    certificate_.reset(NewCertificate("authority", key_.get()));
    AddExtension(certificate_.get(), NID_basic_constraints, "critical,CA:TRUE");
    PM_CHECK(X509_sign(certificate_.get(), key_.get(), EVP_sha256()) > 0);
    WriteCertificate("ca.pem", certificate_.get());
  }
  ~TestAuthority() { std::filesystem::remove_all(folder_); }
  TestAuthority(const TestAuthority&) = delete;
  TestAuthority& operator=(const TestAuthority&) = delete;

  const std::string& folder() const { return folder_; }

  // A certificate for the alternative names, as OpenSSL writes them:
  // "URI:spiffe://example.org/agent/host-7,DNS:localhost,IP:127.0.0.1". `file` is the stem of its
  // two files.
  TlsFiles Issue(const std::string& file, const std::string& alternative_names) {
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(NewKey(), EVP_PKEY_free);
    const std::unique_ptr<X509, decltype(&X509_free)> leaf(NewCertificate(file, key.get()),
                                                           X509_free);
    AddExtension(leaf.get(), NID_subject_alt_name, alternative_names);
    PM_CHECK(X509_sign(leaf.get(), key_.get(), EVP_sha256()) > 0);
    WriteCertificate(file + ".pem", leaf.get());
    FILE* out = std::fopen((folder_ + "/" + file + ".key").c_str(), "w");
    PM_CHECK(out != nullptr);
    PM_CHECK(PEM_write_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
    std::fclose(out);
    return {folder_ + "/" + file + ".pem", folder_ + "/" + file + ".key", folder_ + "/ca.pem"};
  }

 private:
  static EVP_PKEY* NewKey() { return EVP_EC_gen("P-256"); }

  X509* NewCertificate(const std::string& common_name, EVP_PKEY* key) {
    X509* certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial_);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    X509_set_pubkey(certificate, key);
    X509_NAME* subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1,
                               0);
    X509_set_issuer_name(
        certificate, certificate_ == nullptr ? subject : X509_get_subject_name(certificate_.get()));
    return certificate;
  }

  static void AddExtension(X509* certificate, int nid, const std::string& value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
    PM_CHECK(extension != nullptr);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }

  void WriteCertificate(const std::string& file, X509* certificate) const {
    FILE* out = std::fopen((folder_ + "/" + file).c_str(), "w");
    PM_CHECK(out != nullptr);
    PM_CHECK(PEM_write_X509(out, certificate) == 1);
    std::fclose(out);
  }

  std::string folder_;
  int serial_ = 0;
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_{nullptr, EVP_PKEY_free};
  std::unique_ptr<X509, decltype(&X509_free)> certificate_{nullptr, X509_free};
};

}  // namespace pointsman::common
