#include "gateway/http1/head_rules.h"

#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "gateway/http/field_rules.h"
#include "gateway/http/scan.h"
#include "gateway/http/upgrade.h"

namespace pointsman::gateway {

namespace {

// Options of all Connection fields of one head.
constexpr int kConnectionOptionsMax = 32;

// What the framing and connection fields of a head say together.
struct Framing {
  bool has_length = false;
  bool has_coding = false;
  int64_t length = 0;
  bool close = false;
  bool keep_alive = false;
  bool upgrade = false;
  bool lists_fields = false;
  Reason error = Reason::kNone;
};

void ReadConnectionOptions(absl::string_view value, Framing* framing) {
  while (!value.empty()) {
    const size_t comma = value.find(',');
    const absl::string_view option = TrimBlanks(value.substr(0, comma));
    if (absl::EqualsIgnoreCase(option, "close")) {
      framing->close = true;
    } else if (absl::EqualsIgnoreCase(option, "keep-alive")) {
      framing->keep_alive = true;
    } else if (!option.empty()) {
      framing->lists_fields = true;
      framing->upgrade = framing->upgrade || absl::EqualsIgnoreCase(option, "upgrade");
    }
    if (comma == absl::string_view::npos) return;
    value.remove_prefix(comma + 1);
  }
}

// Fields of one hop by their nature, which are read here.
constexpr TokenSet kHopFields =
    Only(FieldToken::kConnection) | Only(FieldToken::kContentLength) | Only(FieldToken::kExpect) |
    Only(FieldToken::kKeepAlive) | Only(FieldToken::kProxyConnection) | Only(FieldToken::kTe) |
    Only(FieldToken::kTrailer) | Only(FieldToken::kTransferEncoding) | Only(FieldToken::kUpgrade);

// A field named in Connection is for this hop only. Host and framing fields cannot be named away:
// they are handled by their own rules anyway.
// False: more options than any honest sender has; each is held against every field.
bool DropListed(HeaderBlock* block) {
  int left = kConnectionOptionsMax;
  for (size_t i = 0; i < block->head_fields(); ++i) {
    if (block->fields()[i].token != FieldToken::kConnection) continue;
    absl::string_view value = block->At(block->fields()[i].value);
    while (!value.empty()) {
      if (--left < 0) return false;
      const size_t comma = value.find(',');
      const absl::string_view option = TrimBlanks(value.substr(0, comma));
      for (Field& field : block->fields()) {
        if (field.token == FieldToken::kHost) continue;
        if (!absl::EqualsIgnoreCase(block->At(field.name), option)) continue;
        field.dropped = true;
        if ((Only(field.token) & kHopFields) != 0) continue;
        // What does not go on is not decided by either.
        field.token = FieldToken::kOther;
        field.name.size = 0;
      }
      if (comma == absl::string_view::npos) break;
      value.remove_prefix(comma + 1);
    }
  }
  return true;
}

void ReadFramingField(const HeaderBlock& block, Field* field, Framing* framing) {
  const absl::string_view value = block.At(field->value);
  if (field->token == FieldToken::kContentLength) {
    framing->length = ParseContentLength(value);
    if (framing->has_length || framing->length < 0) framing->error = Reason::kBadContentLength;
    framing->has_length = true;
    field->dropped = true;
  } else if (field->token == FieldToken::kTransferEncoding) {
    if (framing->has_coding || !absl::EqualsIgnoreCase(value, "chunked")) {
      framing->error = Reason::kBadTransferEncoding;
    }
    framing->has_coding = true;
    field->dropped = true;
  } else {
    ReadConnectionOptions(value, framing);
    field->dropped = true;
  }
}

Framing ReadFraming(HeaderBlock* block) {
  Framing framing;
  for (Field& field : block->fields()) {
    switch (field.token) {
      case FieldToken::kContentLength:
      case FieldToken::kTransferEncoding:
      case FieldToken::kConnection:
        ReadFramingField(*block, &field, &framing);
        break;
      case FieldToken::kKeepAlive:
      case FieldToken::kProxyConnection:
      case FieldToken::kTe:
      case FieldToken::kUpgrade:
        field.dropped = true;
        break;
      default:
        break;
    }
  }
  if (framing.has_length && framing.has_coding && framing.error == Reason::kNone) {
    framing.error = Reason::kBadTransferEncoding;
  }
  if (framing.lists_fields && !DropListed(block)) framing.error = Reason::kBadHeader;
  return framing;
}

Reason ReadHostAndExpect(RequestHead* head) {
  bool has_host = false;
  for (Field& field : head->block.fields()) {
    const absl::string_view value = head->block.At(field.value);
    if (field.token == FieldToken::kHost) {
      if (has_host || !IsAuthority(value)) return Reason::kBadHost;
      if (head->authority.size > 0 &&
          !absl::EqualsIgnoreCase(head->block.At(head->authority), value)) {
        return Reason::kBadHost;
      }
      has_host = true;
      head->authority = field.value;
      field.dropped = true;  // Written anew from `authority`.
    } else if (field.token == FieldToken::kExpect) {
      if (head->expects_continue || !absl::EqualsIgnoreCase(value, "100-continue")) {
        return Reason::kBadExpect;
      }
      head->expects_continue = true;
      field.dropped = true;  // Answered here.
    }
  }
  if (!has_host && !head->legacy) return Reason::kBadHost;
  return Reason::kNone;
}

}  // namespace

Reason ApplyRequestRules(RequestHead* head) {
  if (const Reason reason = ReadHostAndExpect(head); reason != Reason::kNone) return reason;
  const Framing framing = ReadFraming(&head->block);
  if (framing.error != Reason::kNone) return framing.error;
  if (framing.has_coding) {
    if (head->legacy) return Reason::kBadTransferEncoding;
    head->body = BodyKind::kChunked;
  } else if (framing.has_length) {
    // A length of zero is kept: it says that there is a body, and that it is empty.
    head->body = BodyKind::kLength;
    head->content_length = framing.length;
  }
  if (head->legacy) head->expects_continue = false;
  head->keep_alive = head->legacy ? framing.keep_alive && !framing.close : !framing.close;
  if (framing.upgrade) head->protocols = ProtocolsAskedFor(*head);
  return Reason::kNone;
}

Reason ApplyResponseRules(Method request_method, Upgrade asked, bool legacy, ResponseHead* head) {
  const Framing framing = ReadFraming(&head->block);
  if (framing.error != Reason::kNone) return Reason::kUpstreamProtocol;
  if (legacy && framing.has_coding) return Reason::kUpstreamProtocol;
  DropGatewaysOwnFields(&head->block);
  head->keep_alive = !legacy && !framing.close;
  if (head->status == 101) {
    head->switched = framing.upgrade && !legacy && asked != Upgrade::kNone;
    if (!head->switched) return Reason::kUpstreamProtocol;
  }
  if (head->status < 200 || head->status == 204) {
    if (framing.has_coding || framing.length > 0) return Reason::kUpstreamProtocol;
    head->body = head->switched ? BodyKind::kUntilClose : BodyKind::kNone;
  } else if (request_method == Method::kHead || head->status == 304) {
    head->body = BodyKind::kNone;
    // The length a GET would have had is forwarded as it is.
    head->content_length = framing.has_length ? framing.length : -1;
  } else if (framing.has_coding) {
    head->body = BodyKind::kChunked;
  } else if (framing.has_length) {
    head->body = BodyKind::kLength;
    head->content_length = framing.length;
  } else {
    head->body = BodyKind::kUntilClose;
    head->keep_alive = false;
  }
  return Reason::kNone;
}

}  // namespace pointsman::gateway
