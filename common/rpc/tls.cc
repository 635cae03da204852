#include "common/rpc/tls.h"

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
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

struct Pems {
  std::string cert;
  std::string key;
  std::string ca;
};

absl::StatusOr<Pems> ReadPems(const TlsFiles& files) {
  PM_RETURN_IF_ERROR(CheckTlsFiles(files));
  Pems pems;
  PM_ASSIGN_OR_RETURN(pems.cert, ReadPem("--tls-cert", files.cert, "CERTIFICATE"));
  PM_ASSIGN_OR_RETURN(pems.key, ReadPem("--tls-key", files.key, "PRIVATE KEY"));
  PM_ASSIGN_OR_RETURN(pems.ca, ReadPem("--tls-ca", files.ca, "CERTIFICATE"));
  return pems;
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
  PM_ASSIGN_OR_RETURN(Pems pems, ReadPems(files));
  grpc::SslServerCredentialsOptions options(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = std::move(pems.ca);
  options.pem_key_cert_pairs.push_back({std::move(pems.key), std::move(pems.cert)});
  return grpc::SslServerCredentials(options);
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeChannelCredentials(
    const TlsFiles& files) {
  if (files.empty()) return grpc::InsecureChannelCredentials();
  PM_ASSIGN_OR_RETURN(Pems pems, ReadPems(files));
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = std::move(pems.ca);
  options.pem_private_key = std::move(pems.key);
  options.pem_cert_chain = std::move(pems.cert);
  return grpc::SslCredentials(options);
}

}  // namespace pointsman::common
