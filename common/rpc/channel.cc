#include "common/rpc/channel.h"

#include <arpa/inet.h>
#include <grpc/grpc.h>
#include <grpcpp/channel.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/support/channel_arguments.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/core/status_macros.h"

namespace pointsman::common {
namespace {

enum class Family { kName, kIpv4, kIpv6 };

Family FamilyOf(const std::string& target) {
  const size_t colon = target.rfind(':');
  std::string host = target.substr(0, colon);
  in_addr four;
  in6_addr six;
  if (inet_pton(AF_INET, host.c_str(), &four) == 1) return Family::kIpv4;
  if (absl::StartsWith(host, "[") && absl::EndsWith(host, "]")) {
    host = host.substr(1, host.size() - 2);
    if (inet_pton(AF_INET6, host.c_str(), &six) == 1) return Family::kIpv6;
  }
  return Family::kName;
}

// gRPC's name for the list of targets.
absl::StatusOr<std::string> TargetUri(const std::vector<std::string>& targets) {
  if (targets.empty()) {
    return absl::InvalidArgumentError("no controller address; give --controller HOST:PORT");
  }
  if (targets.size() == 1) return targets[0];
  const Family family = FamilyOf(targets[0]);
  for (const std::string& target : targets) {
    if (family == Family::kName || FamilyOf(target) != family) {
      return absl::InvalidArgumentError(
          absl::StrCat("controller ", target,
                       ": several controllers must be IP addresses, all IPv4 or all IPv6; or "
                       "give one name that resolves to all of them"));
    }
  }
  return absl::StrCat(family == Family::kIpv4 ? "ipv4:" : "ipv6:", absl::StrJoin(targets, ","));
}

int Millis(absl::Duration duration) {
  return static_cast<int>(absl::ToInt64Milliseconds(duration));
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const ChannelOptions& options) {
  PM_ASSIGN_OR_RETURN(const std::string uri, TargetUri(options.targets));
  for (const std::string& target : options.targets) {
    PM_RETURN_IF_ERROR(CheckBindAllowed(target, options.tls, options.insecure));
  }
  PM_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::ChannelCredentials> credentials,
                      MakeChannelCredentials(options.tls));
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, Millis(options.backoff_min));
  // In spite of its name this bounds one attempt, not the pause between two.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, Millis(options.connect_timeout));
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, Millis(options.backoff_max));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, Millis(options.keepalive_time));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Millis(options.keepalive_timeout));
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, options.own_connection ? 1 : 0);
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  return grpc::CreateCustomChannel(uri, credentials, arguments);
}

}  // namespace pointsman::common
