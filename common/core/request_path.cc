#include "common/core/request_path.h"

#include <algorithm>
#include <cstring>

#include "common/core/hex.h"
#include "common/core/utf8.h"

namespace pointsman::common {
namespace {

enum class ByteKind : uint8_t {
  kRefused,
  kPlain,  // Stands for itself; its escape is another spelling only where it is unreserved.
  kSlash,
  kQuery,  // '?': the path is over.
  kSemicolon,
  kPercent,
};

struct KindTable {
  ByteKind kinds[256];
};
constexpr KindTable MakeKinds() {
  KindTable table{};
  for (int c = 0; c < 256; ++c) {
    table.kinds[c] = c > 0x20 && c < 0x7f ? ByteKind::kPlain : ByteKind::kRefused;
  }
  table.kinds[static_cast<int>('\\')] = ByteKind::kRefused;
  table.kinds[static_cast<int>('#')] = ByteKind::kRefused;
  table.kinds[static_cast<int>('/')] = ByteKind::kSlash;
  table.kinds[static_cast<int>('?')] = ByteKind::kQuery;
  table.kinds[static_cast<int>(';')] = ByteKind::kSemicolon;
  table.kinds[static_cast<int>('%')] = ByteKind::kPercent;
  return table;
}
constexpr KindTable kKinds = MakeKinds();

ByteKind KindOf(char c) { return kKinds.kinds[static_cast<uint8_t>(c)]; }

// The byte written as two digits at `at`; -1: none is.
int HexByteAt(absl::string_view text, size_t at) {
  if (at + 2 > text.size()) return -1;
  const int high = HexValue(text[at]);
  const int low = HexValue(text[at + 1]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// RFC 3986 2.3.
bool IsUnreserved(int c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

PathTraits TraitOfEncoded(int byte) {
  switch (byte) {
    case '/':
      return kPathEncodedSlash;
    case '%':
      return kPathEncodedPercent;
    case ';':
      return kPathSemicolon;
    case '?':
    case '#':
      return kPathEncodedQuery;
    default:
      return 0;
  }
}

// The byte that a server may take the text at `*at` for, however often it decodes; moves on behind
// it.
int DecodedThrough(absl::string_view text, size_t* at) {
  const char c = text[(*at)++];
  if (c != '%') return static_cast<uint8_t>(c);
  int byte = HexByteAt(text, *at);
  *at += 2;
  while (byte == '%') {
    const int deeper = HexByteAt(text, *at);
    if (deeper < 0) break;
    byte = deeper;
    *at += 2;
  }
  return byte;
}

// A part of a canonical segment is "." or ".." for a server that decodes it, or cuts parameters or
// a query off.
bool HidesDots(absl::string_view segment) {
  int dots = 0;
  bool in_name = true;  // Not in parameters.
  const auto is_dots = [&] { return in_name && (dots == 1 || dots == 2); };
  for (size_t at = 0; at < segment.size();) {
    const int byte = DecodedThrough(segment, &at);
    if (byte == '/' || byte == '\\') {
      if (is_dots()) return true;
      dots = 0;
      in_name = true;
    } else if (byte == ';' || byte == '?' || byte == '#') {
      if (is_dots()) return true;
      in_name = false;
    } else {
      dots = byte == '.' ? std::min(dots + 1, 3) : 3;
    }
  }
  return is_dots();
}

class Canonicalizer {
 public:
  Canonicalizer(absl::string_view path, EmptySegments empty, char* out)
      : path_(path), empty_(empty), out_(out) {}

  CanonicalPath Run() {
    if (path_.empty() || path_.front() != '/') return {.error = PathError::kNoSlash};
    out_[0] = '/';
    size_ = segment_ = at_ = 1;
    while (at_ < path_.size() && error_ == PathError::kNone) Step();
    if (error_ == PathError::kNone) EndSegment(/*last=*/true);
    return {error_, traits_, size_};
  }

 private:
  void Put(char c) { out_[size_++] = c; }

  void Step() {
    const char c = path_[at_];
    switch (KindOf(c)) {
      case ByteKind::kPercent:
        return Escape();
      case ByteKind::kSlash:
        ++at_;
        return EndSegment(/*last=*/false);
      case ByteKind::kSemicolon:
        NoteTrait(kPathSemicolon);
        break;
      case ByteKind::kPlain:
        break;
      case ByteKind::kQuery:
      case ByteKind::kRefused:
        error_ = PathError::kByte;
        return;
    }
    Put(c);
    ++at_;
  }

  void Escape() {
    const int byte = HexByteAt(path_, at_ + 1);
    if (byte < 0) {
      error_ = PathError::kEscape;
    } else if (byte >= 0x80) {
      EscapedUtf8();
    } else if (byte < 0x20 || byte == 0x7f || byte == '\\') {
      error_ = PathError::kByte;
    } else if (IsUnreserved(byte)) {
      Put(static_cast<char>(byte));
      at_ += 3;
    } else if (const PathTraits trait = TraitOfEncoded(byte); trait != 0) {
      NoteTrait(trait);
      // As it came: who allows these wants the bytes untouched.
      for (int i = 0; i < 3; ++i) Put(path_[at_++]);
    } else {
      PutEscape(byte);
      at_ += 3;
    }
  }

  void EscapedUtf8() {
    char bytes[4];
    size_t count = 0;
    for (size_t at = at_; count < 4 && at < path_.size() && path_[at] == '%'; at += 3) {
      const int byte = HexByteAt(path_, at + 1);
      if (byte < 0) break;
      bytes[count++] = static_cast<char>(byte);
    }
    const size_t length = Utf8SequenceLength(absl::string_view(bytes, count));
    if (length == 0) {
      error_ = PathError::kUtf8;
      return;
    }
    for (size_t i = 0; i < length; ++i) PutEscape(static_cast<uint8_t>(bytes[i]));
    at_ += 3 * length;
  }

  void PutEscape(int byte) {
    constexpr char kDigits[] = "0123456789ABCDEF";
    Put('%');
    Put(kDigits[byte >> 4]);
    Put(kDigits[byte & 15]);
  }

  void NoteTrait(PathTraits trait) {
    traits_ |= trait;
    special_ = true;
  }

  // The segment that begins at segment_ is complete; a '/' follows unless it is the last.
  void EndSegment(bool last) {
    const absl::string_view segment(out_ + segment_, size_ - segment_);
    if (special_ && HidesDots(segment)) {
      error_ = PathError::kHiddenDots;
      return;
    }
    special_ = false;
    if (segment == "..") {
      if (segment_ == 1) {
        error_ = PathError::kAboveRoot;
        return;
      }
      size_ = segment_ - 1;
      while (out_[size_ - 1] != '/') --size_;
    } else if (segment == ".") {
      size_ = segment_;
    } else if (segment.empty()) {
      if (last) return;
      traits_ |= kPathEmptySegment;
      if (empty_ == EmptySegments::kKeep) Put('/');
    } else if (!last) {
      Put('/');
    }
    segment_ = size_;
  }

  const absl::string_view path_;
  const EmptySegments empty_;
  char* const out_;
  size_t at_ = 0;         // In path_.
  size_t size_ = 0;       // Of what was written.
  size_t segment_ = 0;    // Where the current segment begins in out_.
  bool special_ = false;  // The current segment has a trait.
  PathTraits traits_ = 0;
  PathError error_ = PathError::kNone;
};

}  // namespace

size_t PlainPathSize(absl::string_view target) {
  if (target.empty() || target.front() != '/') return absl::string_view::npos;
  const char* const begin = target.data();
  const char* const end = begin + target.size();
  for (const char* at = begin; at != end; ++at) {
    const ByteKind kind = KindOf(*at);
    if (kind == ByteKind::kPlain) continue;
    if (kind == ByteKind::kQuery) return static_cast<size_t>(at - begin);
    if (kind != ByteKind::kSlash) return absl::string_view::npos;
    // An empty segment, or one that may be dots (a name that begins with one is looked at again).
    if (at + 1 != end && (at[1] == '/' || at[1] == '.')) return absl::string_view::npos;
  }
  return target.size();
}

CanonicalPath CanonicalizePath(absl::string_view path, EmptySegments empty, char* out) {
  return Canonicalizer(path, empty, out).Run();
}

absl::string_view PathErrorText(PathError error) {
  switch (error) {
    case PathError::kNone:
      return "nothing";
    case PathError::kNoSlash:
      return "no \"/\" at its beginning";
    case PathError::kByte:
      return "a control byte, a space, \"\\\", \"?\", \"#\" or a byte above 0x7e";
    case PathError::kEscape:
      return "\"%\" without two hexadecimal digits";
    case PathError::kUtf8:
      return "encoded bytes that are not UTF-8";
    case PathError::kAboveRoot:
      return "\"..\" above the root";
    case PathError::kHiddenDots:
      return "a segment that hides \".\" or \"..\"";
  }
  return "";
}

bool SegmentEndsBefore(absl::string_view rest) {
  if (rest.empty() || rest.front() == '/' || rest.front() == ';') return true;
  if (rest.front() != '%') return false;
  size_t at = 0;
  const int byte = DecodedThrough(rest, &at);
  return byte == '/' || byte == '\\' || byte == ';' || byte == '?' || byte == '#';
}

}  // namespace pointsman::common
