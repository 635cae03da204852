#include "agent/probe/transfer.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/core/address.h"
#include "common/core/hex.h"
#include "common/core/status_macros.h"

namespace pointsman::agent {
namespace {

constexpr size_t kDialogueBytesMax = 4096;
constexpr size_t kHeadersMax = 128;
constexpr size_t kHeaderBytesMax = 16 << 10;

// curl_easy_setopt is variadic: types must be exact.
template <typename T>
bool Set(CURL* easy, CURLoption option, T value) {
  return curl_easy_setopt(easy, option, value) == CURLE_OK;
}

absl::StatusOr<common::Address> Target(const std::string& address, uint32_t port) {
  PM_ASSIGN_OR_RETURN(common::Address target, common::ParseAddress(address));
  if (port > 65535) return absl::InvalidArgumentError(absl::StrCat("port ", port, ": above 65535"));
  if (port != 0 && target.kind != common::Address::Kind::kUnix) {
    target.port = static_cast<uint16_t>(port);
  }
  return target;
}

// Points the transfer at `target`; returns the authority for its URL.
std::string Aim(CURL* easy, const common::Address& target) {
  if (target.kind != common::Address::Kind::kUnix) return common::ToString(target);
  Set(easy, CURLOPT_UNIX_SOCKET_PATH, target.name.c_str());
  return "localhost";
}

bool HasControl(absl::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; });
}

v1::CheckFailure FailureOfErrno(int error) {
  switch (error) {
    case ECONNREFUSED:
    case ENOENT:  // A unix socket that is not there: nobody listens.
      return v1::CHECK_FAILURE_REFUSED;
    case ECONNRESET:
    case EPIPE:
      return v1::CHECK_FAILURE_RESET;
    case ETIMEDOUT:
      return v1::CHECK_FAILURE_TIMEOUT;
    default:
      return v1::CHECK_FAILURE_UNREACHABLE;
  }
}

// The bytes of one side of a dialogue: a text's, or those that digits stand for.
absl::StatusOr<std::string> DialogueSide(const std::string& text, const std::string& hex) {
  if (hex.empty()) return text;
  std::optional<std::string> bytes = common::DecodeHex(hex);
  if (!bytes.has_value()) return absl::InvalidArgumentError("not pairs of hexadecimal digits");
  return *std::move(bytes);
}

}  // namespace

absl::Status Transfer::SetUpCommon(absl::Duration timeout, common::MonotonicTime now) {
  started_ = now;
  deadline_ = now + timeout;
  const long timeout_ms = std::max<long>(1, absl::ToInt64Milliseconds(timeout));
  const bool ok =
      Set(easy_, CURLOPT_PRIVATE, static_cast<void*>(this)) && Set(easy_, CURLOPT_NOSIGNAL, 1L) &&
      Set(easy_, CURLOPT_NOPROXY, "*") && Set(easy_, CURLOPT_PROXY, "") &&
      Set(easy_, CURLOPT_PROTOCOLS_STR, "http,https") && Set(easy_, CURLOPT_BUFFERSIZE, 4096L) &&
      Set(easy_, CURLOPT_ERRORBUFFER, error_) && Set(easy_, CURLOPT_TIMEOUT_MS, timeout_ms) &&
      Set(easy_, CURLOPT_WRITEFUNCTION, &Transfer::OnBody) &&
      Set(easy_, CURLOPT_WRITEDATA, static_cast<void*>(this)) &&
      Set(easy_, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1)) &&
      Set(easy_, CURLOPT_DNS_CACHE_TIMEOUT, 1L);
  return ok ? absl::OkStatus() : absl::InternalError("libcurl refuses an option");
}

absl::Status Transfer::SetUpProbe(const ProbeEffect& probe, common::MonotonicTime now) {
  what_ = probe.what;
  PM_RETURN_IF_ERROR(SetUpCommon(probe.timeout, now));
  // A connection that was not opened for this run says nothing about accepting.
  Set(easy_, CURLOPT_FRESH_CONNECT, 1L);
  // A TCP check still talks when libcurl is done with connecting; its handle's end closes it.
  if (kind_ == Kind::kHttp) Set(easy_, CURLOPT_FORBID_REUSE, 1L);
  return kind_ == Kind::kTcp ? SetUpTcp(probe) : SetUpHttp(probe);
}

absl::Status Transfer::SetUpFetch(const MetricsEffect& fetch, common::MonotonicTime now) {
  PM_RETURN_IF_ERROR(SetUpCommon(fetch.timeout, now));
  PM_RETURN_IF_ERROR(AddHeader("Accept", "application/json"));
  const bool ok = Set(easy_, CURLOPT_URL, fetch.url.c_str()) &&
                  Set(easy_, CURLOPT_FAILONERROR, 1L) && Set(easy_, CURLOPT_HTTPHEADER, headers_);
  return ok ? absl::OkStatus() : absl::InternalError("libcurl refuses the URL");
}

absl::Status Transfer::AddHeader(absl::string_view name, absl::string_view value) {
  // A line break would end the header and begin another.
  if (name.empty() || HasControl(name) || HasControl(value) || absl::StrContains(name, ":")) {
    return absl::InvalidArgumentError("a request header has bytes that it must not have");
  }
  // libcurl drops "Name:"; "Name;" sends it with an empty value.
  const std::string line =
      value.empty() ? absl::StrCat(name, ";") : absl::StrCat(name, ": ", value);
  curl_slist* longer = curl_slist_append(headers_, line.c_str());
  if (longer == nullptr) return absl::InternalError("out of memory");
  headers_ = longer;
  return absl::OkStatus();
}

absl::Status Transfer::ConnectTo(const std::string& authority) {
  // Whatever host and port the URL names.
  connect_to_ = curl_slist_append(nullptr, absl::StrCat("::", authority).c_str());
  if (connect_to_ == nullptr || !Set(easy_, CURLOPT_CONNECT_TO, connect_to_)) {
    return absl::InternalError("libcurl refuses the address");
  }
  return absl::OkStatus();
}

absl::Status Transfer::SetUpHttp(const ProbeEffect& probe) {
  const v1::HttpCheck& http = probe.what->http();
  PM_ASSIGN_OR_RETURN(const common::Address target, Target(probe.address, http.port()));
  const std::string path = http.path().empty() ? "/" : http.path();
  if (path[0] != '/' || HasControl(path) || absl::StrContains(path, " ")) {
    return absl::InvalidArgumentError("path: must begin with '/' and have no blank");
  }
  if (absl::StrContains(http.host(), "/") || absl::StrContains(http.host(), "@")) {
    return absl::InvalidArgumentError("host: must be a name, with or without a port");
  }
  for (const auto& [name, value] : http.headers()) PM_RETURN_IF_ERROR(AddHeader(name, value));
  if (!http.host().empty()) PM_RETURN_IF_ERROR(AddHeader("Host", http.host()));
  PM_RETURN_IF_ERROR(AddHeader("User-Agent", "pointsman-agent"));
  std::string authority = Aim(easy_, target);
  if (http.tls() && !http.host().empty()) {
    // The name that the certificate must have, whatever the address is.
    PM_RETURN_IF_ERROR(ConnectTo(authority));
    authority = http.host();
  }
  const std::string url = absl::StrCat(http.tls() ? "https://" : "http://", authority, path);
  bool ok = Set(easy_, CURLOPT_URL, url.c_str()) && Set(easy_, CURLOPT_PATH_AS_IS, 1L) &&
            Set(easy_, CURLOPT_HTTPHEADER, headers_) &&
            Set(easy_, CURLOPT_HEADERFUNCTION, &Transfer::OnHeader) &&
            Set(easy_, CURLOPT_HEADERDATA, static_cast<void*>(this));
  if (http.method() == "HEAD") ok = ok && Set(easy_, CURLOPT_NOBODY, 1L);
  if (http.tls() && http.tls_insecure()) {
    ok = ok && Set(easy_, CURLOPT_SSL_VERIFYPEER, 0L) && Set(easy_, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  return ok ? absl::OkStatus() : absl::InternalError("libcurl refuses the request");
}

absl::Status Transfer::SetUpTcp(const ProbeEffect& probe) {
  const v1::TcpCheck& check = probe.what->tcp();
  PM_ASSIGN_OR_RETURN(to_send_, DialogueSide(check.send(), check.send_hex()));
  PM_ASSIGN_OR_RETURN(expected_, DialogueSide(check.expect(), check.expect_hex()));
  PM_ASSIGN_OR_RETURN(const common::Address target, Target(probe.address, check.port()));
  const std::string url = absl::StrCat("http://", Aim(easy_, target), "/");
  const bool ok = Set(easy_, CURLOPT_URL, url.c_str()) && Set(easy_, CURLOPT_CONNECT_ONLY, 1L);
  return ok ? absl::OkStatus() : absl::InternalError("libcurl refuses the connection");
}

size_t Transfer::OnBody(char* data, size_t size, size_t count, void* self) {
  Transfer& transfer = *static_cast<Transfer*>(self);
  std::string& body = transfer.answer_.body;
  const size_t bytes = size * count;
  const size_t room = kBodyBytesMax - body.size();
  body.append(data, std::min(bytes, room));
  if (bytes <= room) return bytes;
  transfer.body_full_ = true;
  return 0;  // Ends the transfer; a full body is judged as it is.
}

size_t Transfer::OnHeader(char* data, size_t size, size_t count, void* self) {
  HttpAnswer& answer = static_cast<Transfer*>(self)->answer_;
  const size_t bytes = size * count;
  const absl::string_view line(data, bytes);
  // A further status line (after a 1xx) begins a new head.
  if (absl::StartsWith(line, "HTTP/")) answer.headers.clear();
  const size_t colon = line.find(':');
  if (colon == absl::string_view::npos || answer.headers.size() >= kHeadersMax ||
      bytes > kHeaderBytesMax) {
    return bytes;
  }
  answer.headers.emplace_back(std::string(line.substr(0, colon)),
                              std::string(absl::StripAsciiWhitespace(line.substr(colon + 1))));
  return bytes;
}

v1::CheckFailure Transfer::FailureOf(CURLcode code) const {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return v1::CHECK_FAILURE_TIMEOUT;
    case CURLE_COULDNT_RESOLVE_HOST:
      return v1::CHECK_FAILURE_NAME;
    case CURLE_COULDNT_CONNECT: {
      long error = 0;
      curl_easy_getinfo(easy_, CURLINFO_OS_ERRNO, &error);
      return FailureOfErrno(static_cast<int>(error));
    }
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
      return v1::CHECK_FAILURE_RESET;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
      return v1::CHECK_FAILURE_TLS;
    default:
      return v1::CHECK_FAILURE_PROTOCOL;
  }
}

RunResult Transfer::JudgeProbe(CURLcode code, HttpJudge& judge) const {
  curl_off_t micros = 0;
  curl_easy_getinfo(easy_, CURLINFO_TOTAL_TIME_T, &micros);
  RunResult result;
  if (code == CURLE_WRITE_ERROR && body_full_) code = CURLE_OK;
  if (code != CURLE_OK) {
    result.failure = FailureOf(code);
    result.detail = error_[0] != '\0' ? error_ : curl_easy_strerror(code);
  } else if (kind_ == Kind::kHttp) {
    HttpAnswer answer = answer_;
    long status = 0;
    curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
    answer.status = static_cast<uint32_t>(status);
    result = judge.Judge(what_->http(), answer);
  }
  result.latency = absl::Microseconds(micros);
  return result;
}

absl::StatusOr<std::string> Transfer::TakeBody(CURLcode code) {
  if (body_full_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("metrics are larger than ", kBodyBytesMax, " bytes"));
  }
  if (code != CURLE_OK) {
    return absl::UnavailableError(error_[0] != '\0' ? error_ : curl_easy_strerror(code));
  }
  return std::move(answer_.body);
}

bool Transfer::WantsDialogue() const {
  return kind_ == Kind::kTcp && (!to_send_.empty() || !expected_.empty());
}

Transfer::Dialogue Transfer::Continue() {
  if (socket_ < 0) {
    curl_socket_t socket = CURL_SOCKET_BAD;
    curl_easy_getinfo(easy_, CURLINFO_ACTIVESOCKET, &socket);
    socket_ = socket;
  }
  const auto fail = [this](int error) {
    dialogue_failure_ = FailureOfErrno(error);
    dialogue_detail_ = std::strerror(error);
    return Dialogue::kFailed;
  };
  while (sent_ < to_send_.size()) {
    const ssize_t n = ::send(socket_, to_send_.data() + sent_, to_send_.size() - sent_,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) return errno == EAGAIN || errno == EINTR ? Dialogue::kOpen : fail(errno);
    sent_ += static_cast<size_t>(n);
  }
  if (expected_.empty()) return Dialogue::kPassed;
  while (true) {
    char buffer[512];
    const ssize_t n = ::recv(socket_, buffer, sizeof(buffer), MSG_DONTWAIT);
    if (n < 0) return errno == EAGAIN || errno == EINTR ? Dialogue::kOpen : fail(errno);
    received_.append(buffer, static_cast<size_t>(n));
    if (absl::StrContains(received_, expected_)) return Dialogue::kPassed;
    if (n == 0 || received_.size() >= kDialogueBytesMax) {
      dialogue_failure_ = v1::CHECK_FAILURE_BODY;
      dialogue_detail_ = absl::StrCat("expected text not among ", received_.size(), " bytes");
      return Dialogue::kFailed;
    }
  }
}

RunResult Transfer::JudgeDialogue(Dialogue state, common::MonotonicTime now) const {
  RunResult result;
  result.latency = now - started_;
  if (state == Dialogue::kPassed) return result;
  result.failure = state == Dialogue::kOpen ? v1::CHECK_FAILURE_TIMEOUT : dialogue_failure_;
  result.detail = state == Dialogue::kOpen ? "no expected text in time" : dialogue_detail_;
  return result;
}

}  // namespace pointsman::agent
