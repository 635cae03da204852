#pragma once

// A request's JSON body, read to look at fields that routes match on. Strict (RFC 8259, UTF-8, at
// most 1,024 levels) and on the safe side of what servers differ in: a field that comes twice has
// no value. Names are compared after their escapes are resolved. Thread-compatible; one for a
// worker, used again for each body.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace pointsman::gateway {

// The steps of a JSON pointer (RFC 6901) with their escapes resolved. REQUIRES: it begins with "/".
std::vector<std::string> PointerSteps(absl::string_view pointer);

// `content_type` (a field's value, empty: there is none) says JSON: application/json or a type
// that ends with +json, with or without parameters.
bool IsJsonType(absl::string_view content_type);

class JsonBody {
 public:
  struct Field {
    enum class Kind : uint8_t {
      kAbsent,
      kText,   // A string's characters, an integer's digits, "true", "false", "null".
      kOther,  // An object, an array, a number that is no integer of 64 bits.
      kTwice,  // An object on the way has the name more than once.
    };
    Kind kind = Kind::kAbsent;
    // kText; until the next Find(), Read() or Forget().
    absl::string_view text;
  };

  JsonBody();
  ~JsonBody();
  JsonBody(const JsonBody&) = delete;
  JsonBody& operator=(const JsonBody&) = delete;

  // Reads a body that lies in pieces, copying it; false: it is no JSON. O(bytes), about 10 bytes of
  // memory for each.
  bool Read(absl::Span<const absl::string_view> pieces);
  // What the pointer leads to. REQUIRES: the last Read() was true and nothing forgot it. O(names of
  // the objects on the way).
  Field Find(absl::Span<const std::string> steps) const;
  // Frees the memory that a large body needed.
  void Forget();

 private:
  // Bytes of a body whose memory is kept for the next.
  static constexpr size_t kKeptBytes = 128 * 1024;

  struct Reader;
  std::unique_ptr<Reader> reader_;
};

}  // namespace pointsman::gateway
