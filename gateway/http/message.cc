#include "gateway/http/message.h"

#include <array>

#include "common/core/check.h"

namespace pointsman::gateway {

namespace {

struct ReasonFacts {
  absl::string_view name;
  int status;
};

// In the order of Reason.
constexpr std::array<ReasonFacts, static_cast<size_t>(Reason::kReasonCount)> kReasons = {{
    {"none", 0},
    {"bad_request_line", 400},
    {"bad_target", 400},
    {"bad_version", 505},
    {"bad_header", 400},
    {"bad_host", 400},
    {"bad_content_length", 400},
    {"bad_transfer_encoding", 400},
    {"bad_chunk", 400},
    {"bad_trailer", 400},
    {"bad_expect", 417},
    {"head_too_large", 431},
    {"too_many_fields", 431},
    {"body_too_large", 413},
    {"connect_refused", 405},
    {"upgrade_refused", 501},
    {"misdirected", 421},
    {"trace_refused", 405},
    {"bad_path", 400},
    {"ambiguous_path", 400},
    {"ambiguous_body", 400},
    {"bad_grpc_timeout", 400},
    {"bad_grpc_web", 400},
    {"head_timeout", 408},
    {"body_timeout", 408},
    {"client_gone", 0},
    {"no_table", 503},
    {"no_route", 404},
    {"no_service", 503},
    {"no_endpoint", 503},
    {"too_many_connections", 503},
    {"too_many_from_source", 429},
    {"too_many_requests", 503},
    {"shed", 503},
    {"queue_timeout", 503},
    {"rate_limited", 429},
    {"buffers_full", 503},
    {"heads_held", 0},
    {"stream_error", 0},
    {"retry_budget", 503},
    {"draining", 503},
    {"bad_proxy_header", 0},
    {"proxy_header_timeout", 0},
    {"connect_failed", 503},
    {"connect_timeout", 504},
    {"upstream_tls", 502},
    {"upstream_reset", 502},
    {"upstream_timeout", 504},
    {"upstream_protocol", 502},
    {"upgrade_unsupported", 502},
    {"grpc_needs_http2", 502},
    {"not_grpc", 502},
    {"deadline_exceeded", 504},
    {"request_timeout", 504},
    {"idle_timeout", 504},
    {"stream_age", 503},
}};

struct StatusFacts {
  int status;
  absl::string_view text;
};
constexpr StatusFacts kStatuses[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {410, "Gone"},
    {413, "Content Too Large"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

}  // namespace

Method MethodOf(absl::string_view name) {
  switch (name.size()) {
    case 3:
      if (name == "GET") return Method::kGet;
      if (name == "PUT") return Method::kPut;
      break;
    case 4:
      if (name == "POST") return Method::kPost;
      if (name == "HEAD") return Method::kHead;
      break;
    case 5:
      if (name == "PATCH") return Method::kPatch;
      if (name == "TRACE") return Method::kTrace;
      break;
    case 6:
      if (name == "DELETE") return Method::kDelete;
      break;
    case 7:
      if (name == "OPTIONS") return Method::kOptions;
      if (name == "CONNECT") return Method::kConnect;
      break;
    default:
      break;
  }
  return Method::kOther;
}

bool IsIdempotent(Method method) {
  switch (method) {
    case Method::kDelete:
    case Method::kGet:
    case Method::kHead:
    case Method::kOptions:
    case Method::kPut:
    case Method::kTrace:
      return true;
    default:
      return false;
  }
}

void RequestHead::Clear() {
  block.Clear();
  method = Method::kOther;
  method_text = target = path = sent_target = authority = TextRef{};
  path_traits = 0;
  body = BodyKind::kNone;
  content_length = 0;
  expects_continue = false;
  legacy = false;
  keep_alive = true;
  protocols = TextRef{};
  extended_connect = false;
  upgrade = Upgrade::kNone;
}

void RequestHead::CopyFrom(const RequestHead& other) {
  block.CopyFrom(other.block);
  method = other.method;
  method_text = other.method_text;
  target = other.target;
  path = other.path;
  path_traits = other.path_traits;
  sent_target = other.sent_target;
  authority = other.authority;
  body = other.body;
  content_length = other.content_length;
  expects_continue = other.expects_continue;
  legacy = other.legacy;
  keep_alive = other.keep_alive;
  wants_trailers = other.wants_trailers;
  protocols = other.protocols;
  extended_connect = other.extended_connect;
  upgrade = other.upgrade;
}

void ResponseHead::Clear() {
  block.Clear();
  status = 0;
  reason = TextRef{};
  body = BodyKind::kNone;
  content_length = 0;
  keep_alive = true;
  switched = false;
}

absl::string_view ReasonName(Reason reason) { return kReasons[static_cast<size_t>(reason)].name; }

int ReasonStatus(Reason reason) { return kReasons[static_cast<size_t>(reason)].status; }

absl::string_view StatusText(int status) {
  for (const StatusFacts& facts : kStatuses) {
    if (facts.status == status) return facts.text;
  }
  return "Unknown";
}

}  // namespace pointsman::gateway
