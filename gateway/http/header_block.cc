#include "gateway/http/header_block.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/match.h"

namespace pointsman::gateway {

namespace {

struct KnownName {
  absl::string_view name;
  FieldToken token;
};

// By size, so that a name is compared with few.
constexpr KnownName kKnownNames[] = {
    {"te", FieldToken::kTe},
    {"via", FieldToken::kVia},
    {"host", FieldToken::kHost},
    {"cookie", FieldToken::kCookie},
    {"expect", FieldToken::kExpect},
    {"trailer", FieldToken::kTrailer},
    {"upgrade", FieldToken::kUpgrade},
    {"forwarded", FieldToken::kForwarded},
    {"x-real-ip", FieldToken::kXRealIp},
    {"connection", FieldToken::kConnection},
    {"keep-alive", FieldToken::kKeepAlive},
    {"set-cookie", FieldToken::kSetCookie},
    {"content-type", FieldToken::kContentType},
    {"grpc-timeout", FieldToken::kGrpcTimeout},
    {"x-request-id", FieldToken::kXRequestId},
    {"authorization", FieldToken::kAuthorization},
    {"x-http-method", FieldToken::kMethodOverride},
    {"x-rewrite-url", FieldToken::kPathOverride},
    {"content-length", FieldToken::kContentLength},
    {"x-original-url", FieldToken::kPathOverride},
    {"x-forwarded-for", FieldToken::kXForwardedFor},
    {"x-forwarded-host", FieldToken::kXForwardedHost},
    {"proxy-connection", FieldToken::kProxyConnection},
    {"transfer-encoding", FieldToken::kTransferEncoding},
    {"sec-websocket-key", FieldToken::kSecWebSocketKey},
    {"x-forwarded-proto", FieldToken::kXForwardedProto},
    {"x-method-override", FieldToken::kMethodOverride},
    {"proxy-authenticate", FieldToken::kProxyAuthenticate},
    {"proxy-authorization", FieldToken::kProxyAuthorization},
    {"sec-websocket-accept", FieldToken::kSecWebSocketAccept},
    {"x-http-method-override", FieldToken::kMethodOverride},
};
// Known by their beginning, whatever follows.
constexpr KnownName kKnownPrefixes[] = {
    {"x-pointsman-", FieldToken::kPointsman},
    {"x-forwarded-", FieldToken::kXForwardedOther},
};
constexpr size_t kKnownSizeMax = 22;

// Index of the first known name of each size; [size, size + 1) is the range to look at.
struct SizeIndex {
  uint8_t begin[kKnownSizeMax + 2];
};
constexpr SizeIndex MakeSizeIndex() {
  SizeIndex index{};
  size_t at = 0;
  for (size_t size = 0; size <= kKnownSizeMax + 1; ++size) {
    while (at < std::size(kKnownNames) && kKnownNames[at].name.size() < size) ++at;
    index.begin[size] = static_cast<uint8_t>(at);
  }
  return index;
}
constexpr SizeIndex kSizeIndex = MakeSizeIndex();

// Equal in any case, '_' counting as '-'. Known names are lower case.
bool SameFolded(absl::string_view name, absl::string_view known, bool* alias) {
  bool folded = false;
  for (size_t i = 0; i < known.size(); ++i) {
    char c = name[i];
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
    if (c == '_') {
      c = '-';
      folded = true;
    }
    if (c != known[i]) return false;
  }
  *alias = folded;
  return true;
}

}  // namespace

FieldToken TokenOf(absl::string_view name, bool* alias) {
  *alias = false;
  if (name.empty()) return FieldToken::kOther;
  if (name.size() <= kKnownSizeMax) {
    for (size_t i = kSizeIndex.begin[name.size()]; i < kSizeIndex.begin[name.size() + 1]; ++i) {
      if (SameFolded(name, kKnownNames[i].name, alias)) return kKnownNames[i].token;
    }
  }
  if ((name[0] | 0x20) != 'x') return FieldToken::kOther;
  for (const KnownName& prefix : kKnownPrefixes) {
    if (name.size() > prefix.name.size() &&
        SameFolded(name.substr(0, prefix.name.size()), prefix.name, alias)) {
      return prefix.token;
    }
  }
  return FieldToken::kOther;
}

void HeaderBlock::CopyFrom(const HeaderBlock& other) {
  Clear();
  AppendText(absl::string_view(other.data_, other.size_));
  fields_ = other.fields_;
  tokens_ = other.tokens_;
  trailers_begin_ = other.trailers_begin_;
}

void HeaderBlock::Clear() {
  if (heap_ != nullptr) {
    heap_.reset();
    data_ = inline_;
    capacity_ = kInlineBytes;
  }
  size_ = 0;
  fields_.clear();
  tokens_ = 0;
  trailers_begin_ = SIZE_MAX;
}

void HeaderBlock::Grow(size_t wanted) {
  const size_t capacity = std::max(wanted, capacity_ * 2);
  std::unique_ptr<char[]> grown(new char[capacity]);
  std::memcpy(grown.get(), data_, size_);
  heap_ = std::move(grown);
  data_ = heap_.get();
  capacity_ = capacity;
}

void HeaderBlock::AppendText(absl::string_view bytes) {
  std::memcpy(ReserveText(bytes.size()), bytes.data(), bytes.size());
  size_ += bytes.size();
}

char* HeaderBlock::ReserveText(size_t size) {
  if (size_ + size > capacity_) Grow(size_ + size);
  return data_ + size_;
}

void HeaderBlock::Erase(TokenSet tokens) {
  if (!MayHave(tokens)) return;
  for (size_t i = 0; i < head_fields(); ++i) {
    Field& field = fields_[i];
    if ((Only(field.token) & tokens) == 0) continue;
    field = Field{.name = {}, .value = {}, .token = FieldToken::kOther, .dropped = true};
  }
  tokens_ &= ~tokens;
}

const Field* HeaderBlock::Find(FieldToken token) const {
  if (!MayHave(Only(token))) return nullptr;
  for (size_t i = 0; i < head_fields(); ++i) {
    if (fields_[i].token == token) return &fields_[i];
  }
  return nullptr;
}

absl::string_view HeaderBlock::Value(absl::string_view name) const {
  for (size_t i = 0; i < head_fields(); ++i) {
    if (absl::EqualsIgnoreCase(At(fields_[i].name), name)) return At(fields_[i].value);
  }
  return absl::string_view();
}

}  // namespace pointsman::gateway
