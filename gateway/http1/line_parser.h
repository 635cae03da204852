#pragma once

// Cuts bytes that come in any pieces into lines, and reads those that are fields: what the heads of
// requests and responses and the trailers of chunked bodies have in common. Strict by choice: a
// line ends with CRLF, a name is a token right before its colon, and no line is folded. No I/O; no
// callback; the result is the same however the bytes were cut. Thread-compatible; the block belongs
// to the caller and must outlive the parse.

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "gateway/http/message.h"

namespace pointsman::gateway {

enum class ParseState : uint8_t { kMore, kDone, kError };

struct HeadProgress {
  ParseState state = ParseState::kMore;
  // Bytes that belong to the head; all of the input while kMore.
  size_t consumed = 0;
  // Why, when kError.
  Reason reason = Reason::kNone;
};

// Collects lines into a HeaderBlock. Base of the parsers of heads and trailers.
class LineParser {
 public:
  // Bytes of the head seen so far.
  size_t head_bytes() const { return head_bytes_; }
  // Nothing but an optional empty line has come.
  bool untouched() const { return block_ == nullptr || head_bytes_ <= 2; }

 protected:
  explicit LineParser(const HeadLimits& limits) : limits_(limits) {}

  // The next complete line without its end is in `*line` (true), or more bytes are needed or an
  // error was found (false).
  bool NextLine(absl::string_view input, HeadProgress* progress, TextRef* line);
  // Parses "name: value" and adds it: kNone, kBadHeader or kTooManyFields.
  Reason AddFieldLine(TextRef line);
  void Begin(HeaderBlock* block, size_t fields_max);
  static HeadProgress Failed(HeadProgress progress, Reason reason);

  const HeadLimits limits_;
  HeaderBlock* block_ = nullptr;

 private:
  // Others put text into the block meanwhile: what has come of the line moves behind it.
  void MoveLine();

  size_t head_bytes_ = 0;
  size_t line_begin_ = 0;
  size_t line_end_ = 0;  // Of what has come.
  size_t fields_left_ = 0;
};

// Trailers are added to the head's block, behind its fields.
class TrailerParser : public LineParser {
 public:
  explicit TrailerParser(const HeadLimits& limits) : LineParser(limits) {}
  void Start(HeaderBlock* block);
  HeadProgress Feed(absl::string_view input);
};

}  // namespace pointsman::gateway
