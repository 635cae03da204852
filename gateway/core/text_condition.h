#pragma once

// What a text must be: that of a header, or of a field of a body. Immutable after Compile();
// thread-safe then.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace re2 {
class RE2;
}

namespace pointsman::gateway {

// InvalidArgument, with RE2's words: it does not parse, or needs more than 1 MiB.
absl::StatusOr<std::shared_ptr<const re2::RE2>> CompilePattern(const std::string& text);

struct TextCondition {
  enum class Kind : uint8_t { kExact, kPrefix, kPattern, kPresent, kAbsent };

  // As CompilePattern().
  absl::Status Compile();
  // Absent: there is no such text. REQUIRES: a pattern was compiled. O(text).
  bool Holds(std::optional<absl::string_view> text) const;

  Kind kind = Kind::kPresent;
  std::string value;                                  // kExact, kPrefix; the text of kPattern.
  std::shared_ptr<const re2::RE2> pattern = nullptr;  // Filled in by Compile().
};

}  // namespace pointsman::gateway
