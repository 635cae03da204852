#include "gateway/listener_file.h"

#include <filesystem>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/core/config_gateway_limits.h"
#include "common/core/config_load.h"
#include "common/core/names.h"
#include "common/core/proto_time.h"
#include "common/core/status_macros.h"
#include "common/files.h"
#include "pointsman/v1/listener.pb.h"

namespace pointsman::gateway {
namespace {

constexpr uint64_t kFileBytesMax = 1 << 20;
constexpr int kListenersMax = 64;
constexpr int kCertificatesMax = 1000;
constexpr int kServerNameRulesMax = 1000;

class Checker {
 public:
  void Check(const v1::ListenerFile& file) {
    if (file.listeners().empty() && !file.has_limits()) {
      Add(common::config_code::kRequired, "listeners", "none is given");
    }
    if (file.listeners_size() > kListenersMax) {
      Add(common::config_code::kLimit, "listeners",
          absl::StrCat(file.listeners_size(), " are too many, the limit is ", kListenersMax));
    }
    for (int i = 0; i < file.listeners_size(); ++i) {
      CheckListener(file.listeners(i), absl::StrCat("listeners[", i, "]"));
    }
    common::Rules rules(&problems_);
    const common::RulePath root;
    common::CheckGatewayLimits(file.limits(), root.Field("limits"), &rules);
  }
  common::ConfigProblems Take() && { return std::move(problems_).Take(); }

 private:
  void Add(absl::string_view code, const std::string& path, std::string message) {
    problems_.Add({.code = std::string(code), .path = path, .message = std::move(message)});
  }

  void CheckListener(const v1::Listener& listener, const std::string& path) {
    if (!listener.name().empty() && !common::IsServiceId(listener.name())) {
      Add(common::config_code::kValue, path + ".name",
          "must be 1 to 63 bytes of lower-case letters, digits and '-'");
    }
    const std::string& name = listener.name().empty() ? listener.address() : listener.name();
    if (!name.empty() && !names_.insert(name).second) {
      Add(common::config_code::kDuplicate, path, absl::StrCat("\"", name, "\" is there already"));
    }
    if (const auto address = ParseListenAddress(listener.address()); !address.ok()) {
      Add(common::config_code::kAddress, path + ".address",
          std::string(address.status().message()));
    }
    if (listener.has_tls()) CheckTls(listener.tls(), path + ".tls");
    if (listener.has_tcp()) CheckTcp(listener, path + ".tcp");
  }

  void CheckServiceId(const std::string& id, const std::string& path) {
    if (common::IsServiceId(id)) return;
    Add(common::config_code::kValue, path, absl::StrCat("\"", id, "\" is no service's ID"));
  }

  void CheckTcp(const v1::Listener& listener, const std::string& path) {
    const v1::TcpForwarding& tcp = listener.tcp();
    if (!tcp.service().empty()) CheckServiceId(tcp.service(), path + ".service");
    if (tcp.service().empty() && tcp.by_server_name().empty()) {
      Add(common::config_code::kRequired, path + ".service", "a service is required");
    }
    if (listener.has_tls() && !tcp.by_server_name().empty()) {
      Add(common::config_code::kConflict, path + ".by_server_name",
          "not with tls: a connection is answered here or passed through");
    }
    if (tcp.by_server_name_size() > kServerNameRulesMax) {
      Add(common::config_code::kLimit, path + ".by_server_name",
          absl::StrCat(tcp.by_server_name_size(), " are too many, the limit is ",
                       kServerNameRulesMax));
    }
    for (int i = 0; i < tcp.by_server_name_size(); ++i) {
      const std::string rule = absl::StrCat(path, ".by_server_name[", i, "]");
      CheckServiceId(tcp.by_server_name(i).service(), rule + ".service");
      if (!tcp.by_server_name(i).server_names().empty()) continue;
      Add(common::config_code::kRequired, rule + ".server_names", "at least one is required");
    }
    const absl::Duration idle = common::FromProto(tcp.idle_timeout());
    if (tcp.has_idle_timeout() && (idle < absl::Seconds(1) || idle > absl::Hours(24))) {
      Add(common::config_code::kRange, path + ".idle_timeout", "range is 1 s to 24 h");
    }
  }

  void CheckTls(const v1::ListenerTls& tls, const std::string& path) {
    if (tls.certificates().empty()) {
      Add(common::config_code::kRequired, path + ".certificates", "at least one is required");
    }
    if (tls.certificates_size() > kCertificatesMax) {
      Add(common::config_code::kLimit, path + ".certificates",
          absl::StrCat(tls.certificates_size(), " are too many, the limit is ", kCertificatesMax));
    }
    for (int i = 0; i < tls.certificates_size(); ++i) {
      CheckCertificate(tls.certificates(i), absl::StrCat(path, ".certificates[", i, "]"));
    }
  }

  void CheckCertificate(const v1::ListenerCertificate& certificate, const std::string& path) {
    const std::pair<const char*, const std::string*> required[] = {
        {".cert_file", &certificate.cert_file()}, {".key_file", &certificate.key_file()}};
    for (const auto& [field, value] : required) {
      if (value->empty()) Add(common::config_code::kRequired, path + field, "is required");
    }
    const bool asked = certificate.client_certificates() >= v1::CLIENT_CERTIFICATE_MODE_OPTIONAL;
    if (asked == certificate.client_ca_file().empty()) {
      Add(common::config_code::kConflict, path + ".client_ca_file",
          asked ? "is required when client certificates are asked for"
                : "needs client_certificates: optional or required");
    }
  }

  common::ProblemList problems_;
  std::set<std::string> names_;
};

absl::Status ReadInto(const std::filesystem::path& folder, const std::string& name,
                      std::string* text) {
  PM_ASSIGN_OR_RETURN(*text, common::ReadFile((folder / name).string(), kFileBytesMax));
  return absl::OkStatus();
}

ClientCertificates ModeOf(v1::ClientCertificateMode mode) {
  switch (mode) {
    case v1::CLIENT_CERTIFICATE_MODE_OPTIONAL:
      return ClientCertificates::kOptional;
    case v1::CLIENT_CERTIFICATE_MODE_REQUIRED:
      return ClientCertificates::kRequired;
    default:
      return ClientCertificates::kNone;
  }
}

absl::StatusOr<TlsServerOptions> ReadTls(const v1::ListenerTls& message,
                                         const std::filesystem::path& folder) {
  TlsServerOptions tls;
  tls.http2 = !message.http1_only();
  tls.min_version =
      message.min_version() == v1::TLS_MIN_VERSION_TLS13 ? TlsVersion::k13 : TlsVersion::k12;
  tls.certificates.reserve(static_cast<size_t>(message.certificates_size()));
  for (const v1::ListenerCertificate& from : message.certificates()) {
    TlsCertificate certificate;
    PM_RETURN_IF_ERROR(ReadInto(folder, from.cert_file(), &certificate.chain_pem));
    PM_RETURN_IF_ERROR(ReadInto(folder, from.key_file(), &certificate.key_pem));
    certificate.names = {from.server_names().begin(), from.server_names().end()};
    certificate.clients = ModeOf(from.client_certificates());
    if (certificate.clients != ClientCertificates::kNone) {
      PM_RETURN_IF_ERROR(ReadInto(folder, from.client_ca_file(), &certificate.client_ca_pem));
    }
    tls.certificates.push_back(std::move(certificate));
  }
  return tls;
}

std::shared_ptr<const TcpForwarding> ReadTcp(const v1::TcpForwarding& message) {
  auto tcp = std::make_shared<TcpForwarding>();
  tcp->services.front() = message.service();
  for (const v1::ServerNameRule& rule : message.by_server_name()) {
    for (const std::string& name : rule.server_names()) tcp->names.Add(name, tcp->services.size());
    tcp->services.push_back(rule.service());
  }
  if (message.has_idle_timeout()) tcp->idle_timeout = common::FromProto(message.idle_timeout());
  return tcp;
}

}  // namespace

absl::StatusOr<common::Address> ParseListenAddress(absl::string_view text) {
  PM_ASSIGN_OR_RETURN(common::Address address, common::ParseAddress(text));
  // Each worker has a socket of its own for the same address, which these cannot have.
  if (address.kind == common::Address::Kind::kUnix) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\": a gateway listens on HOST:PORT, not on a unix socket"));
  }
  if (address.kind != common::Address::Kind::kName) return address;
  if (address.name != "localhost") {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\": an address is needed, not a name"));
  }
  return common::ParseAddress(absl::StrCat("127.0.0.1:", address.port));
}

absl::StatusOr<ListenerFile> ReadListenerFile(const std::string& path) {
  PM_ASSIGN_OR_RETURN(const std::string text, common::ReadFile(path, kFileBytesMax));
  v1::ListenerFile file;
  PM_RETURN_IF_ERROR(common::ProblemsToStatus(common::ParseYaml(text, &file), path));
  Checker checker;
  checker.Check(file);
  PM_RETURN_IF_ERROR(common::ProblemsToStatus(std::move(checker).Take(), path));
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  ListenerFile read;
  if (file.has_limits()) read.limits = file.limits();
  read.listeners.reserve(static_cast<size_t>(file.listeners_size()));
  for (const v1::Listener& message : file.listeners()) {
    NamedListener listener;
    listener.name = message.name().empty() ? message.address() : message.name();
    PM_ASSIGN_OR_RETURN(listener.options.address, ParseListenAddress(message.address()));
    if (message.has_tls()) {
      PM_ASSIGN_OR_RETURN(listener.options.tls, ReadTls(message.tls(), folder));
    }
    if (message.has_tcp()) {
      listener.options.tcp = ReadTcp(message.tcp());
      if (listener.options.tls.has_value()) listener.options.tls->http = false;
    }
    read.listeners.push_back(std::move(listener));
  }
  return read;
}

}  // namespace pointsman::gateway
