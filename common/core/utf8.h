#pragma once

// Is this text UTF-8? Thread-safe (no state).

#include <cstddef>

#include "absl/strings/string_view.h"

namespace pointsman::common {

// Bytes of the valid sequence `text` begins with (1 to 4); 0 when it begins with none. Overlong
// forms, surrogates and code points above U+10FFFF are not valid.
size_t Utf8SequenceLength(absl::string_view text);

// O(n).
bool IsUtf8(absl::string_view text);

// The longest beginning of at most `bytes_max` bytes that does not end within a character.
// REQUIRES: IsUtf8(text).
absl::string_view CutUtf8(absl::string_view text, size_t bytes_max);

}  // namespace pointsman::common
