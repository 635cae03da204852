// What a route makes of a request besides sending it on as it is: another path, other fields,
// another URL for the client.

#include "absl/strings/match.h"
#include "gateway/core/parameters.h"
#include "gateway/core/rewrite.h"
#include "gateway/http/header_changes.h"
#include "gateway/proxy/stream.h"

namespace pointsman::gateway {

absl::string_view Stream::Query() const {
  const absl::string_view target = request_.block.At(request_.target);
  const size_t mark = target.find('?');
  return mark == absl::string_view::npos ? absl::string_view() : target.substr(mark + 1);
}

std::optional<common::IpAddress> Stream::ClientAddress() const {
  return common::ParseIpAddress(ClientHost());
}

std::optional<absl::string_view> Stream::Cookie(absl::string_view name) const {
  const HeaderBlock& block = request_.block;
  if (!block.MayHave(Only(FieldToken::kCookie))) return std::nullopt;
  // HTTP/2 may send each cookie in a field of its own.
  for (size_t i = 0; i < block.head_fields(); ++i) {
    const Field& field = block.fields()[i];
    if (field.token != FieldToken::kCookie || field.dropped) continue;
    if (const auto value = FindCookie(block.At(field.value), name)) return value;
  }
  return std::nullopt;
}

absl::string_view Stream::ClientScheme() const {
  // What a trusted proxy says of the client's connection counts; nobody else's word is left here.
  const Field* told = request_.block.Find(FieldToken::kXForwardedProto);
  return told != nullptr ? request_.block.At(told->value) : client_->Proto();
}

void Stream::DrawTarget(const RouteEntry& route) {
  target_ =
      route.split.empty() ? route.service : route.Target(absl::Uniform<uint32_t>(context_->random));
}

bool Stream::ApplyRewrite(const RouteEntry& route) {
  const Rewrite& rewrite = *route.rewrite;
  HeaderBlock& block = request_.block;
  if (!rewrite.host.empty()) policy_.authority = rewrite.host;
  // "*" is no path.
  const bool has_path = absl::StartsWith(block.At(request_.path), "/");
  if (rewrite.path.kind != PathChange::Kind::kNone && has_path) {
    std::optional<std::string> target = route.ChangePath(rewrite.path, block.At(request_.path));
    if (!target.has_value()) return false;
    if (const absl::string_view query = Query(); query.data() != nullptr) {
      target->push_back('?');
      target->append(query.data(), query.size());
    }
    request_.target = block.Keep(*target);
  }
  ApplyHeaderChanges(rewrite.request_headers, &block);
  if (!rewrite.response_headers.empty()) rewrite_ = route.rewrite;
  return true;
}

void Stream::AnswerRedirect(const RouteEntry& route) {
  const Redirect& redirect = *route.redirect;
  const HeaderBlock& block = request_.block;
  if (!absl::StartsWith(block.At(request_.path), "/")) return Fail(Reason::kBadPath);
  // A scheme makes no URL without a host.
  const bool has_host = !redirect.host.empty() || request_.authority.size > 0;
  if (!redirect.scheme.empty() && !has_host) return Fail(Reason::kBadHost);
  const std::optional<std::string> path = route.ChangePath(redirect.path, block.At(request_.path));
  if (!path.has_value()) return Fail(Reason::kBadPath);
  const std::string location =
      LocationOf(redirect, ClientScheme(), block.At(request_.authority), *path, Query());
  OwnResponse response;
  response.status = redirect.status;
  response.location = location;
  Answer(response);
}

}  // namespace pointsman::gateway
