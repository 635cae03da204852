#pragma once

// Finds the bytes of an HTTP/1 body and its end, and checks chunked framing strictly: sizes of 1 to
// 16 hex digits, every line ended by CRLF, extensions bounded and dropped. No I/O, no callback; the
// result is the same however the bytes were cut. Thread-compatible.

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "gateway/http/message.h"
#include "gateway/http1/line_parser.h"

namespace pointsman::gateway {

// What one Next() found.
struct BodyProgress {
  ParseState state = ParseState::kMore;
  size_t consumed = 0;
  // Body bytes, a part of the consumed input; may be empty.
  absl::string_view data;
  Reason reason = Reason::kNone;
};

class BodyParser {
 public:
  // All extensions of one body together.
  static constexpr size_t kExtensionBytesMax = 4096;

  explicit BodyParser(const HeadLimits& limits) : trailers_(limits) {}

  // Starts a body; trailers are added to `block`.
  void Start(BodyKind kind, int64_t content_length, HeaderBlock* block);
  // Looks at `input` up to the next end of a piece of data. Call again with the rest until nothing
  // is consumed, or kDone or kError. A body of no bytes is kDone at once.
  BodyProgress Next(absl::string_view input);
  bool done() const { return phase_ == Phase::kDone; }

 private:
  enum class Phase : uint8_t {
    kData,  // `left_` bytes of kLength or of a chunk.
    kUntilClose,
    kSize,  // Hex digits of a chunk size.
    kExtension,
    kSizeLf,
    kDataCr,
    kDataLf,
    kTrailers,
    kDone,
  };

  bool StepSize(char c);
  bool StepFraming(char c);
  BodyProgress TakeData(absl::string_view input, size_t skipped);
  BodyProgress TakeTrailers(absl::string_view input, size_t skipped);

  TrailerParser trailers_;
  HeaderBlock* block_ = nullptr;
  Phase phase_ = Phase::kDone;
  bool chunked_ = false;
  uint8_t size_digits_ = 0;
  uint64_t left_ = 0;
  size_t extension_bytes_ = 0;
};

}  // namespace pointsman::gateway
