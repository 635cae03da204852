#include "common/rpc/tls.h"

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/core/address.h"
#include "common/core/status_macros.h"

namespace pointsman::common {
namespace {

constexpr size_t kPemBytesMax = 1 << 20;

// The part of an address before the port, without brackets.
absl::string_view HostOf(absl::string_view address) {
  if (absl::StartsWith(address, "[")) {
    const size_t end = address.find(']');
    return end == absl::string_view::npos ? absl::string_view() : address.substr(1, end - 1);
  }
  const size_t colon = address.find(':');
  // More than one colon without brackets is an IPv6 address without a port.
  if (colon != absl::string_view::npos && address.find(':', colon + 1) == absl::string_view::npos) {
    return address.substr(0, colon);
  }
  return address;
}

absl::StatusOr<std::string> ReadPem(absl::string_view flag, const std::string& path,
                                    absl::string_view block) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    const std::string text = absl::StrCat(flag, " ", path, ": ", std::strerror(errno));
    return errno == EACCES ? absl::PermissionDeniedError(text) : absl::NotFoundError(text);
  }
  std::string content(kPemBytesMax + 1, '\0');
  file.read(content.data(), static_cast<std::streamsize>(content.size()));
  content.resize(static_cast<size_t>(file.gcount()));
  if (content.size() > kPemBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(flag, " ", path, ": larger than ", kPemBytesMax, " bytes"));
  }
  for (const absl::string_view line : absl::StrSplit(content, '\n')) {
    if (absl::StartsWith(line, "-----BEGIN ") && absl::StrContains(line, block)) return content;
  }
  return absl::InvalidArgumentError(
      absl::StrCat(flag, " ", path, ": no PEM block \"", block, "\" in this file"));
}

template <typename T, void (*Free)(T*)>
struct Freed {
  void operator()(T* object) const { Free(object); }
};
using OwnedCertificate = std::unique_ptr<X509, Freed<X509, X509_free>>;
using OwnedKey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY, EVP_PKEY_free>>;

// What `read` makes of a PEM file; null: it cannot be read.
template <typename Owned, typename Read>
Owned ReadPemAs(const std::string& path, Read read) {
  FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return nullptr;
  // No password is asked for at a terminal.
  const auto no_password = [](char*, int, int, void*) { return -1; };
  Owned owned(read(file, nullptr, no_password, nullptr));
  std::fclose(file);
  ERR_clear_error();
  return owned;
}

absl::Status CheckPair(const TlsFiles& files) {
  const auto certificate = ReadPemAs<OwnedCertificate>(files.cert, PEM_read_X509);
  if (certificate == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("--tls-cert ", files.cert, ": not a certificate that can be read"));
  }
  const auto key = ReadPemAs<OwnedKey>(files.key, PEM_read_PrivateKey);
  if (key == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("--tls-key ", files.key, ": not a key that can be read without a password"));
  }
  const bool fits = X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  if (fits) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "--tls-key ", files.key, ": not the key of the first certificate in ", files.cert));
}

struct Pems {
  std::string cert;
  std::string key;
  std::string ca;
};

// Says at start, by flag and path, what gRPC would only log.
absl::StatusOr<Pems> ReadPems(const TlsFiles& files) {
  PM_RETURN_IF_ERROR(CheckTlsFiles(files));
  Pems pems;
  PM_ASSIGN_OR_RETURN(pems.cert, ReadPem("--tls-cert", files.cert, "CERTIFICATE"));
  PM_ASSIGN_OR_RETURN(pems.key, ReadPem("--tls-key", files.key, "PRIVATE KEY"));
  PM_ASSIGN_OR_RETURN(pems.ca, ReadPem("--tls-ca", files.ca, "CERTIFICATE"));
  PM_RETURN_IF_ERROR(CheckPair(files));
  return pems;
}

// Reads the files again and again, on a thread of its own. While one is missing, what was read last
// stays; while key and certificate do not fit each other, new connections fail.
std::shared_ptr<grpc::experimental::CertificateProviderInterface> Watch(const TlsFiles& files) {
  return std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
      files.key, files.cert, files.ca,
      static_cast<unsigned int>(std::max<int64_t>(1, absl::ToInt64Seconds(files.reload_every))));
}

}  // namespace

absl::Status CheckTlsFiles(const TlsFiles& files) {
  std::vector<std::string> missing;
  if (files.cert.empty()) missing.push_back("--tls-cert");
  if (files.key.empty()) missing.push_back("--tls-key");
  if (files.ca.empty()) missing.push_back("--tls-ca");
  if (missing.empty() || missing.size() == 3) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("TLS needs a certificate, its key and the authorities; missing: ",
                   absl::StrJoin(missing, ", ")));
}

bool IsLoopbackAddress(absl::string_view address) {
  if (absl::StartsWith(address, "unix:")) return true;
  // With a port of its own: the address may have none, or the 0 that one listens on.
  const absl::string_view host = HostOf(address);
  const bool ipv6 = absl::StrContains(host, ':');
  const auto parsed =
      ParseAddress(ipv6 ? absl::StrCat("[", host, "]:1") : absl::StrCat(host, ":1"));
  return parsed.ok() && IsLoopback(*parsed);
}

absl::Status CheckBindAllowed(absl::string_view address, const TlsFiles& files, bool insecure) {
  PM_RETURN_IF_ERROR(CheckTlsFiles(files));
  if (!files.empty() || insecure || IsLoopbackAddress(address)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("refusing to use ", address,
                   " without TLS: it is not a loopback address; give --tls-cert, --tls-key and "
                   "--tls-ca, or --insecure to accept everybody who can reach it"));
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const TlsFiles& files) {
  if (files.empty()) return grpc::InsecureServerCredentials();
  PM_RETURN_IF_ERROR(ReadPems(files).status());
  grpc::experimental::TlsServerCredentialsOptions options(Watch(files));
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  return grpc::experimental::TlsServerCredentials(options);
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeChannelCredentials(
    const TlsFiles& files) {
  if (files.empty()) return grpc::InsecureChannelCredentials();
  PM_ASSIGN_OR_RETURN(Pems pems, ReadPems(files));
  if (files.reload_every <= absl::ZeroDuration()) {
    grpc::SslCredentialsOptions once;
    once.pem_root_certs = std::move(pems.ca);
    once.pem_private_key = std::move(pems.key);
    once.pem_cert_chain = std::move(pems.cert);
    return grpc::SslCredentials(once);
  }
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(Watch(files));
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  return grpc::experimental::TlsCredentials(options);
}

}  // namespace pointsman::common
