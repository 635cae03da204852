#pragma once

// The one canonical form of a request's path, which is matched, decided by and forwarded
// (docs/design/paths.md has the rules and why). Thread-safe (no state); no allocation.

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace pointsman::common {

// What servers read differently, so that a path with it passes only where a route allows it. Bits.
enum PathTrait : uint8_t {
  kPathEncodedSlash = 1,    // %2F
  kPathEncodedPercent = 2,  // %25
  kPathSemicolon = 4,       // ';' or %3B
  kPathEncodedQuery = 8,    // %3F or %23
  kPathEmptySegment = 16,   // "//"
};
using PathTraits = uint8_t;

enum class PathError : uint8_t {
  kNone,
  kNoSlash,     // Does not begin with '/'.
  kByte,        // A control byte, a space, a backslash, '#', 0x7f and above: raw or encoded.
  kEscape,      // '%' without two hexadecimal digits.
  kUtf8,        // Encoded bytes above 0x7f that are not UTF-8.
  kAboveRoot,   // ".." where nothing is left to leave.
  kHiddenDots,  // A segment that is "." or ".." for who decodes once more than this gateway.
};

enum class EmptySegments : uint8_t {
  kMerge,  // "//" becomes "/".
  kKeep,
};

struct CanonicalPath {
  PathError error = PathError::kNone;
  PathTraits traits = 0;
  size_t size = 0;  // Bytes of the canonical form; never more than came.
};

// Bytes before the query of a `target` whose path is canonical already and has no trait; npos when
// CanonicalizePath has to look. Most requests end here. O(n).
size_t PlainPathSize(absl::string_view target);

// Writes the canonical form of `path` (without a query; '?' is refused as a byte) to `out`, which
// has room for path.size() bytes and does not overlap with it. O(n). What comes out goes through
// again unchanged.
CanonicalPath CanonicalizePath(absl::string_view path, EmptySegments empty, char* out);

// "a control byte, ..." and so on, to end a sentence with. Static storage.
absl::string_view PathErrorText(PathError error);

// A prefix that ends before `rest` covers the whole path: a segment ends there, for this gateway or
// for a server that decodes it or cuts parameters off.
bool SegmentEndsBefore(absl::string_view rest);

}  // namespace pointsman::common
