#include "common/core/config_service_rules.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/core/address.h"
#include "common/core/config_check_rules.h"
#include "common/core/names.h"
#include "common/core/proto_time.h"

namespace pointsman::common {
namespace {

using absl::Hours;
using absl::Milliseconds;
using absl::Minutes;
using absl::Seconds;

constexpr int kEndpointsMax = 1000;
constexpr int kLabelsMax = 16;
constexpr size_t kPathBytesMax = 1024;
constexpr size_t kServerNameBytesMax = 253;
constexpr size_t kCaPemBytesMax = 64 * 1024;
constexpr size_t kHeaderNameBytesMax = 127;
constexpr size_t kHeaderValueBytesMax = 1024;
constexpr int kRetryStatusesMax = 16;
constexpr uint64_t kChoicesMax = 16;
constexpr uint64_t kWaitingMax = 100'000;
constexpr uint64_t kDefaultMaxInFlight = 16'384;
constexpr uint64_t kDefaultMinInFlight = 20;
constexpr uint64_t kRequestsPerConnectionMax = 1'000'000'000;
constexpr int kHashKeysMax = 8;
constexpr uint64_t kSubsetSizeMax = 50'000;
constexpr size_t kPlaceBytesMax = 63;
constexpr size_t kLabelKeyBytesMax = 63;
constexpr size_t kLabelValueBytesMax = 255;
constexpr absl::Duration kDefaultFirstByte = absl::Seconds(30);

void CheckHealthPolicy(const v1::HealthPolicy& health, const RulePath& path, Rules* rules) {
  if (health.removal_cap() != 0) {
    rules->NumberIn(path.Field("removal_cap"), health.removal_cap(), {0.01, 1});
  }
  rules->DurationIn(path.Field("removal_window"), health.has_removal_window(),
                    health.removal_window(), {Seconds(1), Hours(1)});
  rules->NumberIn(path.Field("fail_open_below"), health.fail_open_below(), {0, 1});
  rules->DurationIn(path.Field("deregister_after"), health.has_deregister_after(),
                    health.deregister_after(), {Seconds(5), Hours(24)});
  rules->DurationIn(path.Field("silent_after"), health.has_silent_after(), health.silent_after(),
                    {Seconds(1), Minutes(10)});
}

void CheckWeightPolicy(const v1::WeightPolicy& weights, const RulePath& path, Rules* rules) {
  rules->IsKnownEnum(path.Field("signal"), v1::LoadSignal_IsValid(weights.signal()),
                     weights.signal());
  if (weights.min_factor() != 0) {
    rules->NumberIn(path.Field("min_factor"), weights.min_factor(), {0.001, 1});
  }
  if (weights.max_factor() != 0) {
    rules->NumberIn(path.Field("max_factor"), weights.max_factor(), {1, 100});
  }
  rules->DurationIn(path.Field("slow_start"), weights.has_slow_start(), weights.slow_start(),
                    {absl::ZeroDuration(), Hours(1)});
  if (weights.slow_start_initial() != 0) {
    rules->NumberIn(path.Field("slow_start_initial"), weights.slow_start_initial(), {0.01, 1});
  }
  if (weights.blend() != 0) rules->NumberIn(path.Field("blend"), weights.blend(), {0.01, 1});
  rules->DurationIn(path.Field("control_period"), weights.has_control_period(),
                    weights.control_period(), {Milliseconds(100), Minutes(1)});
}

void CheckFailoverAndRecovery(const v1::Service& service, const RulePath& path, Rules* rules) {
  const v1::Failover& failover = service.failover();
  const RulePath failover_path = path.Field("failover");
  rules->IsKnownEnum(failover_path.Field("mode"), v1::Failover::Mode_IsValid(failover.mode()),
                     failover.mode());
  if (failover.overprovisioning() != 0) {
    rules->NumberIn(failover_path.Field("overprovisioning"), failover.overprovisioning(), {1, 10});
  }
  const v1::Recovery& recovery = service.recovery();
  const RulePath recovery_path = path.Field("recovery");
  if (recovery.max_share() != 0) {
    rules->NumberIn(recovery_path.Field("max_share"), recovery.max_share(), {0.01, 1});
  }
  rules->DurationIn(recovery_path.Field("grant_lease"), recovery.has_grant_lease(),
                    recovery.grant_lease(), {Seconds(5), Hours(1)});
}

void CheckHedging(const v1::Retries& retries, const RulePath& path, Rules* rules) {
  const v1::Hedging& hedging = retries.hedging();
  if (hedging.percentile() != 0) {
    rules->NumberIn(path.Field("percentile"), hedging.percentile(), {50, 99.9});
  }
  rules->DurationIn(path.Field("min_delay"), hedging.has_min_delay(), hedging.min_delay(),
                    {Milliseconds(1), Seconds(60)});
  if (retries.has_hedging() && retries.has_max_retries() && retries.max_retries() == 0) {
    rules->Broken(config_code::kConflict, path, "a second try is a retry: max_retries allows none");
  }
}

void CheckTimeoutsAndRetries(const v1::Service& service, const RulePath& path, Rules* rules) {
  const Range<absl::Duration> any = {Milliseconds(1), Hours(24)};
  const v1::Timeouts& timeouts = service.timeouts();
  const RulePath timeouts_path = path.Field("timeouts");
  rules->DurationIn(timeouts_path.Field("connect"), timeouts.has_connect(), timeouts.connect(),
                    any);
  rules->DurationIn(timeouts_path.Field("first_byte"), timeouts.has_first_byte(),
                    timeouts.first_byte(), any);
  rules->DurationIn(timeouts_path.Field("idle"), timeouts.has_idle(), timeouts.idle(), any);
  rules->DurationInOrZero(timeouts_path.Field("request"), timeouts.has_request(),
                          timeouts.request(), any);
  rules->DurationIn(timeouts_path.Field("stream_age"), timeouts.has_stream_age(),
                    timeouts.stream_age(), any);
  const v1::Retries& retries = service.retries();
  const RulePath retries_path = path.Field("retries");
  rules->CountIn(retries_path.Field("max_retries"), retries.max_retries(), {0, 5});
  const absl::Duration first_byte =
      timeouts.has_first_byte() ? FromProto(timeouts.first_byte()) : kDefaultFirstByte;
  rules->DurationIn(retries_path.Field("per_try_timeout"), retries.has_per_try_timeout(),
                    retries.per_try_timeout(), {Milliseconds(1), first_byte});
  rules->NumberIn(retries_path.Field("budget_ratio"), retries.budget_ratio(), {0, 1});
  rules->CountIn(retries_path.Field("budget_min_per_second"), retries.budget_min_per_second(),
                 {0, 1000});
  CheckRetryStatuses(retries.statuses(), retries_path, rules);
  CheckHedging(retries, retries_path.Field("hedging"), rules);
}

void CheckLimits(const v1::Service& service, const RulePath& path, Rules* rules) {
  const v1::Limits& limits = service.limits();
  rules->CountIn(path.Field("max_waiting"), limits.max_waiting(), {0, kWaitingMax});
  rules->DurationIn(path.Field("max_wait"), limits.has_max_wait(), limits.max_wait(),
                    {Milliseconds(1), Seconds(60)});
  if (limits.has_max_wait() && limits.max_waiting() == 0) {
    rules->Broken(config_code::kConflict, path.Field("max_wait"), "needs max_waiting");
  }
  const uint64_t most = limits.max_in_flight() != 0 ? limits.max_in_flight() : kDefaultMaxInFlight;
  const RulePath adaptive = path.Field("adaptive");
  const RulePath least = adaptive.Field("min_in_flight");
  if (limits.adaptive().min_in_flight() != 0) {
    rules->CountIn(least, limits.adaptive().min_in_flight(), {1, most});
  } else if (limits.has_adaptive() && most < kDefaultMinInFlight) {
    rules->Broken(
        config_code::kRequired, least,
        absl::StrCat("is required: max_in_flight is below its default of ", kDefaultMinInFlight));
  }
  if (service.protocol() != v1::PROTOCOL_TCP) return;
  for (const auto& [name, present] :
       {std::pair{"max_waiting", limits.max_waiting() != 0}, {"adaptive", limits.has_adaptive()}}) {
    if (present) {
      rules->Broken(config_code::kConflict, path.Field(name), "TCP connections do not wait");
    }
  }
}

void CheckConnections(const v1::Service& service, const RulePath& path, Rules* rules) {
  if (!service.has_connections()) return;
  const v1::Connections& connections = service.connections();
  rules->CountIn(path.Field("max_requests"), connections.max_requests(),
                 {0, kRequestsPerConnectionMax});
  rules->DurationIn(path.Field("max_age"), connections.has_max_age(), connections.max_age(),
                    {Seconds(1), Hours(720)});
  if (service.protocol() == v1::PROTOCOL_TCP) {
    rules->Broken(config_code::kConflict, path, "each TCP connection has its own");
  }
}

void CheckAffinityCookie(const v1::AffinityCookie& cookie, const RulePath& path, Rules* rules) {
  rules->IsToken(path.Field("name"), cookie.name(), kHeaderNameBytesMax);
  rules->DurationIn(path.Field("ttl"), cookie.has_ttl(), cookie.ttl(),
                    {Seconds(1), Hours(24 * 365)});
  rules->BytesAtMost(path.Field("path"), cookie.path(), kPathBytesMax);
  const std::string& text = cookie.path();
  const bool clean = std::none_of(
      text.begin(), text.end(), [](unsigned char c) { return c <= ' ' || c == ';' || c >= 0x7f; });
  if (!text.empty() && (text[0] != '/' || !clean)) {
    rules->Broken(config_code::kValue, path.Field("path"),
                  "must begin with \"/\" and have no \";\" or space");
  }
}

void CheckHashKey(const v1::HashKey& key, const RulePath& path, Rules* rules) {
  switch (key.part_case()) {
    case v1::HashKey::kHeader:
      return rules->IsToken(path.Field("header"), key.header(), kHeaderNameBytesMax);
    case v1::HashKey::kCookie:
      return rules->IsToken(path.Field("cookie"), key.cookie(), kHeaderNameBytesMax);
    case v1::HashKey::kQuery:
      rules->BytesAtMost(path.Field("query"), key.query(), kHeaderNameBytesMax);
      if (key.query().empty()) {
        rules->Broken(config_code::kRequired, path.Field("query"), "needs a name");
      }
      return;
    case v1::HashKey::kClientAddress:
      if (!key.client_address()) {
        rules->Broken(config_code::kValue, path.Field("client_address"), "must be true");
      }
      return;
    case v1::HashKey::PART_NOT_SET:
      return rules->Broken(config_code::kRequired, path,
                           "needs one of header, cookie, query, client_address");
  }
}

// Ranges where 0 says that it is not set.
void CheckPicker(const v1::Picker& picker, const RulePath& path, Rules* rules) {
  rules->IsKnownEnum(path.Field("kind"), v1::Picker::Kind_IsValid(picker.kind()), picker.kind());
  const bool hashes =
      picker.kind() == v1::Picker::KIND_MAGLEV || picker.kind() == v1::Picker::KIND_RING_HASH;
  if (picker.choices() != 0) {
    rules->CountIn(path.Field("choices"), picker.choices(), {2, kChoicesMax});
    if (picker.kind() != v1::Picker::KIND_LEAST_REQUEST) {
      rules->Broken(config_code::kConflict, path.Field("choices"), "are those of LEAST_REQUEST");
    }
  }
  rules->EntriesAtMost(path.Field("hash_on"), picker.hash_on_size(), kHashKeysMax);
  for (int i = 0; i < std::min(picker.hash_on_size(), kHashKeysMax); ++i) {
    CheckHashKey(picker.hash_on(i), path.Entry("hash_on", i), rules);
  }
  if (hashes && picker.hash_on_size() == 0) {
    rules->Broken(config_code::kRequired, path.Field("hash_on"),
                  "is required: what of a request decides where it goes");
  }
  if (!hashes && picker.hash_on_size() > 0) {
    rules->Broken(config_code::kConflict, path.Field("hash_on"), "needs MAGLEV or RING_HASH");
  }
  if (picker.bounded_load() != 0 && !hashes) {
    rules->Broken(config_code::kConflict, path.Field("bounded_load"), "needs MAGLEV or RING_HASH");
  } else if (picker.bounded_load() != 0) {
    rules->NumberIn(path.Field("bounded_load"), picker.bounded_load(), {1, 100});
  }
  if (picker.has_affinity_cookie()) {
    CheckAffinityCookie(picker.affinity_cookie(), path.Field("affinity_cookie"), rules);
  }
  if (picker.subset_size() != 0) {
    rules->CountIn(path.Field("subset_size"), picker.subset_size(), {2, kSubsetSizeMax});
  }
}

// What only requests have has no effect on connections whose bytes are passed through.
void CheckNothingOfRequests(const v1::Service& service, const RulePath& path, Rules* rules) {
  if (service.protocol() != v1::PROTOCOL_TCP) return;
  constexpr char kReason[] = "TCP connections have no requests";
  const RulePath retries = path.Field("retries");
  if (!service.retries().statuses().empty()) {
    rules->Broken(config_code::kConflict, retries.Field("statuses"), kReason);
  }
  if (service.retries().has_hedging()) {
    rules->Broken(config_code::kConflict, retries.Field("hedging"), kReason);
  }
  const RulePath picker = path.Field("picker");
  if (service.picker().has_affinity_cookie()) {
    rules->Broken(config_code::kConflict, picker.Field("affinity_cookie"), kReason);
  }
  for (int i = 0; i < std::min(service.picker().hash_on_size(), kHashKeysMax); ++i) {
    if (service.picker().hash_on(i).has_client_address()) continue;
    rules->Broken(config_code::kConflict, picker.Entry("hash_on", i),
                  "TCP connections have only their client_address");
  }
}

void CheckUpstreamTls(const v1::Service& service, const RulePath& path, Rules* rules) {
  if (!service.has_tls()) return;
  const v1::UpstreamTls& tls = service.tls();
  rules->BytesAtMost(path.Field("server_name"), tls.server_name(), kServerNameBytesMax);
  rules->BytesAtMost(path.Field("ca_pem"), tls.ca_pem(), kCaPemBytesMax);
  if (tls.server_name().empty() && !tls.insecure()) {
    rules->Broken(config_code::kRequired, path.Field("server_name"),
                  "is required: the name in the endpoints' certificates");
  }
  const std::string& name = tls.server_name();
  if (!std::all_of(name.begin(), name.end(), [](unsigned char c) {
        return absl::ascii_isalnum(c) || c == '.' || c == '-' || c == '_' || c == ':';
      })) {
    rules->Broken(config_code::kValue, path.Field("server_name"),
                  "must be a host name or an IP address");
  }
  if (!tls.ca_pem().empty() && !absl::StrContains(tls.ca_pem(), "-----BEGIN CERTIFICATE-----")) {
    rules->Broken(config_code::kValue, path.Field("ca_pem"),
                  "must be certificates in PEM (\"-----BEGIN CERTIFICATE-----\")");
  }
}

void CheckAuthority(const v1::Service& service, const RulePath& path, Rules* rules) {
  const std::string& authority = service.authority();
  if (authority.empty()) return;
  rules->BytesAtMost(path, authority, kAddressBytesMax);
  if (service.protocol() == v1::PROTOCOL_TCP) {
    rules->Broken(config_code::kConflict, path, "bytes that are passed through name no host");
  }
  if (!IsHostText(authority)) {
    rules->Broken(config_code::kValue, path,
                  "must be a host name or an IP address, such as \"api.example.org\" or "
                  "\"api.example.org:8443\"");
  }
}

void CheckEndpoints(const v1::Service& service, const RulePath& path, Rules* rules) {
  rules->EntriesAtMost(path.Field("endpoints"), service.endpoints_size(), kEndpointsMax);
  std::set<absl::string_view> ids;
  for (int i = 0; i < std::min(service.endpoints_size(), kEndpointsMax); ++i) {
    const v1::Endpoint& endpoint = service.endpoints(i);
    const RulePath entry = path.Entry("endpoints", i);
    CheckEndpoint(endpoint, entry, rules);
    if (!endpoint.id().empty() && !ids.insert(endpoint.id()).second) {
      rules->Broken(config_code::kDuplicate, entry.Field("id"),
                    absl::StrCat("a second endpoint \"", endpoint.id(), "\""));
    }
  }
}

}  // namespace

void CheckRetryStatuses(const google::protobuf::RepeatedField<uint32_t>& statuses,
                        const RulePath& path, Rules* rules) {
  rules->EntriesAtMost(path.Field("statuses"), statuses.size(), kRetryStatusesMax);
  for (int i = 0; i < std::min(statuses.size(), kRetryStatusesMax); ++i) {
    const uint32_t status = statuses[i];
    if (status == 429 || (status >= 500 && status <= 599)) continue;
    rules->Broken(config_code::kRange, path.Entry("statuses", i),
                  absl::StrCat(status, " is out of range: 429, 500 to 599"));
  }
}

void CheckHeaderMatch(const v1::HeaderMatch& match, const RulePath& path, Rules* rules) {
  rules->IsToken(path.Field("name"), match.name(), kHeaderNameBytesMax);
  switch (match.value_case()) {
    case v1::HeaderMatch::kExact:
      rules->BytesAtMost(path.Field("exact"), match.exact(), kHeaderValueBytesMax);
      return rules->IsHeaderValue(path.Field("exact"), match.exact());
    case v1::HeaderMatch::kPrefix:
      rules->BytesAtMost(path.Field("prefix"), match.prefix(), kHeaderValueBytesMax);
      return rules->IsHeaderValue(path.Field("prefix"), match.prefix());
    case v1::HeaderMatch::kMatches:
      return rules->CompilesAsPattern(path.Field("matches"), match.matches());
    case v1::HeaderMatch::kPresent:
    case v1::HeaderMatch::VALUE_NOT_SET:
      return;
  }
}

void CheckEndpoint(const v1::Endpoint& endpoint, const RulePath& path, Rules* rules) {
  if (!IsEndpointId(endpoint.id())) {
    rules->Broken(endpoint.id().empty() ? config_code::kRequired : config_code::kValue,
                  path.Field("id"), "must be 1 to 63 of A-Z, a-z, 0-9, '.', '_' and '-'");
  }
  rules->IsEndpointAddress(path.Field("address"), endpoint.address());
  const RulePath locality = path.Field("locality");
  rules->BytesAtMost(locality.Field("region"), endpoint.locality().region(), kPlaceBytesMax);
  rules->BytesAtMost(locality.Field("zone"), endpoint.locality().zone(), kPlaceBytesMax);
  const RulePath labels = path.Field("labels");
  rules->EntriesAtMost(labels, static_cast<int>(endpoint.labels().size()), kLabelsMax);
  const std::map<std::string, std::string> ordered(endpoint.labels().begin(),
                                                   endpoint.labels().end());
  for (const auto& [key, value] : ordered) {
    rules->BytesAtMost(labels, key, kLabelKeyBytesMax);
    rules->BytesAtMost(labels, value, kLabelValueBytesMax);
  }
  if (endpoint.capacity() != 0) {
    rules->NumberIn(path.Field("capacity"), endpoint.capacity(), {0.01, 100});
  }
  rules->CountIn(path.Field("priority"), endpoint.priority(), {0, 15});
}

void CheckService(const v1::Service& service, const RulePath& path, Rules* rules) {
  absl::string_view id = service.name();
  if (!absl::ConsumePrefix(&id, "services/") || !IsServiceId(id)) {
    rules->Broken(id.empty() ? config_code::kRequired : config_code::kValue, path.Field("name"),
                  "must be 1 to 63 of a-z, 0-9 and -, as in \"web\" or \"services/web\"");
  }
  rules->IsKnownEnum(path.Field("protocol"), v1::Protocol_IsValid(service.protocol()),
                     service.protocol());
  CheckPicker(service.picker(), path.Field("picker"), rules);
  CheckHealthChecks(service, path, rules);
  CheckHealthPolicy(service.health(), path.Field("health"), rules);
  CheckWeightPolicy(service.weights(), path.Field("weights"), rules);
  CheckFailoverAndRecovery(service, path, rules);
  CheckTimeoutsAndRetries(service, path, rules);
  CheckLimits(service, path.Field("limits"), rules);
  CheckConnections(service, path.Field("connections"), rules);
  CheckNothingOfRequests(service, path, rules);
  CheckUpstreamTls(service, path.Field("tls"), rules);
  CheckAuthority(service, path.Field("authority"), rules);
  CheckEndpoints(service, path, rules);
}

}  // namespace pointsman::common
