// What of a request decides which endpoint it gets: what the service hashes, and the cookie that
// clients stay with an endpoint by.

#include "common/core/hashing.h"
#include "gateway/core/parameters.h"
#include "gateway/proxy/stream.h"

namespace pointsman::gateway {

std::optional<uint64_t> Stream::HashOf(const HashPart& part) const {
  std::optional<absl::string_view> value;
  std::string scratch;
  switch (part.kind) {
    case HashPart::Kind::kHeader:
      if (const absl::string_view field = request_.block.Value(part.name);
          field.data() != nullptr) {
        value = field;
      }
      break;
    case HashPart::Kind::kCookie:
      value = Cookie(part.name);
      break;
    case HashPart::Kind::kQuery:
      value = FindParameter(Query(), part.name, &scratch);
      break;
    case HashPart::Kind::kClientAddress:
      value = ClientHost();
      break;
  }
  if (!value.has_value()) return std::nullopt;
  return common::Hash64(*value);
}

void Stream::ReadPickKey(const ServiceTable& service) {
  if (service.picker == nullptr) return;
  const PickerPolicy& picker = *service.picker;
  if (picker.hashes()) {
    for (const HashPart& part : picker.hash_on) {
      pick_key_.hash = HashOf(part);
      if (pick_key_.hash.has_value()) break;
    }
  }
  if (picker.affinity.name.empty()) return;
  keeps_affinity_ = true;
  pick_key_.affinity = ParseAffinity(Cookie(picker.affinity.name).value_or(""));
}

void Stream::IssueAffinity() {
  if (affinity_ == pick_key_.affinity) return;
  const ServiceTable* service = FindService();
  if (service == nullptr || service->picker == nullptr) return;
  const AffinityCookie& cookie = service->picker->affinity;
  if (cookie.name.empty()) return;
  HeaderBlock& block = response_->block;
  block.AddHeadField(
      {.name = block.Keep("set-cookie"),
       .value = block.Keep(AffinitySetCookie(cookie, affinity_, ClientScheme() == "https")),
       .token = FieldToken::kSetCookie});
}

}  // namespace pointsman::gateway
