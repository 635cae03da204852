#pragma once

// Reads the heads of HTTP/1 requests and responses, and the trailers of chunked bodies, from bytes
// that come in any pieces. Strict by choice: framing is never repaired, so that two servers in a
// row cannot see different messages (docs/design/http1.md names each rule). No I/O; no callback;
// the result is the same however the bytes were cut. Thread-compatible; the head belongs to the
// caller and must outlive the parse.

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

// Collects lines into a HeaderBlock. Base of the three parsers below.
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
  // Parses "name: value" and adds it.
  Reason AddFieldLine(TextRef line);
  void Begin(HeaderBlock* block, size_t fields_max);

  const HeadLimits limits_;
  HeaderBlock* block_ = nullptr;

 private:
  size_t head_bytes_ = 0;
  size_t line_begin_ = 0;
  size_t fields_max_ = 0;
};

class RequestParser : public LineParser {
 public:
  explicit RequestParser(const HeadLimits& limits) : LineParser(limits) {}
  // Starts a new head; `head` is cleared.
  void Start(RequestHead* head);
  // Call again with what follows until it is kDone or kError.
  HeadProgress Feed(absl::string_view input);

 private:
  Reason ParseRequestLine(TextRef line);
  Reason ParseTarget(TextRef target);

  RequestHead* head_ = nullptr;
  bool have_line_ = false;
  bool skipped_empty_ = false;
};

class ResponseParser : public LineParser {
 public:
  explicit ResponseParser(const HeadLimits& limits) : LineParser(limits) {}
  // `request_method` decides how the response's body is framed.
  void Start(ResponseHead* head, Method request_method);
  HeadProgress Feed(absl::string_view input);

 private:
  Reason ParseStatusLine(TextRef line);

  ResponseHead* head_ = nullptr;
  Method request_method_ = Method::kOther;
  bool have_line_ = false;
  bool legacy_ = false;
};

// Trailers are added to the head's block, behind its fields.
class TrailerParser : public LineParser {
 public:
  explicit TrailerParser(const HeadLimits& limits) : LineParser(limits) {}
  void Start(HeaderBlock* block);
  HeadProgress Feed(absl::string_view input);
};

}  // namespace pointsman::gateway
