#pragma once

// The text of one message head (and its trailers) with its fields as (token, name, value): a
// bounded arena that belongs to one stream and is used again by the next. Places are offsets, so
// that the arena may grow. Thread-compatible; owned by a stream.

#include <cstdint>
#include <memory>

#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"

namespace pointsman::gateway {

// Field names with a meaning for the gateway; every other one is kOther.
enum class FieldToken : uint8_t {
  kOther,
  kAuthorization,
  kConnection,
  kContentLength,
  kContentType,
  kCookie,
  kExpect,
  kForwarded,
  kGrpcTimeout,
  kHost,
  kKeepAlive,
  kMethodOverride,  // "x-http-method-override" and its kin.
  kPathOverride,    // "x-original-url", "x-rewrite-url".
  kPointsman,       // "x-pointsman-" and anything behind it.
  kProxyAuthenticate,
  kProxyAuthorization,
  kProxyConnection,
  kSecWebSocketAccept,
  kSecWebSocketKey,
  kSetCookie,
  kTe,
  kTrailer,
  kTransferEncoding,
  kUpgrade,
  kVia,
  kXForwardedFor,
  kXForwardedHost,
  kXForwardedOther,  // "x-forwarded-" and anything else behind it.
  kXForwardedProto,
  kXRealIp,
  kXRequestId,
};

// The token of a field name in any case. A name with '_' where a known one has '-' gets that one's
// token and sets `*alias`: some servers fold the two, so such a field must not pass as unknown.
// REQUIRES: `name` has bytes of tokens only (RFC 9110 5.6.2).
FieldToken TokenOf(absl::string_view name, bool* alias);

// A part of a HeaderBlock's text.
struct TextRef {
  uint32_t offset = 0;
  uint32_t size = 0;
};

struct Field {
  TextRef name;
  TextRef value;
  FieldToken token = FieldToken::kOther;
  // Not forwarded: hop-by-hop, listed in Connection, or not trusted.
  bool dropped = false;
};

// Set of field tokens, a bit each.
using TokenSet = uint64_t;
constexpr TokenSet Only(FieldToken token) { return TokenSet{1} << static_cast<int>(token); }

class HeaderBlock {
 public:
  static constexpr size_t kInlineBytes = 2048;
  static constexpr size_t kInlineFields = 24;

  HeaderBlock() = default;
  HeaderBlock(const HeaderBlock&) = delete;
  HeaderBlock& operator=(const HeaderBlock&) = delete;

  void CopyFrom(const HeaderBlock& other);
  // Empties; keeps the memory unless it grew beyond the inline part.
  void Clear();
  // Gives back the memory that it grew by; what it held is gone then. O(1) when it did not grow.
  void ReleaseMemory();
  // Appends to the text. The caller bounds the sum.
  void AppendText(absl::string_view bytes);
  size_t text_size() const { return size_; }
  const char* text() const { return data_; }
  absl::string_view At(TextRef ref) const {
    return absl::string_view(data_ + ref.offset, ref.size);
  }

  // Where `part` stands. REQUIRES: it is a part of this block's text.
  TextRef RefTo(absl::string_view part) const {
    return TextRef{static_cast<uint32_t>(part.data() - data_), static_cast<uint32_t>(part.size())};
  }

  // Room for `size` more bytes of text, to be written before anything else is called but
  // CommitText(), which takes what was written. Text may move: places stay, views do not.
  char* ReserveText(size_t size);
  void CommitText(size_t size) { size_ += size; }
  // Appends, and says where it stands. REQUIRES: `text` is not in this block.
  TextRef Keep(absl::string_view text) {
    const TextRef ref{static_cast<uint32_t>(size_), static_cast<uint32_t>(text.size())};
    AppendText(text);
    return ref;
  }

  void AddField(const Field& field) {
    tokens_ |= Only(field.token);
    fields_.push_back(field);
  }
  // The same of the head also when its trailers are here already.
  void AddHeadField(const Field& field) {
    tokens_ |= Only(field.token);
    fields_.insert(fields_.begin() + static_cast<ptrdiff_t>(head_fields()), field);
    if (trailers_begin_ != SIZE_MAX) ++trailers_begin_;
  }
  // Some field with one of these tokens was added. O(1).
  bool MayHave(TokenSet tokens) const { return (tokens_ & tokens) != 0; }
  // Takes the fields of the head with these tokens out: they are neither forwarded nor found.
  void Erase(TokenSet tokens);
  // Fields of the head, then (from trailers_begin() on) of the trailers.
  absl::InlinedVector<Field, kInlineFields>& fields() { return fields_; }
  const absl::InlinedVector<Field, kInlineFields>& fields() const { return fields_; }
  void BeginTrailers() { trailers_begin_ = fields_.size(); }
  size_t head_fields() const {
    return trailers_begin_ < fields_.size() ? trailers_begin_ : fields_.size();
  }
  size_t trailers_begin() const { return trailers_begin_; }
  bool has_trailers() const { return trailers_begin_ < fields_.size(); }

  // First field of the head with this token, or null. O(fields), O(1) for most that are not there.
  const Field* Find(FieldToken token) const;
  // Value of the first head field with this name (any case), or null data. O(fields).
  absl::string_view Value(absl::string_view name) const;

 private:
  void Grow(size_t wanted);

  char inline_[kInlineBytes];
  std::unique_ptr<char[]> heap_;
  char* data_ = inline_;
  size_t size_ = 0;
  size_t capacity_ = kInlineBytes;
  absl::InlinedVector<Field, kInlineFields> fields_;
  size_t trailers_begin_ = SIZE_MAX;
  TokenSet tokens_ = 0;
};

}  // namespace pointsman::gateway
