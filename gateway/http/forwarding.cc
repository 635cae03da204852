#include "gateway/http/forwarding.h"

namespace pointsman::gateway {

namespace {

bool IsForwardingToken(FieldToken token) {
  switch (token) {
    case FieldToken::kForwarded:
    case FieldToken::kPointsman:
    case FieldToken::kXForwardedFor:
    case FieldToken::kXForwardedHost:
    case FieldToken::kXForwardedProto:
    case FieldToken::kXRealIp:
    case FieldToken::kXRequestId:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool ReplacedByOurs(const Field& field, bool trust_client) {
  if (!IsForwardingToken(field.token)) return false;
  if (!trust_client) return true;
  return field.token == FieldToken::kXForwardedFor || field.token == FieldToken::kPointsman;
}

std::string ForwardedForBefore(const HeaderBlock& block) {
  std::string chain;
  for (size_t i = 0; i < block.head_fields(); ++i) {
    const Field& field = block.fields()[i];
    if (field.token != FieldToken::kXForwardedFor || field.dropped) continue;
    const absl::string_view value = block.At(field.value);
    chain.append(value.data(), value.size());
    chain.append(", ");
  }
  return chain;
}

}  // namespace pointsman::gateway
