#pragma once

// Runs the request and response parsers over bytes cut in any way and tells what they found, as one
// comparable value.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gateway/http1/body_parser.h"
#include "gateway/http1/head_parser.h"

namespace pointsman::gateway {

struct ParsedMessage {
  ParseState state = ParseState::kMore;
  Reason reason = Reason::kNone;
  std::string start;                // Method, target and authority, or status and reason.
  std::vector<std::string> fields;  // "name: value", those forwarded.
  std::vector<std::string> trailers;
  std::string body;
  bool keep_alive = false;
  size_t consumed = 0;

  friend bool operator==(const ParsedMessage&, const ParsedMessage&) = default;
};

// Where the input is cut; ascending offsets.
using Cuts = std::vector<size_t>;

inline std::vector<absl::string_view> CutAt(absl::string_view input, const Cuts& cuts) {
  std::vector<absl::string_view> pieces;
  size_t from = 0;
  for (size_t cut : cuts) {
    pieces.push_back(input.substr(from, cut - from));
    from = cut;
  }
  pieces.push_back(input.substr(from));
  return pieces;
}

template <typename Parser, typename Head>
class MessageReader {
 public:
  MessageReader(Parser* parser, Head* head) : parser_(parser), head_(head) {}

  ParsedMessage Read(const std::vector<absl::string_view>& pieces) {
    for (absl::string_view piece : pieces) {
      while (result_.state == ParseState::kMore) {
        const size_t consumed = head_done_ ? FeedBody(piece) : FeedHead(piece);
        result_.consumed += consumed;
        piece.remove_prefix(consumed);
        if (consumed == 0 || (piece.empty() && result_.state != ParseState::kMore)) break;
        if (piece.empty()) break;
      }
      if (result_.state != ParseState::kMore) break;
    }
    if (result_.state == ParseState::kError) result_.consumed = 0;
    if (result_.state != ParseState::kError) Collect();
    return result_;
  }

 private:
  size_t FeedHead(absl::string_view piece) {
    const HeadProgress progress = parser_->Feed(piece);
    if (progress.state == ParseState::kError) {
      result_.state = progress.state;
      result_.reason = progress.reason;
    } else if (progress.state == ParseState::kDone) {
      head_done_ = true;
      body_.Start(head_->body, head_->content_length, &head_->block);
      if (body_.done()) result_.state = ParseState::kDone;
    }
    return progress.consumed;
  }

  size_t FeedBody(absl::string_view piece) {
    const BodyProgress progress = body_.Next(piece);
    result_.body.append(progress.data.data(), progress.data.size());
    result_.state = progress.state;
    result_.reason = progress.reason;
    return progress.consumed;
  }

  void Collect() {
    const HeaderBlock& block = head_->block;
    for (size_t i = 0; i < block.fields().size(); ++i) {
      const Field& field = block.fields()[i];
      if (field.dropped) continue;
      auto& list = i < block.head_fields() ? result_.fields : result_.trailers;
      list.push_back(absl::StrCat(block.At(field.name), ": ", block.At(field.value)));
    }
    if (!head_done_) {
      result_.fields.clear();
      return;
    }
    result_.keep_alive = head_->keep_alive;
  }

  Parser* parser_;
  Head* head_;
  BodyParser body_{HeadLimits{}};
  bool head_done_ = false;
  ParsedMessage result_;
};

inline ParsedMessage ParseRequest(absl::string_view input, const Cuts& cuts = {},
                                  const HeadLimits& limits = {}) {
  RequestHead head;
  RequestParser parser(limits);
  parser.Start(&head);
  ParsedMessage message =
      MessageReader<RequestParser, RequestHead>(&parser, &head).Read(CutAt(input, cuts));
  if (message.state == ParseState::kDone) {
    message.start = absl::StrCat(head.block.At(head.method_text), " ", head.block.At(head.target),
                                 " ", head.block.At(head.authority));
  }
  return message;
}

inline ParsedMessage ParseResponse(absl::string_view input, Method method = Method::kGet,
                                   const Cuts& cuts = {}) {
  ResponseHead head;
  ResponseParser parser(HeadLimits{});
  parser.Start(&head, method);
  ParsedMessage message =
      MessageReader<ResponseParser, ResponseHead>(&parser, &head).Read(CutAt(input, cuts));
  if (message.state == ParseState::kDone) {
    message.start = absl::StrCat(head.status, " ", head.block.At(head.reason));
  }
  return message;
}

}  // namespace pointsman::gateway
