#pragma once

// Reads the heads of HTTP/1 requests and responses from bytes that come in any pieces: their first
// lines here, their fields by LineParser, what the fields mean together by head_rules.h. Strict by
// choice: framing is never repaired, so that two servers in a row cannot see different messages
// (docs/design/http1.md names each rule). No I/O; no callback; the result is the same however the
// bytes were cut. Thread-compatible; the head belongs to the caller and must outlive the parse.

#include "absl/strings/string_view.h"
#include "gateway/http/message.h"
#include "gateway/http1/line_parser.h"

namespace pointsman::gateway {

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
  // `request_method` decides how the response's body is framed; `asked` is the change of protocol
  // that the request asked for.
  void Start(ResponseHead* head, Method request_method, Upgrade asked = Upgrade::kNone);
  HeadProgress Feed(absl::string_view input);

 private:
  Reason ParseStatusLine(TextRef line);

  ResponseHead* head_ = nullptr;
  Method request_method_ = Method::kOther;
  Upgrade asked_ = Upgrade::kNone;
  bool have_line_ = false;
  bool legacy_ = false;
};

}  // namespace pointsman::gateway
