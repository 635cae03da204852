#pragma once

// HTTP/2 frames byte by byte, also those no library would send. Pure.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace pointsman::gateway {

inline constexpr char kHttp2Preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

enum FrameType : uint8_t {
  kFrameData = 0,
  kFrameHeaders = 1,
  kFramePriority = 2,
  kFrameRstStream = 3,
  kFrameSettings = 4,
  kFramePing = 6,
  kFrameGoaway = 7,
  kFrameWindowUpdate = 8,
  kFrameContinuation = 9,
};
inline constexpr uint8_t kFlagEndStream = 1;
inline constexpr uint8_t kFlagEndHeaders = 4;

inline std::string Big32(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
          static_cast<char>(value >> 8), static_cast<char>(value)};
}

inline std::string RawFrame(uint8_t type, uint8_t flags, uint32_t stream,
                            absl::string_view payload) {
  std::string frame = Big32(static_cast<uint32_t>(payload.size())).substr(1);
  frame.push_back(static_cast<char>(type));
  frame.push_back(static_cast<char>(flags));
  frame += Big32(stream);
  frame.append(payload.data(), payload.size());
  return frame;
}

// RFC 7541 6.2.2: literals without indexing, uncompressed; names and values under 127 bytes.
using RawFields = std::vector<std::pair<std::string, std::string>>;
inline std::string RawBlock(const RawFields& fields) {
  std::string block;
  for (const auto& [name, value] : fields) {
    block.push_back(0);
    block.push_back(static_cast<char>(name.size()));
    block += name;
    block.push_back(static_cast<char>(value.size()));
    block += value;
  }
  return block;
}

inline RawFields RawGet(RawFields more = {}) {
  RawFields fields = {{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

inline std::string RawHeaders(uint32_t stream, const RawFields& fields, bool end = true) {
  return RawFrame(kFrameHeaders, static_cast<uint8_t>(kFlagEndHeaders | (end ? kFlagEndStream : 0)),
                  stream, RawBlock(fields));
}

}  // namespace pointsman::gateway
