#include "gateway/http/request_rules.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/match.h"

namespace pointsman::gateway {

namespace {

using common::CanonicalPath;
using common::EmptySegments;
using common::PathError;

// The canonical form of `sent`, and the query behind it, become the target.
Reason Canonicalize(TextRef sent, EmptySegments empty, RequestHead* head) {
  HeaderBlock& block = head->block;
  char* const out = block.ReserveText(sent.size);
  const absl::string_view text = block.At(sent);
  const size_t path_size = std::min(text.find('?'), text.size());
  const CanonicalPath canonical = common::CanonicalizePath(text.substr(0, path_size), empty, out);
  if (canonical.error != PathError::kNone) return Reason::kBadPath;
  head->path_traits = canonical.traits;
  head->sent_target = head->target = sent;
  if (absl::string_view(out, canonical.size) != text.substr(0, path_size)) {
    const absl::string_view query = text.substr(path_size);
    std::memcpy(out + canonical.size, query.data(), query.size());
    head->target = {static_cast<uint32_t>(block.text_size()),
                    static_cast<uint32_t>(canonical.size + query.size())};
    block.CommitText(head->target.size);
  }
  head->path = {head->target.offset, static_cast<uint32_t>(canonical.size)};
  return Reason::kNone;
}

// Methods are told apart by case, but not by every server behind us.
Reason CheckMethod(const RequestHead& head) {
  if (head.method == Method::kTrace) return Reason::kTraceRefused;
  // What CONNECT may come through here is for the codecs to say.
  if (head.method != Method::kOther) return Reason::kNone;
  const absl::string_view method = head.block.At(head.method_text);
  if (absl::EqualsIgnoreCase(method, "trace") || absl::EqualsIgnoreCase(method, "track")) {
    return Reason::kTraceRefused;
  }
  return absl::EqualsIgnoreCase(method, "connect") ? Reason::kConnectRefused : Reason::kNone;
}

}  // namespace

Reason PrepareRequest(RequestHead* head) {
  if (const Reason reason = CheckMethod(*head); reason != Reason::kNone) return reason;
  // The method that is matched and decided by is the one the endpoint acts on.
  head->block.Erase(Only(FieldToken::kMethodOverride));
  const absl::string_view target = head->block.At(head->target);
  const size_t plain = common::PlainPathSize(target);
  if (plain != absl::string_view::npos) {
    head->path = {head->target.offset, static_cast<uint32_t>(plain)};
    return Reason::kNone;
  }
  if (target == "*") {
    head->path = head->target;
    return Reason::kNone;
  }
  return Canonicalize(head->target, EmptySegments::kMerge, head);
}

Reason KeepEmptySegments(RequestHead* head) {
  return Canonicalize(head->sent_target, EmptySegments::kKeep, head);
}

}  // namespace pointsman::gateway
