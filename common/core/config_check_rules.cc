#include "common/core/config_check_rules.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/core/config_service_rules.h"
#include "common/core/hex.h"
#include "common/core/names.h"
#include "common/core/proto_time.h"

namespace pointsman::common {
namespace {

using absl::Milliseconds;
using absl::Minutes;
using absl::Seconds;

constexpr int kChecksMax = 8;
constexpr int kHeadersMax = 16;
constexpr size_t kHostBytesMax = 255;
constexpr size_t kBodyPatternBytesMax = 1024;
constexpr size_t kDialogueBytesMax = 1024;
constexpr absl::Duration kDefaultInterval = absl::Seconds(2);
constexpr absl::Duration kDefaultTimeout = absl::Seconds(1);
constexpr size_t kPathBytesMax = 1024;
constexpr size_t kHeaderNameBytesMax = 127;
constexpr size_t kHeaderValueBytesMax = 1024;

std::optional<int> ParseStatusCode(absl::string_view text) {
  int status = 0;
  if (text.size() != 3 || !absl::SimpleAtoi(text, &status) || status < 100 || status > 599) {
    return std::nullopt;
  }
  return status;
}

void CheckStatusRange(const std::string& text, const RulePath& path, Rules* rules) {
  const std::pair<absl::string_view, absl::string_view> ends =
      absl::StrSplit(text, absl::MaxSplits('-', 1));
  const std::optional<int> first = ParseStatusCode(ends.first);
  const std::optional<int> last =
      absl::StrContains(text, '-') ? ParseStatusCode(ends.second) : first;
  if (first && last && *first <= *last) return;
  rules->Broken(config_code::kValue, path,
                absl::StrCat("\"", text.substr(0, 40),
                             "\" must be a status (\"204\") or a range (\"200-299\")"));
}

void CheckRequestPath(const std::string& target, const RulePath& path, Rules* rules) {
  rules->BytesAtMost(path, target, kPathBytesMax);
  bool clean = absl::StartsWith(target, "/");
  for (const char c : target) clean = clean && absl::ascii_isgraph(static_cast<unsigned char>(c));
  if (!target.empty() && !clean) {
    rules->Broken(config_code::kValue, path,
                  "must begin with \"/\" and have no spaces, control or non-ASCII characters");
  }
}

void CheckPort(uint32_t port, const RulePath& path, Rules* rules) {
  rules->CountIn(path, port, {0, 65535});
}

void CheckHttpCheck(const v1::HttpCheck& check, const RulePath& path, Rules* rules) {
  CheckRequestPath(check.path(), path.Field("path"), rules);
  if (!check.method().empty() && check.method() != "GET" && check.method() != "HEAD") {
    rules->Broken(config_code::kValue, path.Field("method"), "must be GET or HEAD");
  }
  rules->BytesAtMost(path.Field("host"), check.host(), kHostBytesMax);
  rules->IsHeaderValue(path.Field("host"), check.host());
  const RulePath headers = path.Field("headers");
  rules->EntriesAtMost(headers, static_cast<int>(check.headers().size()), kHeadersMax);
  const std::map<std::string, std::string> ordered(check.headers().begin(), check.headers().end());
  for (const auto& [name, value] : ordered) {
    rules->IsToken(headers, name, kHeaderNameBytesMax);
    rules->IsHeaderValue(headers, value);
    rules->BytesAtMost(headers, value, kHeaderValueBytesMax);
  }
  for (int i = 0; i < check.statuses_size(); ++i) {
    CheckStatusRange(check.statuses(i), path.Entry("statuses", i), rules);
  }
  if (check.has_response_header()) {
    CheckHeaderMatch(check.response_header(), path.Field("response_header"), rules);
  }
  rules->BytesAtMost(path.Field("body_contains"), check.body_contains(), kBodyPatternBytesMax);
  rules->CompilesAsPattern(path.Field("body_matches"), check.body_matches());
  if (check.tls_insecure() && !check.tls()) {
    rules->Broken(config_code::kConflict, path.Field("tls_insecure"), "needs tls: true");
  }
  CheckPort(check.port(), path.Field("port"), rules);
}

// One side of a dialogue: a text, or its bytes in hexadecimal digits.
void CheckDialogue(const std::string& text, const std::string& hex, const RulePath& text_path,
                   const RulePath& hex_path, Rules* rules) {
  rules->BytesAtMost(text_path, text, kDialogueBytesMax);
  rules->BytesAtMost(hex_path, hex, 2 * kDialogueBytesMax);
  if (!DecodeHex(hex).has_value()) {
    rules->Broken(config_code::kValue, hex_path,
                  "expected pairs of hexadecimal digits, such as \"0d0a\"");
  }
  if (!text.empty() && !hex.empty()) {
    rules->Broken(config_code::kConflict, hex_path, "say it as text or in digits, not both");
  }
}

void CheckTcpCheck(const v1::TcpCheck& check, const RulePath& path, Rules* rules) {
  CheckDialogue(check.send(), check.send_hex(), path.Field("send"), path.Field("send_hex"), rules);
  CheckDialogue(check.expect(), check.expect_hex(), path.Field("expect"), path.Field("expect_hex"),
                rules);
  CheckPort(check.port(), path.Field("port"), rules);
}

// Intervals depend on one another through their defaults.
void CheckTiming(const v1::HealthCheck& check, const RulePath& path, Rules* rules) {
  rules->DurationIn(path.Field("interval"), check.has_interval(), check.interval(),
                    {Milliseconds(100), Minutes(10)});
  const absl::Duration interval =
      check.has_interval() ? FromProto(check.interval()) : kDefaultInterval;
  rules->DurationIn(path.Field("timeout"), check.has_timeout(), check.timeout(),
                    {Milliseconds(10), std::min(Seconds(60), interval)});
  const absl::Duration timeout =
      check.has_timeout() ? FromProto(check.timeout()) : std::min(kDefaultTimeout, interval);
  rules->DurationIn(path.Field("transition_interval"), check.has_transition_interval(),
                    check.transition_interval(), {Milliseconds(50), interval});
  rules->DurationIn(path.Field("degraded_after"), check.has_degraded_after(),
                    check.degraded_after(), {absl::Microseconds(1), timeout});
  if (check.rise() != 0) rules->CountIn(path.Field("rise"), check.rise(), {1, 100});
  if (check.fall() != 0) rules->CountIn(path.Field("fall"), check.fall(), {1, 100});
}

void CheckHealthCheck(const v1::HealthCheck& check, const RulePath& path, Rules* rules) {
  if (!check.name().empty() && !IsServiceId(check.name())) {
    rules->Broken(config_code::kValue, path.Field("name"), "must be 1 to 63 of a-z, 0-9 and -");
  }
  CheckTiming(check, path, rules);
  switch (check.kind_case()) {
    case v1::HealthCheck::kHttp:
      return CheckHttpCheck(check.http(), path.Field("http"), rules);
    case v1::HealthCheck::kTcp:
      return CheckTcpCheck(check.tcp(), path.Field("tcp"), rules);
    case v1::HealthCheck::KIND_NOT_SET:
      return rules->Broken(config_code::kRequired, path, "needs a kind: http or tcp");
  }
}

}  // namespace

void CheckHealthChecks(const v1::Service& service, const RulePath& path, Rules* rules) {
  rules->EntriesAtMost(path.Field("checks"), service.checks_size(), kChecksMax);
  std::set<std::string> names;
  for (int i = 0; i < std::min(service.checks_size(), kChecksMax); ++i) {
    const v1::HealthCheck& check = service.checks(i);
    const RulePath entry = path.Entry("checks", i);
    CheckHealthCheck(check, entry, rules);
    if (check.name().empty() && check.kind_case() == v1::HealthCheck::KIND_NOT_SET) continue;
    const std::string name =
        !check.name().empty() ? check.name() : (check.has_http() ? "http" : "tcp");
    if (!names.insert(name).second) {
      rules->Broken(
          config_code::kDuplicate, entry.Field("name"),
          absl::StrCat("a second check called \"", name, "\"; give it a name of its own"));
    }
  }
}

}  // namespace pointsman::common
