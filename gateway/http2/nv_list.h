#pragma once

// Name and value pairs as the frame library takes them, lower-cased where another protocol's names
// are not. It points into the heads it was filled from; used up within one call. Thread-compatible.

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"

namespace pointsman::gateway {

class NvList {
 public:
  // `stays`: the text lives until the frame is made of it. The library copies it otherwise.
  explicit NvList(bool stays = false)
      : flags_(stays ? NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE : 0) {}

  void Put(absl::string_view name, absl::string_view value) { Add(Lower(name), value, 0); }
  // Not to be remembered by the other side's table: differs each time, or is secret.
  void PutOnce(absl::string_view name, absl::string_view value) {
    Add(Lower(name), value, NGHTTP2_NV_FLAG_NO_INDEX);
  }
  void PutNumber(absl::string_view name, int64_t value) {
    char digits[24];
    const char* end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
    Add(name, Keep(absl::string_view(digits, static_cast<size_t>(end - digits))), 0);
  }
  // Keeps a value that dies before the list.
  absl::string_view Keep(absl::string_view text) {
    char* place = Place(text.size());
    std::copy(text.begin(), text.end(), place);
    return absl::string_view(place, text.size());
  }

  const nghttp2_nv* data() const { return list_.data(); }
  size_t size() const { return list_.size(); }

 private:
  // True as well for '^' and '_', which lowering leaves alone.
  static bool MayHaveUpper(absl::string_view text) {
    constexpr uint64_t kUpperBits = 0x4040404040404040;
    const char* at = text.data();
    size_t left = text.size();
    for (; left >= 8; at += 8, left -= 8) {
      uint64_t word;
      std::memcpy(&word, at, sizeof(word));
      // A capital has this bit, and not the one below.
      if ((word & ~(word << 1) & kUpperBits) != 0) return true;
    }
    return std::any_of(at, at + left, [](char c) { return (c & 0x60) == 0x40; });
  }
  absl::string_view Lower(absl::string_view name) {
    if (!MayHaveUpper(name)) return name;
    char* place = Place(name.size());
    std::transform(name.begin(), name.end(), place,
                   [](char c) { return absl::ascii_tolower(static_cast<unsigned char>(c)); });
    return absl::string_view(place, name.size());
  }
  // Room that stays where it is. What most heads need is here already.
  char* Place(size_t size) {
    if (size > kRoomBytes - room_used_) {
      more_.push_back(std::make_unique<char[]>(size));
      return more_.back().get();
    }
    char* place = room_ + room_used_;
    room_used_ += size;
    return place;
  }
  void Add(absl::string_view name, absl::string_view value, uint8_t flags) {
    // The library changes neither.
    list_.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
                     reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(),
                     value.size(), static_cast<uint8_t>(flags | flags_)});
  }

  static constexpr size_t kRoomBytes = 512;

  const uint8_t flags_;
  absl::InlinedVector<nghttp2_nv, 40> list_;
  char room_[kRoomBytes];
  size_t room_used_ = 0;
  std::vector<std::unique_ptr<char[]>> more_;
};

}  // namespace pointsman::gateway
