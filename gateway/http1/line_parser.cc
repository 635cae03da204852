#include "gateway/http1/line_parser.h"

#include <cstring>
#include <string>

#include "gateway/http/field_rules.h"
#include "gateway/http/scan.h"

namespace pointsman::gateway {

HeadProgress LineParser::Failed(HeadProgress progress, Reason reason) {
  progress.state = ParseState::kError;
  progress.reason = reason;
  return progress;
}

void LineParser::Begin(HeaderBlock* block, size_t fields_max) {
  block_ = block;
  head_bytes_ = 0;
  line_begin_ = line_end_ = block->text_size();
  fields_left_ = fields_max;
}

void LineParser::MoveLine() {
  const std::string begun(block_->text() + line_begin_, line_end_ - line_begin_);
  line_begin_ = block_->text_size();
  block_->AppendText(begun);
}

bool LineParser::NextLine(absl::string_view input, HeadProgress* progress, TextRef* line) {
  const absl::string_view rest = input.substr(progress->consumed);
  const void* found = rest.empty() ? nullptr : std::memchr(rest.data(), '\n', rest.size());
  const size_t size =
      found == nullptr ? rest.size() : static_cast<const char*>(found) - rest.data() + 1;
  if (head_bytes_ + size > limits_.bytes_max) {
    *progress = Failed(*progress, Reason::kHeadTooLarge);
    return false;
  }
  if (block_->text_size() != line_end_) MoveLine();
  block_->AppendText(rest.substr(0, size));
  line_end_ = block_->text_size();
  head_bytes_ += size;
  progress->consumed += size;
  if (found == nullptr) return false;
  const size_t end = block_->text_size();
  const size_t line_size = end - line_begin_;
  if (line_size < 2 || block_->text()[end - 2] != '\r') {
    *progress = Failed(*progress, Reason::kBadHeader);
    return false;
  }
  *line = TextRef{static_cast<uint32_t>(line_begin_), static_cast<uint32_t>(line_size - 2)};
  line_begin_ = end;
  return true;
}

Reason LineParser::AddFieldLine(TextRef line) {
  const absl::string_view text = block_->At(line);
  size_t colon = 0;
  while (colon < text.size() && IsTokenByte(text[colon])) ++colon;
  if (colon == 0 || colon == text.size() || text[colon] != ':') return Reason::kBadHeader;
  if (fields_left_ == 0) return Reason::kTooManyFields;
  --fields_left_;
  const absl::string_view value = TrimBlanks(text.substr(colon + 1));
  if (!IsValueText(value)) return Reason::kBadHeader;
  Field field;
  field.name = TextRef{line.offset, static_cast<uint32_t>(colon)};
  field.value = block_->RefTo(value);
  bool alias = false;
  field.token = TokenOf(text.substr(0, colon), &alias);
  if (alias) {
    // "Content_Length" is no framing field here, but may become one behind us.
    field.token = FieldToken::kOther;
    field.dropped = true;
    field.name.size = 0;  // Nor does a route's condition find it.
  }
  block_->AddField(field);
  return Reason::kNone;
}

void TrailerParser::Start(HeaderBlock* block) {
  block->BeginTrailers();
  Begin(block, limits_.trailer_fields_max);
}

HeadProgress TrailerParser::Feed(absl::string_view input) {
  HeadProgress progress;
  TextRef line;
  while (NextLine(input, &progress, &line)) {
    if (line.size == 0) {
      ApplyTrailerRules(block_);
      progress.state = ParseState::kDone;
      return progress;
    }
    const Reason reason = AddFieldLine(line);
    if (reason == Reason::kBadHeader) return Failed(progress, Reason::kBadTrailer);
    if (reason != Reason::kNone) return Failed(progress, reason);
  }
  if (progress.reason == Reason::kBadHeader) progress.reason = Reason::kBadTrailer;
  return progress;
}

}  // namespace pointsman::gateway
