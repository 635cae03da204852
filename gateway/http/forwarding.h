#pragma once

// Which fields of a message leave the gateway, whatever protocol writes them: fields of this hop
// only stay behind; what the gateway says of itself and of the client is added where forwarded.h
// did not leave a believed one. Thread-compatible; no allocation.

#include "absl/strings/string_view.h"
#include "gateway/http/message.h"

namespace pointsman::gateway {

// What the gateway says of a request to the upstream.
struct ForwardedFacts {
  absl::string_view client_host;  // Of the connection's other end; without port.
  absl::string_view proto;        // "http" or "https".
  absl::string_view request_id;
  // Of a trace that begins here; empty: the request belongs to another, or to none.
  absl::string_view traceparent;
  // Host that takes the place of the request's own; empty: none does.
  absl::string_view authority;
  // Host of requests that named none (HTTP/1.0).
  absl::string_view default_host;
  // Of the message as it came: "1.1 pointsman" and the like.
  absl::string_view via = "1.1 pointsman";
};

// The host that the upstream is told.
inline absl::string_view HostToTell(const RequestHead& head, const ForwardedFacts& facts) {
  if (!facts.authority.empty()) return facts.authority;
  return head.authority.size > 0 ? head.block.At(head.authority) : facts.default_host;
}

// The gateway's own fields: `put(name, value)` for each.
template <typename Put>
void PutOwnRequestFields(const RequestHead& head, const ForwardedFacts& facts, Put&& put) {
  const HeaderBlock& block = head.block;
  if (block.Find(FieldToken::kXForwardedFor) == nullptr) put("x-forwarded-for", facts.client_host);
  if (block.Find(FieldToken::kXForwardedProto) == nullptr) put("x-forwarded-proto", facts.proto);
  if (head.authority.size > 0 && block.Find(FieldToken::kXForwardedHost) == nullptr) {
    put("x-forwarded-host", block.At(head.authority));
  }
  if (block.Find(FieldToken::kXRequestId) == nullptr) put("x-request-id", facts.request_id);
  if (!facts.traceparent.empty()) put("traceparent", facts.traceparent);
}

// Every field of the request but host and framing, in order.
template <typename Put>
void PutRequestFields(const RequestHead& head, const ForwardedFacts& facts, Put&& put) {
  const HeaderBlock& block = head.block;
  for (size_t i = 0; i < block.head_fields(); ++i) {
    const Field& field = block.fields()[i];
    if (!field.dropped) put(block.At(field.name), block.At(field.value));
  }
  PutOwnRequestFields(head, facts, put);
}

// Fields of a section that are forwarded: [begin, end) of the block's fields.
template <typename Put>
void PutFields(const HeaderBlock& block, size_t begin, size_t end, Put&& put) {
  for (size_t i = begin; i < end; ++i) {
    const Field& field = block.fields()[i];
    if (!field.dropped) put(block.At(field.name), block.At(field.value));
  }
}

}  // namespace pointsman::gateway
