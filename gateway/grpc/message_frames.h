#pragma once

// Where messages end in a stream of gRPC: each is a byte of flags, four of length, and the message.
// Nothing is kept of the bytes. Pure; a value.

#include <algorithm>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace pointsman::gateway {

class MessageFrames {
 public:
  void Feed(absl::string_view bytes) {
    while (!bytes.empty()) {
      if (left_ > 0) {
        const uint64_t part = std::min<uint64_t>(left_, bytes.size());
        left_ -= part;
        bytes.remove_prefix(part);
        continue;
      }
      if (head_bytes_ > 0) length_ = length_ << 8 | static_cast<uint8_t>(bytes[0]);
      bytes.remove_prefix(1);
      if (++head_bytes_ < kHeadBytes) continue;
      head_bytes_ = 0;
      left_ = length_;
      length_ = 0;
    }
  }
  // No message is half through.
  bool at_border() const { return left_ == 0 && head_bytes_ == 0; }

 private:
  static constexpr uint32_t kHeadBytes = 5;
  uint64_t left_ = 0;
  uint32_t length_ = 0;
  uint32_t head_bytes_ = 0;
};

}  // namespace pointsman::gateway
