#pragma once

// The message model every protocol is translated to and from: heads of requests and responses, how
// a body is framed, and why an exchange ended early. Chunks of bodies travel as Slices. Values;
// thread-compatible; owned by streams.

#include <cstdint>

#include "absl/strings/string_view.h"
#include "common/core/request_path.h"
#include "gateway/http/header_block.h"

namespace pointsman::gateway {

enum class Method : uint8_t {
  kOther,
  kConnect,
  kDelete,
  kGet,
  kHead,
  kOptions,
  kPatch,
  kPost,
  kPut,
  kTrace,
};

Method MethodOf(absl::string_view name);
// RFC 9110 9.2.2: repeating the request has the effect of one.
bool IsIdempotent(Method method);

// Bounds of one head and its trailers, whatever protocol carries them.
struct HeadLimits {
  // Start line, fields and line ends together; also of all trailers.
  size_t bytes_max = 32 * 1024;
  size_t fields_max = 128;
  size_t trailer_fields_max = 32;
};

enum class BodyKind : uint8_t {
  kNone,
  kLength,      // content_length bytes.
  kChunked,     // Ends itself; may have trailers.
  kUntilClose,  // Responses only.
};

// What a request changes to (gateway/http/upgrade.h): nothing, WebSocket with its handshake, or
// another protocol that its route allows, which is known by its name only.
enum class Upgrade : uint8_t { kNone, kWebSocket, kOther };

struct RequestHead {
  HeaderBlock block;
  Method method = Method::kOther;
  TextRef method_text;
  // Path and query: begins with '/', or is "*".
  TextRef target;
  // Of the target, without the query. Set, with the rest of its rules, by PrepareRequest().
  TextRef path;
  common::PathTraits path_traits = 0;
  // The target as it came, when `target` is another now.
  TextRef sent_target;
  // Host and port as sent; empty for an HTTP/1.0 request without one.
  TextRef authority;
  BodyKind body = BodyKind::kNone;
  int64_t content_length = 0;
  bool expects_continue = false;
  // HTTP/1.0: no chunks and no interim responses towards this client.
  bool legacy = false;
  // The client's connection may carry another request.
  bool keep_alive = true;
  // Trailers of the answer are wanted although the client did not say so.
  bool wants_trailers = false;
  // What the client asks to change to: the list of Upgrade, or the one of ":protocol", when this is
  // an extended CONNECT (RFC 8441). Empty: nothing.
  TextRef protocols;
  bool extended_connect = false;
  // What is asked of the endpoint: chosen once the route is known (ChooseUpgrade), which leaves its
  // name alone in `protocols`.
  Upgrade upgrade = Upgrade::kNone;

  void Clear();
  void CopyFrom(const RequestHead& other);
};

struct ResponseHead {
  HeaderBlock block;
  int status = 0;
  TextRef reason;
  BodyKind body = BodyKind::kNone;
  int64_t content_length = 0;
  // The upstream's connection may carry another request.
  bool keep_alive = true;
  // The endpoint follows the upgrade: both directions are opaque bytes from here on. `status` is
  // 101, whatever its protocol calls it.
  bool switched = false;

  void Clear();
};

// Why the gateway refused or ended an exchange. The names (ReasonName) are stable: they are sent in
// "x-pointsman-reason" and counted.
enum class Reason : uint8_t {
  kNone,
  // The client's message.
  kBadRequestLine,
  kBadTarget,
  kBadVersion,
  kBadHeader,
  kBadHost,
  kBadContentLength,
  kBadTransferEncoding,
  kBadChunk,
  kBadTrailer,
  kBadExpect,
  kHeadTooLarge,
  kTooManyFields,
  kBodyTooLarge,
  kConnectRefused,
  kUpgradeRefused,
  kMisdirected,
  kTraceRefused,
  kBadPath,
  kAmbiguousPath,
  kAmbiguousBody,
  kBadGrpcTimeout,
  kBadGrpcWeb,
  kHeadTimeout,
  kBodyTimeout,
  kClientGone,
  // The table.
  kNoTable,
  kNoRoute,
  kNoService,
  kNoEndpoint,
  // Limits and life cycle of the gateway.
  kTooManyConnections,
  kTooManyFromSource,
  kTooManyRequests,
  kShed,
  kQueueTimeout,
  kRateLimited,
  kBuffersFull,
  kHeadsHeld,
  kStreamError,
  kRetryBudget,
  kDraining,
  kBadProxyHeader,
  kProxyHeaderTimeout,
  // The upstream.
  kConnectFailed,
  kConnectTimeout,
  kUpstreamTls,
  kUpstreamReset,
  kUpstreamTimeout,
  kUpstreamProtocol,
  kUpgradeUnsupported,
  kGrpcNeedsHttp2,
  kNotGrpc,
  kDeadlineExceeded,
  kRequestTimeout,
  kIdleTimeout,
  kStreamAge,
  kReasonCount,
};

// A whole answer of the gateway's own. `reason` goes into "x-pointsman-reason" unless kNone.
// `with_body`: false for HEAD. `grpc_status`: said in gRPC's terms (200 and trailers only), with
// the reason as message; negative: in HTTP's.
struct OwnResponse {
  int status = 200;
  int grpc_status = -1;
  absl::string_view grpc_content_type = "application/grpc";
  Reason reason = Reason::kNone;
  absl::string_view body;
  bool with_body = true;
  bool close = false;
  bool legacy_keep_alive = false;
  // Seconds until asking again may succeed; 0: not said.
  int64_t retry_after = 0;
  // Empty: the client is sent nowhere.
  absl::string_view location = {};
};

// "no_route" and the like. Static storage.
absl::string_view ReasonName(Reason reason);
// Status of the gateway's own answer for this reason; 0 when none is sent.
int ReasonStatus(Reason reason);
// "Not Found" and the like; "Unknown" for statuses without a name. Static storage.
absl::string_view StatusText(int status);

}  // namespace pointsman::gateway
