#pragma once

// Name and value pairs as the frame library takes them, lower-cased where another protocol's names
// are not. It points into the heads it was filled from; used up within one call. Thread-compatible.

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"

namespace pointsman::gateway {

class NvList {
 public:
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
  static bool HasUpper(absl::string_view text) {
    for (char c : text) {
      if (c >= 'A' && c <= 'Z') return true;
    }
    return false;
  }
  absl::string_view Lower(absl::string_view name) {
    if (!HasUpper(name)) return name;
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
    // The library copies both and changes neither.
    list_.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
                     reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(),
                     value.size(), flags});
  }

  static constexpr size_t kRoomBytes = 512;

  absl::InlinedVector<nghttp2_nv, 40> list_;
  char room_[kRoomBytes];
  size_t room_used_ = 0;
  std::vector<std::unique_ptr<char[]>> more_;
};

}  // namespace pointsman::gateway
