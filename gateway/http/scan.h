#pragma once

// Fast looks at bytes of HTTP/1 heads. Thread-safe.

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace pointsman::gateway {

namespace scan_internal {
// One bit per question, by byte.
inline constexpr uint8_t kToken = 1;   // tchar of RFC 9110 5.6.2.
inline constexpr uint8_t kTarget = 2;  // Allowed in a request target: 0x21 to 0x7e without '#'.
inline constexpr uint8_t kValue = 4;   // Field value: HTAB, 0x20 to 0x7e, 0x80 to 0xff.
inline constexpr uint8_t kHost = 8;    // Letters, digits, '-', '.', '_', '~'.

struct ByteTable {
  uint8_t bits[256];
};
constexpr ByteTable MakeByteTable() {
  ByteTable table{};
  for (int c = 0; c < 256; ++c) {
    const bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    uint8_t bits = 0;
    bool token = alnum;
    for (char t : {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'}) {
      token = token || c == t;
    }
    if (token) bits |= kToken;
    if (c > 0x20 && c < 0x7f && c != '#') bits |= kTarget;
    if (c == '\t' || (c >= 0x20 && c != 0x7f)) bits |= kValue;
    if (alnum || c == '-' || c == '.' || c == '_' || c == '~') bits |= kHost;
    table.bits[c] = bits;
  }
  return table;
}
inline constexpr ByteTable kBytes = MakeByteTable();

inline bool Is(char c, uint8_t kind) { return (kBytes.bits[static_cast<uint8_t>(c)] & kind) != 0; }
inline bool AllOf(absl::string_view bytes, uint8_t kind) {
  for (char c : bytes) {
    if (!Is(c, kind)) return false;
  }
  return true;
}
}  // namespace scan_internal

inline bool IsTokenByte(char c) { return scan_internal::Is(c, scan_internal::kToken); }
inline bool IsToken(absl::string_view bytes) {
  return !bytes.empty() && scan_internal::AllOf(bytes, scan_internal::kToken);
}
inline bool IsTargetText(absl::string_view bytes) {
  return scan_internal::AllOf(bytes, scan_internal::kTarget);
}
inline bool IsHostByte(char c) { return scan_internal::Is(c, scan_internal::kHost); }

// No control byte but HTAB. 16 bytes at a time.
inline bool IsValueText(absl::string_view bytes) {
  const char* at = bytes.data();
  size_t left = bytes.size();
#ifdef __SSE2__
  const __m128i highest_control = _mm_set1_epi8(0x1f);
  const __m128i del = _mm_set1_epi8(0x7f);
  const __m128i tab = _mm_set1_epi8('\t');
  for (; left >= 16; at += 16, left -= 16) {
    const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(x, highest_control), x);
    const __m128i bad =
        _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(x, tab), control), _mm_cmpeq_epi8(x, del));
    if (_mm_movemask_epi8(bad) != 0) return false;
  }
#endif
  return scan_internal::AllOf(absl::string_view(at, left), scan_internal::kValue);
}

// Without SP and HTAB at both ends.
inline absl::string_view TrimBlanks(absl::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace pointsman::gateway
