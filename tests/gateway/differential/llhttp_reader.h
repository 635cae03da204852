#pragma once

// Reads one HTTP/1 message twice, by the gateway's parsers and by llhttp (strict), and tells what
// each saw in the same terms: so that two servers in a row can be compared. Pure.

#include <llhttp.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gateway/http1/body_parser.h"
#include "gateway/http1/head_parser.h"

namespace pointsman::gateway {

// What a server in a row believes that it was sent.
struct SeenMessage {
  ParseState state = ParseState::kMore;
  std::string why;  // When kError: the name of the reason.
  // When kError, of llhttp: the line it was in, and whether the head was behind it.
  std::string error_line;
  bool error_behind_head = false;
  std::string start;   // Method and minor version, or status and reason text.
  std::string target;  // Of requests.
  using Fields = std::vector<std::pair<std::string, std::string>>;
  Fields fields;  // As sent, blanks around values left out.
  Fields trailers;
  std::string body;
  bool until_close = false;
  size_t consumed = 0;  // When kDone.
};

namespace llhttp_reader {

struct Reading {
  SeenMessage seen;
  std::string name;
  std::string value;
  std::string status;
  bool head_done = false;
  bool bodiless = false;

  static Reading& Of(llhttp_t* parser) { return *static_cast<Reading*>(parser->data); }
};

inline int OnUrl(llhttp_t* parser, const char* at, size_t size) {
  Reading::Of(parser).seen.target.append(at, size);
  return 0;
}
inline int OnStatus(llhttp_t* parser, const char* at, size_t size) {
  Reading::Of(parser).status.append(at, size);
  return 0;
}
inline int OnName(llhttp_t* parser, const char* at, size_t size) {
  Reading::Of(parser).name.append(at, size);
  return 0;
}
inline int OnValue(llhttp_t* parser, const char* at, size_t size) {
  Reading::Of(parser).value.append(at, size);
  return 0;
}
inline int OnValueEnd(llhttp_t* parser) {
  Reading& reading = Reading::Of(parser);
  auto& list = reading.head_done ? reading.seen.trailers : reading.seen.fields;
  const absl::string_view value = absl::StripAsciiWhitespace(reading.value);
  list.emplace_back(std::exchange(reading.name, ""), std::string(value));
  reading.value.clear();
  return 0;
}
inline int OnHeadEnd(llhttp_t* parser) {
  Reading& reading = Reading::Of(parser);
  reading.head_done = true;
  if (parser->type == HTTP_REQUEST) {
    reading.seen.start =
        absl::StrCat(llhttp_method_name(static_cast<llhttp_method_t>(parser->method)), " ",
                     static_cast<int>(parser->http_minor));
  } else {
    const int status = parser->status_code;
    reading.seen.start = absl::StrCat(status, " ", reading.status);
    // llhttp leaves this rule of RFC 9112, section 6.3, to its callers.
    reading.bodiless |= status / 100 == 1 || status == 204 || status == 304;
    reading.seen.until_close = !reading.bodiless && llhttp_message_needs_eof(parser) != 0;
  }
  return reading.bodiless ? 1 : 0;
}
inline int OnBody(llhttp_t* parser, const char* at, size_t size) {
  Reading::Of(parser).seen.body.append(at, size);
  return 0;
}
inline int OnEnd(llhttp_t* parser) {
  Reading::Of(parser).seen.state = ParseState::kDone;
  return HPE_PAUSED;
}

inline const llhttp_settings_t& Settings() {
  static const llhttp_settings_t* const settings = [] {
    auto* made = new llhttp_settings_t;
    llhttp_settings_init(made);
    made->on_url = &OnUrl;
    made->on_status = &OnStatus;
    made->on_header_field = &OnName;
    made->on_header_value = &OnValue;
    made->on_header_value_complete = &OnValueEnd;
    made->on_headers_complete = &OnHeadEnd;
    made->on_body = &OnBody;
    made->on_message_complete = &OnEnd;
    return made;
  }();
  return *settings;
}

}  // namespace llhttp_reader

namespace llhttp_reader {

inline std::string LineAt(absl::string_view input, size_t at) {
  const size_t begin = input.substr(0, at).rfind('\n') + 1;  // npos + 1: the first line.
  return std::string(input.substr(begin, input.find('\n', at) - begin));
}

}  // namespace llhttp_reader

// The first message of `input`. `bodiless`: the answer to a HEAD.
inline SeenMessage ReadWithLlhttp(absl::string_view input, bool request, bool bodiless = false) {
  llhttp_reader::Reading reading;
  reading.bodiless = bodiless;
  llhttp_t parser;
  llhttp_init(&parser, request ? HTTP_REQUEST : HTTP_RESPONSE, &llhttp_reader::Settings());
  parser.data = &reading;
  const llhttp_errno_t error = llhttp_execute(&parser, input.data(), input.size());
  SeenMessage& seen = reading.seen;
  if (seen.state == ParseState::kDone) {
    seen.consumed = error == HPE_OK
                        ? input.size()
                        : static_cast<size_t>(llhttp_get_error_pos(&parser) - input.data());
  } else if (error != HPE_OK) {
    seen.state = ParseState::kError;
    seen.why = absl::StrCat(llhttp_errno_name(error), ": ", llhttp_get_error_reason(&parser));
    seen.error_line = llhttp_reader::LineAt(input, llhttp_get_error_pos(&parser) - input.data());
    seen.error_behind_head = reading.head_done;
  }
  return seen;
}

namespace llhttp_reader {

// A field whose name the gateway took away still stands in the text it came in.
inline absl::string_view NameOf(const HeaderBlock& block, const Field& field) {
  if (field.name.size > 0) return block.At(field.name);
  const absl::string_view rest =
      absl::string_view(block.text(), block.text_size()).substr(field.name.offset);
  return rest.substr(0, rest.find(':'));
}

inline void CollectFields(const HeaderBlock& block, SeenMessage* seen) {
  for (size_t i = 0; i < block.fields().size(); ++i) {
    const Field& field = block.fields()[i];
    auto& list = i < block.head_fields() ? seen->fields : seen->trailers;
    list.emplace_back(std::string(NameOf(block, field)), std::string(block.At(field.value)));
  }
}

template <typename Progress>
bool Refused(const Progress& progress, SeenMessage* seen) {
  if (progress.state != ParseState::kError) return false;
  seen->state = ParseState::kError;
  seen->why = std::string(ReasonName(progress.reason));
  return true;
}

template <typename Head>
void ReadBody(absl::string_view input, size_t at, Head* head, SeenMessage* seen) {
  BodyParser body{HeadLimits{}};
  body.Start(head->body, head->content_length, &head->block);
  while (true) {
    const BodyProgress progress = body.Next(input.substr(at));
    if (Refused(progress, seen)) return;
    at += progress.consumed;
    seen->body.append(progress.data.data(), progress.data.size());
    seen->state = progress.state;
    if (seen->state == ParseState::kDone || progress.consumed == 0) break;
  }
  CollectFields(head->block, seen);
  seen->consumed = seen->state == ParseState::kDone ? at : 0;
}

}  // namespace llhttp_reader

inline SeenMessage ReadRequestWithOurs(absl::string_view input) {
  SeenMessage seen;
  RequestHead head;
  RequestParser parser(HeadLimits{});
  parser.Start(&head);
  const HeadProgress progress = parser.Feed(input);
  if (progress.state != ParseState::kDone) {
    llhttp_reader::Refused(progress, &seen);
    return seen;
  }
  llhttp_reader::ReadBody(input, progress.consumed, &head, &seen);
  seen.start = absl::StrCat(head.block.At(head.method_text), " ", head.legacy ? 0 : 1);
  seen.target = std::string(head.block.At(head.target));
  return seen;
}

inline SeenMessage ReadResponseWithOurs(absl::string_view input, bool bodiless = false) {
  SeenMessage seen;
  ResponseHead head;
  ResponseParser parser(HeadLimits{});
  parser.Start(&head, bodiless ? Method::kHead : Method::kGet);
  const HeadProgress progress = parser.Feed(input);
  if (progress.state != ParseState::kDone) {
    llhttp_reader::Refused(progress, &seen);
    return seen;
  }
  llhttp_reader::ReadBody(input, progress.consumed, &head, &seen);
  seen.until_close = head.body == BodyKind::kUntilClose;
  seen.start = absl::StrCat(head.status, " ", head.block.At(head.reason));
  return seen;
}

// Where the two disagree about bytes that both take; nullopt: nowhere. A message that one takes
// whole and the other waits to go on with is the worst of them.
inline std::optional<std::string> Disagreement(const SeenMessage& ours, const SeenMessage& theirs) {
  if (ours.state == ParseState::kError || theirs.state == ParseState::kError) return std::nullopt;
  if (ours.state != theirs.state) return "where the message ends";
  if (ours.state == ParseState::kMore && !ours.until_close) return std::nullopt;
  if (ours.consumed != theirs.consumed) return "how many bytes are the message's";
  if (ours.until_close != theirs.until_close) return "whether the connection ends the message";
  if (ours.start != theirs.start) return "the first line";
  if (ours.body != theirs.body) return "the body";
  if (ours.fields != theirs.fields) return "the fields";
  if (ours.trailers != theirs.trailers) return "the trailers";
  // Ours is the origin form of what was sent.
  if (theirs.target == ours.target) return std::nullopt;
  const bool absolute = absl::StrContains(theirs.target, "://");
  const bool same = absl::EndsWith(theirs.target, ours.target) ||
                    absl::EndsWith(theirs.target + "/", ours.target);
  return absolute && same ? std::nullopt : std::optional<std::string>("the target");
}

}  // namespace pointsman::gateway
