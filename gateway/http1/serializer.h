#pragma once

// Writes HTTP/1.1 heads, chunks and trailers into a connection's queue. Only text that was parsed
// by the strict parser, or is the gateway's own, is written. Thread-compatible; no I/O.

#include <cstdint>

#include "absl/strings/string_view.h"
#include "gateway/http/forwarding.h"
#include "gateway/http/message.h"
#include "gateway/net/out_queue.h"

namespace pointsman::gateway {

// Head of a request to an upstream: origin form, Host first, hop-by-hop fields left out, Via,
// X-Forwarded-For, X-Forwarded-Proto and X-Request-Id added; Upgrade when one is asked for.
void WriteRequestHead(const RequestHead& head, const ForwardedFacts& facts, OutQueue* out);

struct ResponseFraming {
  BodyKind body = BodyKind::kNone;
  // Written when not negative and the body is kLength or kNone.
  int64_t content_length = -1;
  // "Connection: close".
  bool close = false;
  // The client speaks HTTP/1.0 and stays connected: say so.
  bool legacy_keep_alive = false;
};

void WriteResponseHead(const ResponseHead& head, const ResponseFraming& framing, OutQueue* out);
// "101 Switching Protocols" to an HTTP/1 client: `request` is its head, `head` what the endpoint
// agreed with. REQUIRES: head.switched.
void WriteSwitch(const RequestHead& request, const ResponseHead& head, OutQueue* out);

// A whole answer of the gateway's own.
void WriteOwnResponse(const OwnResponse& response, OutQueue* out);

void WriteContinue(OutQueue* out);
// "SIZE CRLF" data CRLF. REQUIRES: data is not empty.
void WriteChunk(const Slice& data, OutQueue* out);
// The last chunk with the block's trailers.
void WriteLastChunk(const HeaderBlock& block, OutQueue* out);

}  // namespace pointsman::gateway
