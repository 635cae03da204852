#include "gateway/http1/body_parser.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "common/core/hex.h"
#include "gateway/http/scan.h"

namespace pointsman::gateway {

namespace {

constexpr int kSizeDigitsMax = 16;
// Larger sizes are refused before they can wrap around anywhere.
constexpr uint64_t kChunkSizeMax = uint64_t{1} << 62;

}  // namespace

void BodyParser::Start(BodyKind kind, int64_t content_length, HeaderBlock* block) {
  block_ = block;
  chunked_ = kind == BodyKind::kChunked;
  left_ = 0;
  size_digits_ = 0;
  extension_bytes_ = 0;
  switch (kind) {
    case BodyKind::kNone:
      phase_ = Phase::kDone;
      break;
    case BodyKind::kLength:
      left_ = static_cast<uint64_t>(content_length);
      phase_ = left_ > 0 ? Phase::kData : Phase::kDone;
      break;
    case BodyKind::kChunked:
      phase_ = Phase::kSize;
      break;
    case BodyKind::kUntilClose:
      phase_ = Phase::kUntilClose;
      break;
  }
}

BodyProgress BodyParser::TakeData(absl::string_view input, size_t skipped) {
  BodyProgress progress;
  const size_t rest = input.size() - skipped;
  size_t n = rest;
  if (phase_ == Phase::kData) {
    n = static_cast<size_t>(std::min<uint64_t>(left_, rest));
    left_ -= n;
    if (left_ == 0) phase_ = chunked_ ? Phase::kDataCr : Phase::kDone;
  }
  progress.data = input.substr(skipped, n);
  progress.consumed = skipped + n;
  if (phase_ == Phase::kDone) progress.state = ParseState::kDone;
  return progress;
}

BodyProgress BodyParser::TakeTrailers(absl::string_view input, size_t skipped) {
  const HeadProgress head = trailers_.Feed(input.substr(skipped));
  BodyProgress progress;
  progress.state = head.state;
  progress.consumed = skipped + head.consumed;
  progress.reason = head.reason;
  if (head.state == ParseState::kDone) phase_ = Phase::kDone;
  return progress;
}

// One byte of "SIZE" up to the CR or ';' behind it.
bool BodyParser::StepSize(char c) {
  const int digit = common::HexValue(c);
  if (digit >= 0) {
    if (++size_digits_ > kSizeDigitsMax) return false;
    left_ = left_ * 16 + static_cast<uint64_t>(digit);
    return true;
  }
  if (size_digits_ == 0 || left_ > kChunkSizeMax) return false;
  if (c == '\r') {
    phase_ = Phase::kSizeLf;
  } else if (c == ';') {
    phase_ = Phase::kExtension;
  } else {
    return false;
  }
  return true;
}

// One byte outside data and trailers; false when it must not stand there.
bool BodyParser::StepFraming(char c) {
  switch (phase_) {
    case Phase::kSize:
      return StepSize(c);
    case Phase::kExtension:
      if (c == '\r') {
        phase_ = Phase::kSizeLf;
        return true;
      }
      return ++extension_bytes_ <= kExtensionBytesMax &&
             scan_internal::Is(c, scan_internal::kValue);
    case Phase::kSizeLf:
      if (c != '\n') return false;
      size_digits_ = 0;
      phase_ = left_ > 0 ? Phase::kData : Phase::kTrailers;
      if (phase_ == Phase::kTrailers) trailers_.Start(block_);
      return true;
    case Phase::kDataCr:
      phase_ = Phase::kDataLf;
      return c == '\r';
    case Phase::kDataLf:
      phase_ = Phase::kSize;
      return c == '\n';
    default:
      return false;
  }
}

BodyProgress BodyParser::Next(absl::string_view input) {
  size_t i = 0;
  while (true) {
    if (phase_ == Phase::kDone) {
      BodyProgress progress;
      progress.state = ParseState::kDone;
      progress.consumed = i;
      return progress;
    }
    if (i == input.size()) break;
    if (phase_ == Phase::kData || phase_ == Phase::kUntilClose) return TakeData(input, i);
    if (phase_ == Phase::kTrailers) return TakeTrailers(input, i);
    if (!StepFraming(input[i])) {
      BodyProgress progress;
      progress.state = ParseState::kError;
      progress.consumed = i;
      progress.reason = Reason::kBadChunk;
      return progress;
    }
    ++i;
  }
  BodyProgress progress;
  progress.consumed = i;
  return progress;
}

}  // namespace pointsman::gateway
