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

constexpr uint64_t kCaseBits = 0x2020202020202020;

// In lower case, '_' as '-': what the bytes of a known name already are.
constexpr uint8_t Folded(char c) { return c == '_' ? '-' : static_cast<uint8_t>(c | 0x20); }

// Few names share a slot with a known one, and no known one with another.
constexpr size_t kSlots = 128;
constexpr size_t SlotOf(absl::string_view name) {
  return (name.size() + Folded(name.front()) + Folded(name[name.size() / 2]) * 5 +
          Folded(name.back()) * 17) %
         kSlots;
}

struct SlotTable {
  uint8_t known[kSlots];  // Place in kKnownNames and one; 0: none.
  bool shared;
};
constexpr SlotTable MakeSlots() {
  SlotTable table{};
  for (size_t i = 0; i < std::size(kKnownNames); ++i) {
    uint8_t& slot = table.known[SlotOf(kKnownNames[i].name)];
    if (slot != 0) table.shared = true;
    slot = static_cast<uint8_t>(i + 1);
  }
  return table;
}
constexpr SlotTable kSlotTable = MakeSlots();
static_assert(!kSlotTable.shared, "take other factors in SlotOf()");

uint64_t EightAt(const char* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

// Equal in any case, of the same size. Every byte of a known name has the bit that a capital lacks,
// and setting it makes no other byte of a token one of theirs.
bool SameInAnyCase(const char* name, absl::string_view known) {
  size_t at = 0;
  for (; at + 8 <= known.size(); at += 8) {
    if ((EightAt(name + at) | kCaseBits) != EightAt(known.data() + at)) return false;
  }
  if (at == known.size()) return true;
  if (known.size() >= 8) {
    at = known.size() - 8;
    return (EightAt(name + at) | kCaseBits) == EightAt(known.data() + at);
  }
  for (; at < known.size(); ++at) {
    if ((name[at] | 0x20) != known[at]) return false;
  }
  return true;
}

// As SameInAnyCase(), or else with '_' for '-', and then an alias.
bool SameFolded(absl::string_view name, absl::string_view known, bool* alias) {
  if (SameInAnyCase(name.data(), known)) return true;
  for (size_t i = 0; i < known.size(); ++i) {
    if (Folded(name[i]) != static_cast<uint8_t>(known[i])) return false;
  }
  *alias = true;
  return true;
}

}  // namespace

FieldToken TokenOf(absl::string_view name, bool* alias) {
  *alias = false;
  if (name.empty()) return FieldToken::kOther;
  if (const uint8_t slot = kSlotTable.known[SlotOf(name)]; slot != 0) {
    const KnownName& known = kKnownNames[slot - 1];
    if (known.name.size() == name.size() && SameFolded(name, known.name, alias)) return known.token;
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

void HeaderBlock::ReleaseMemory() {
  if (heap_ != nullptr) Clear();
  if (fields_.capacity() > kInlineFields) {
    fields_.clear();
    fields_.shrink_to_fit();
  }
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
