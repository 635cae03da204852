#pragma once

// Name and value pairs as the frame library takes them, lower-cased where another protocol's names
// are not. It points into the heads it was filled from; used up within one call. Thread-compatible.

#include <nghttp2/nghttp2.h>

#include <charconv>
#include <deque>
#include <string>

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
    kept_.emplace_back(digits, static_cast<size_t>(end - digits));
    Add(name, kept_.back(), 0);
  }
  // Keeps a value that dies before the list.
  absl::string_view Keep(absl::string_view text) {
    kept_.emplace_back(text.data(), text.size());
    return kept_.back();
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
    kept_.push_back(absl::AsciiStrToLower(name));
    return kept_.back();
  }
  void Add(absl::string_view name, absl::string_view value, uint8_t flags) {
    // The library copies both and changes neither.
    list_.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
                     reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(),
                     value.size(), flags});
  }

  absl::InlinedVector<nghttp2_nv, 40> list_;
  std::deque<std::string> kept_;
};

}  // namespace pointsman::gateway
