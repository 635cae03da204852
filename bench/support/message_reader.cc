#include "bench/support/message_reader.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace pointsman::bench {
namespace {

constexpr uint64_t kChunkBytesMax = uint64_t{1} << 40;

bool IsInformational(int status) { return status >= 100 && status < 200 && status != 101; }

bool HasNoBody(int status) { return status == 204 || status == 304; }

}  // namespace

void MessageReader::Reset(bool answers_head) {
  state_ = State::kHead;
  answers_head_ = answers_head;
  started_ = false;
  keep_alive_ = true;
  chunked_ = sized_ = expects_continue_ = false;
  status_ = 0;
  left_bytes_ = body_bytes_ = 0;
  method_.clear();
  target_.clear();
  backend_.clear();
  head_.clear();
}

MessageReader::Result MessageReader::Read(absl::string_view bytes, size_t* used) {
  *used = 0;
  if (!bytes.empty()) started_ = true;
  while (state_ != State::kDone && *used < bytes.size()) {
    size_t step = 0;
    const absl::string_view rest = bytes.substr(*used);
    const Result result = state_ == State::kHead ? ReadHead(rest, &step) : ReadBody(rest, &step);
    *used += step;
    if (result == Result::kBroken) return result;
  }
  return state_ == State::kDone ? Result::kDone : Result::kNeedMore;
}

MessageReader::Result MessageReader::ReadEnd() const {
  return state_ == State::kToEnd ? Result::kDone : Result::kBroken;
}

MessageReader::Result MessageReader::ReadHead(absl::string_view bytes, size_t* used) {
  const size_t before = head_.size();
  // The end may straddle two reads: look again at the last three bytes that came before.
  head_.append(bytes.data(), bytes.size());
  const size_t end = head_.find("\r\n\r\n", before < 3 ? 0 : before - 3);
  if (end == std::string::npos) {
    *used = bytes.size();
    return head_.size() > kHeadBytesMax ? Result::kBroken : Result::kNeedMore;
  }
  *used = end + 4 - before;
  head_.resize(end);
  if (!ParseHead()) return Result::kBroken;
  head_.clear();
  if (kind_ == Kind::kResponse && IsInformational(status_)) {
    status_ = 0;
    chunked_ = sized_ = false;
    return Result::kNeedMore;
  }
  ChooseBody();
  return Result::kNeedMore;
}

bool MessageReader::ParseHead() {
  absl::string_view head = head_;
  const size_t line_end = std::min(head.find("\r\n"), head.size());
  if (!ParseStartLine(head.substr(0, line_end))) return false;
  head.remove_prefix(std::min(head.size(), line_end + 2));
  while (!head.empty()) {
    const size_t end = std::min(head.find("\r\n"), head.size());
    if (!ParseHeaderLine(head.substr(0, end))) return false;
    head.remove_prefix(std::min(head.size(), end + 2));
  }
  return true;
}

bool MessageReader::ParseStartLine(absl::string_view line) {
  if (kind_ == Kind::kRequest) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    if (words.size() != 3 || words[1].empty() || !absl::StartsWith(words[2], "HTTP/1.")) {
      return false;
    }
    method_ = std::string(words[0]);
    target_ = std::string(words[1]);
    keep_alive_ = words[2] != "HTTP/1.0";
    return true;
  }
  if (line.size() < 12 || !absl::StartsWith(line, "HTTP/1.") || line[8] != ' ' ||
      !absl::SimpleAtoi(line.substr(9, 3), &status_) || status_ < 100) {
    return false;
  }
  keep_alive_ = line[7] != '0';
  return true;
}

bool MessageReader::ParseHeaderLine(absl::string_view line) {
  const size_t colon = line.find(':');
  if (colon == absl::string_view::npos || colon == 0) return false;
  const absl::string_view name = line.substr(0, colon);
  const absl::string_view value = absl::StripAsciiWhitespace(line.substr(colon + 1));
  if (absl::EqualsIgnoreCase(name, "content-length")) {
    uint64_t length = 0;
    if (!absl::SimpleAtoi(value, &length) || (sized_ && length != left_bytes_)) return false;
    sized_ = true;
    left_bytes_ = length;
  } else if (absl::EqualsIgnoreCase(name, "transfer-encoding")) {
    chunked_ = absl::EqualsIgnoreCase(value, "chunked");
    return chunked_;
  } else if (absl::EqualsIgnoreCase(name, "connection")) {
    for (absl::string_view token : absl::StrSplit(value, ',')) {
      if (absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(token), "close")) keep_alive_ = false;
    }
  } else if (absl::EqualsIgnoreCase(name, "expect")) {
    expects_continue_ = absl::EqualsIgnoreCase(value, "100-continue");
  } else if (absl::EqualsIgnoreCase(name, "x-backend")) {
    backend_ = std::string(value);
  }
  return true;
}

void MessageReader::ChooseBody() {
  if (answers_head_ || HasNoBody(status_)) {
    state_ = State::kDone;
  } else if (chunked_) {
    state_ = State::kChunkSize;
  } else if (sized_) {
    state_ = left_bytes_ == 0 ? State::kDone : State::kSized;
  } else if (kind_ == Kind::kRequest) {
    state_ = State::kDone;
  } else {
    keep_alive_ = false;
    state_ = State::kToEnd;
  }
}

MessageReader::Result MessageReader::ReadBody(absl::string_view bytes, size_t* used) {
  switch (state_) {
    case State::kToEnd:
      *used = bytes.size();
      body_bytes_ += *used;
      return Result::kNeedMore;
    case State::kSized:
    case State::kChunkData:
      *used = std::min<uint64_t>(bytes.size(), left_bytes_);
      left_bytes_ -= *used;
      body_bytes_ += *used;
      if (left_bytes_ == 0) state_ = state_ == State::kSized ? State::kDone : State::kChunkEnd;
      return Result::kNeedMore;
    default:
      return ReadLine(bytes, used)          ? TakeLine()
             : head_.size() > kHeadBytesMax ? Result::kBroken
                                            : Result::kNeedMore;
  }
}

// Gathers one line into head_, without its end; true when it is whole.
bool MessageReader::ReadLine(absl::string_view bytes, size_t* used) {
  const size_t end = bytes.find('\n');
  *used = end == absl::string_view::npos ? bytes.size() : end + 1;
  head_.append(bytes.data(), *used);
  if (end == absl::string_view::npos) return false;
  head_.pop_back();
  if (!head_.empty() && head_.back() == '\r') head_.pop_back();
  return true;
}

MessageReader::Result MessageReader::TakeLine() {
  const std::string line = std::move(head_);
  head_.clear();
  if (state_ == State::kChunkEnd) {
    state_ = State::kChunkSize;
    return line.empty() ? Result::kNeedMore : Result::kBroken;
  }
  if (state_ == State::kTrailer) {
    if (line.empty()) state_ = State::kDone;
    return Result::kNeedMore;
  }
  const absl::string_view size = absl::string_view(line).substr(0, line.find(';'));
  if (!absl::SimpleHexAtoi(absl::StripAsciiWhitespace(size), &left_bytes_) ||
      left_bytes_ > kChunkBytesMax) {
    return Result::kBroken;
  }
  state_ = left_bytes_ == 0 ? State::kTrailer : State::kChunkData;
  return Result::kNeedMore;
}

}  // namespace pointsman::bench
