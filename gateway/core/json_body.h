#pragma once

// A request's JSON body, read to look at fields that routes match on. Strict: RFC 8259, UTF-8, at
// most 1,024 levels, no number beyond 64 bits or a double's range, no escaped half of a surrogate
// pair. And on the safe side of what servers differ in: a field that comes twice has no value.
// Names are compared after their escapes are resolved. Thread-compatible; one for a worker, used
// again for each body.

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
      kOther,  // An object, an array, a number with a fraction or an exponent.
      kTwice,  // An object on the way has the name more than once.
    };
    Kind kind = Kind::kAbsent;
    // kText; until the next Read() or Forget().
    absl::string_view text;
  };
  // A place in bodies; what it leads to is kept by its number, which is another for each.
  struct Pointer {
    uint32_t number = 0;
    std::vector<std::string> steps;  // PointerSteps().
  };

  JsonBody();
  ~JsonBody();
  JsonBody(const JsonBody&) = delete;
  JsonBody& operator=(const JsonBody&) = delete;

  // Reads a body that lies in pieces, copying it; false: it is no JSON. O(bytes), about 16 bytes of
  // memory for each.
  bool Read(absl::Span<const absl::string_view> pieces);
  // What the pointer leads to. REQUIRES: the last Read() was true and nothing forgot it. O(names of
  // the objects on the way), once for each pointer and body.
  Field Find(const Pointer& pointer);
  // The body is not needed any more; the memory of a large one goes.
  void Forget();
  // Frees what no body needed since the last call.
  void Trim();
  // Bytes of the largest body that memory is kept for.
  size_t kept_bytes() const;

 private:
  struct Reader;
  std::unique_ptr<Reader> reader_;  // Null: no memory is kept.
  bool used_ = false;               // Since the last Trim().
};

}  // namespace pointsman::gateway
