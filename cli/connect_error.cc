#include "cli/connect_error.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "cli/next_step.h"

namespace pointsman::cli {
namespace {

constexpr absl::string_view kTlsFlags = "--tls-cert, --tls-key and --tls-ca";
constexpr absl::string_view kGrpcPort =
    "give the controller's gRPC port (its --listen, 7400 by default; not its --admin, nor a "
    "gateway's) with --controller HOST:PORT or POINTSMAN_CONTROLLER";
constexpr absl::string_view kStart =
    "start pointsman-controller there, or name another with --controller HOST:PORT or "
    "POINTSMAN_CONTROLLER";

struct Cause {
  // In our words; empty: gRPC's say it.
  std::string what;
  std::string next;
};

// "Socket closed" of "failed to connect to all addresses; last error: UNAVAILABLE:
// ipv4:127.0.0.1:1: Socket closed": the address is told already.
absl::string_view LastError(absl::string_view text) {
  constexpr absl::string_view kLast = "last error: ";
  if (const size_t at = text.find(kLast); at != absl::string_view::npos) {
    text.remove_prefix(at + kLast.size());
    for (const absl::string_view family : {"ipv4:", "ipv6:"}) {
      const size_t address = text.find(family);
      if (address == absl::string_view::npos) continue;
      const size_t end = text.find(": ", address);
      if (end != absl::string_view::npos) text.remove_prefix(end + 2);
      break;
    }
  }
  return text;
}

// "Peer name 127.0.0.1 is not in peer certificate" -> "127.0.0.1"; empty: another text.
std::string UnexpectedName(absl::string_view text) {
  const size_t begin = text.find("Peer name ");
  const size_t end = text.find(" is not in peer certificate");
  if (begin == absl::string_view::npos || end == absl::string_view::npos || end < begin) return "";
  absl::string_view name = text.substr(begin, end - begin);
  absl::ConsumePrefix(&name, "Peer name ");
  return std::string(name);
}

Cause CauseWithTls(absl::string_view text, const ConnectOptions& options) {
  if (const std::string name = UnexpectedName(text); !name.empty()) {
    return {absl::StrCat("its certificate is not made out to \"", name, "\""),
            absl::StrCat("dial a name that its certificate has (--controller NAME:PORT; see them "
                         "with \"openssl x509 -in FILE -noout -ext subjectAltName\"), or put \"",
                         name, "\" into the certificate (docs/tls.md)")};
  }
  // The second is of an authority of the same name with another key: one that was made anew.
  if (absl::StrContains(text, "certificate verify failed") ||
      absl::StrContains(text, "asn1 encoding routines")) {
    return {"its certificate does not lead to an authority of --tls-ca, or has expired",
            absl::StrCat("give the authority that signed the controller's certificate: --tls-ca "
                         "(now ",
                         options.tls_ca, ")")};
  }
  if (absl::StrContains(text, "wrong version number")) {
    return {"this port speaks no TLS",
            absl::StrCat("leave out ", kTlsFlags, " where the controller has none; otherwise ",
                         kGrpcPort)};
  }
  // With TLS 1.3 the server looks at the client's certificate when the client is already through.
  if (absl::StrContains(text, "Socket closed") || absl::StrContains(text, "Connection reset")) {
    return {"it ended the connection during the TLS handshake",
            absl::StrCat("see that ", options.tls_cert,
                         " is valid and signed by an authority of the controller's --tls-ca")};
  }
  // What gRPC says when no handshaker could be made of the files.
  if (absl::StrContains(text, "empty address list")) {
    return {"no TLS connection can be made with these files",
            absl::StrCat("see that ", options.tls_key, " is the key of ", options.tls_cert)};
  }
  return {"", std::string(kStart)};
}

Cause CauseInPlainText(absl::string_view text) {
  if (absl::StrContains(text, "Socket closed") || absl::StrContains(text, "Connection reset")) {
    return {
        "it took the connection and ended it at once",
        absl::StrCat("it may want TLS: give ", kTlsFlags, "; or it is another port: ", kGrpcPort)};
  }
  return {"", std::string(kStart)};
}

Cause CauseOf(absl::string_view text, const ConnectOptions& options) {
  if (absl::StrContains(text, "http1.x server")) {
    return {"this port speaks HTTP/1, not gRPC", std::string(kGrpcPort)};
  }
  if (absl::StrContains(text, "DNS resolution failed")) {
    return {"its name does not resolve",
            "check the name, or give an address: --controller HOST:PORT or POINTSMAN_CONTROLLER"};
  }
  return options.tls_cert.empty() ? CauseInPlainText(text) : CauseWithTls(text, options);
}

}  // namespace

absl::Status ExplainConnectFailure(const absl::Status& failure, const ConnectOptions& options) {
  if (absl::IsDeadlineExceeded(failure)) {
    const std::string tls =
        options.tls_cert.empty() ? absl::StrCat(" (it may want ", kTlsFlags, ")") : "";
    return WithNext(absl::DeadlineExceededError(absl::StrCat(
                        "the controller at ", options.controller, " did not answer within ",
                        absl::FormatDuration(options.timeout))),
                    absl::StrCat("see that a controller listens there", tls,
                                 ", or wait longer with --timeout"));
  }
  const absl::string_view last = LastError(failure.message());
  const Cause cause = CauseOf(failure.message(), options);
  const std::string detail =
      cause.what.empty() ? std::string(last) : absl::StrCat(cause.what, " (", last, ")");
  return WithNext(absl::UnavailableError(absl::StrCat("cannot reach the controller at ",
                                                      options.controller, ": ", detail)),
                  cause.next);
}

}  // namespace pointsman::cli
