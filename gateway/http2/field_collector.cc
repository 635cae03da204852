#include "gateway/http2/field_collector.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "gateway/http/field_rules.h"
#include "gateway/http/scan.h"

namespace pointsman::gateway {

void FieldCollector::Start(Place place, HeaderBlock* block, size_t fields_max) {
  place_ = place;
  block_ = block;
  fields_max_ = fields_max;
  fields_ = bytes_ = cookies_ = 0;
  has_scheme_ = has_protocol_ = false;
  reason_ = Reason::kNone;
}

void FieldCollector::StartRequest(RequestHead* head) {
  head->Clear();
  request_ = head;
  Start(Place::kRequest, &head->block, limits_.fields_max);
}

void FieldCollector::StartResponse(ResponseHead* head) {
  head->Clear();
  response_ = head;
  Start(Place::kResponse, &head->block, limits_.fields_max);
}

void FieldCollector::StartTrailers(HeaderBlock* block) {
  block->BeginTrailers();
  Start(Place::kTrailers, block, limits_.trailer_fields_max);
}

void FieldCollector::StartNothing() { Start(Place::kNothing, nullptr, 0); }

TextRef FieldCollector::Keep(absl::string_view text) {
  const TextRef ref{static_cast<uint32_t>(block_->text_size()), static_cast<uint32_t>(text.size())};
  block_->AppendText(text);
  return ref;
}

void FieldCollector::Add(absl::string_view name, absl::string_view value) {
  if (place_ == Place::kNothing || reason_ != Reason::kNone) return;
  bytes_ += name.size() + value.size() + kFieldOverheadBytes;
  if (bytes_ > limits_.bytes_max) {
    reason_ = Reason::kHeadTooLarge;
  } else if (!name.empty() && name.front() == ':') {
    AddPseudo(name, value);
  } else if (++fields_ > fields_max_) {
    reason_ = Reason::kTooManyFields;
  } else {
    AddRegular(name, value);
  }
}

// The library has refused unknown, repeated and late ones.
void FieldCollector::AddPseudo(absl::string_view name, absl::string_view value) {
  if (place_ == Place::kResponse) {
    int status = 0;
    if (value.size() != 3 || !absl::SimpleAtoi(value, &status) || status < 100 || status > 599) {
      reason_ = Reason::kUpstreamProtocol;
    }
    response_->status = status;
  } else if (name == ":method") {
    request_->method = MethodOf(value);
    request_->method_text = Keep(value);
    if (!IsToken(value)) reason_ = Reason::kBadRequestLine;
  } else if (name == ":path") {
    request_->target = Keep(value);
  } else if (name == ":authority") {
    request_->authority = Keep(value);
  } else if (name == ":scheme") {
    has_scheme_ = value == "http" || value == "https";
  } else {
    has_protocol_ = true;
    request_->protocols = Keep(value);
  }
}

// The library has refused names that are no tokens in lower case.
void FieldCollector::AddRegular(absl::string_view name, absl::string_view value) {
  if (!IsValueText(value)) {
    reason_ = place_ == Place::kResponse ? Reason::kUpstreamProtocol : Reason::kBadHeader;
    return;
  }
  Field field;
  bool alias = false;
  field.token = TokenOf(name, &alias);
  if (alias) {
    field.token = FieldToken::kOther;
    field.dropped = true;
  }
  if (field.token == FieldToken::kCookie) ++cookies_;
  field.name = Keep(name);
  if (alias) field.name.size = 0;  // Nor does a route's condition find it.
  field.value = Keep(value);
  block_->AddField(field);
}

Reason FieldCollector::CheckTarget() {
  const absl::string_view target = block_->At(request_->target);
  if (!has_scheme_ || target.empty() || !IsTargetText(target)) return Reason::kBadTarget;
  if (target.front() == '/') return Reason::kNone;
  return target == "*" && request_->method == Method::kOptions ? Reason::kNone : Reason::kBadTarget;
}

// RFC 9113 8.3.1: Host may come beside :authority, but must then say the same.
Reason FieldCollector::CheckAuthority() {
  bool has_host = false;
  for (Field& field : block_->fields()) {
    if (field.token != FieldToken::kHost) continue;
    const absl::string_view value = block_->At(field.value);
    if (has_host) return Reason::kBadHost;
    if (request_->authority.size > 0 &&
        !absl::EqualsIgnoreCase(block_->At(request_->authority), value)) {
      return Reason::kBadHost;
    }
    has_host = true;
    request_->authority = field.value;
    field.dropped = true;  // Written anew from `authority`.
  }
  return IsAuthority(block_->At(request_->authority)) ? Reason::kNone : Reason::kBadHost;
}

Reason FieldCollector::ReadRegularFields(bool* has_length, int64_t* length) {
  for (Field& field : block_->fields()) {
    const absl::string_view value = block_->At(field.value);
    switch (field.token) {
      case FieldToken::kContentLength:
        *length = ParseContentLength(value);
        if (*has_length || *length < 0) return Reason::kBadContentLength;
        *has_length = true;
        field.dropped = true;
        break;
      case FieldToken::kExpect:
        if (place_ != Place::kRequest) break;
        if (!absl::EqualsIgnoreCase(value, "100-continue")) return Reason::kBadExpect;
        request_->expects_continue = true;
        field.dropped = true;
        break;
      // The library refuses them; what a hop may not forward is dropped here all the same.
      case FieldToken::kConnection:
      case FieldToken::kKeepAlive:
      case FieldToken::kProxyConnection:
      case FieldToken::kTe:
      case FieldToken::kTransferEncoding:
      case FieldToken::kUpgrade:
        field.dropped = true;
        break;
      default:
        break;
    }
  }
  return Reason::kNone;
}

// RFC 9113 8.2.3: crumbs become one field where they leave HTTP/2.
void FieldCollector::JoinCookies() {
  if (cookies_ < 2) return;
  Field joined;
  std::string text;
  for (Field& field : block_->fields()) {
    if (field.token != FieldToken::kCookie) continue;
    if (!text.empty()) text.append("; ");
    const absl::string_view value = block_->At(field.value);
    text.append(value.data(), value.size());
    joined = field;
    field.dropped = true;
  }
  joined.value = Keep(text);
  block_->AddField(joined);
}

// From here on it is the GET that asks for the same in HTTP/1, so that routes and retries see one
// kind of request; whether the protocol is followed is the route's to say. The handshake's key has
// no place here (RFC 8441 5.1).
Reason FieldCollector::TakeConnect(bool end) {
  if (!has_protocol_) return Reason::kConnectRefused;
  if (request_->protocols.size == 0) return Reason::kUpgradeRefused;
  if (end) return Reason::kBadRequestLine;  // A tunnel that its client has closed already.
  request_->extended_connect = true;
  request_->method = Method::kGet;
  request_->method_text = Keep("GET");
  for (Field& field : block_->fields()) {
    if (field.token != FieldToken::kSecWebSocketKey) continue;
    field.token = FieldToken::kOther;
    field.dropped = true;
  }
  return Reason::kNone;
}

Reason FieldCollector::FinishRequest(bool end) {
  if (reason_ != Reason::kNone) return reason_;
  if (request_->method == Method::kConnect) {
    if (const Reason reason = TakeConnect(end); reason != Reason::kNone) return reason;
  } else if (has_protocol_) {
    return Reason::kBadRequestLine;
  }
  if (const Reason reason = CheckTarget(); reason != Reason::kNone) return reason;
  if (const Reason reason = CheckAuthority(); reason != Reason::kNone) return reason;
  bool has_length = false;
  int64_t length = 0;
  if (const Reason reason = ReadRegularFields(&has_length, &length); reason != Reason::kNone) {
    return reason;
  }
  if (has_length && request_->extended_connect) return Reason::kBadContentLength;
  if (has_length) {
    request_->body = BodyKind::kLength;
    request_->content_length = length;
  } else {
    const bool bodiless = end || request_->extended_connect;
    request_->body = bodiless ? BodyKind::kNone : BodyKind::kChunked;
  }
  JoinCookies();
  return Reason::kNone;
}

Reason FieldCollector::FinishResponse(Method request_method, Upgrade asked, bool end) {
  bool has_length = false;
  int64_t length = 0;
  if (reason_ == Reason::kNone) reason_ = ReadRegularFields(&has_length, &length);
  if (reason_ != Reason::kNone || response_->status == 101) return Reason::kUpstreamProtocol;
  DropGatewaysOwnFields(block_);
  if (asked != Upgrade::kNone && response_->status >= 200 && response_->status < 300) {
    // RFC 8441 5: any of them opens the tunnel. The proof belongs to HTTP/1.
    for (Field& field : block_->fields()) {
      if (field.token == FieldToken::kSecWebSocketAccept) field.dropped = true;
    }
    response_->status = 101;
    response_->switched = true;
    response_->body = BodyKind::kUntilClose;
    return Reason::kNone;
  }
  if (response_->status < 200) return end ? Reason::kUpstreamProtocol : Reason::kNone;
  if (request_method == Method::kHead || response_->status == 304) {
    response_->content_length = has_length ? length : -1;
  } else if (has_length) {
    response_->body = BodyKind::kLength;
    response_->content_length = length;
  } else if (end) {
    response_->content_length = response_->status == 204 ? -1 : 0;
    if (response_->status != 204) response_->body = BodyKind::kLength;
  } else {
    response_->body = BodyKind::kChunked;
  }
  return Reason::kNone;
}

Reason FieldCollector::FinishTrailers() {
  if (reason_ == Reason::kNone && place_ == Place::kTrailers) ApplyTrailerRules(block_);
  return reason_;
}

}  // namespace pointsman::gateway
