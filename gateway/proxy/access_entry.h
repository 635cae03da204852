#pragma once

// One finished request as the access log keeps it: numbers, and texts packed one behind another,
// each cut at its own bound, so that an entry has one size whatever a client sent. Values.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "gateway/proxy/options.h"

namespace pointsman::gateway {

enum class AccessText : uint8_t {
  kClient,
  kPeer,
  kMethod,
  kAuthority,
  kPath,
  kProtocol,
  kService,
  kRoute,
  kEndpoint,
  kRequestId,
  kTraceId,
  kTls,
  kServerName,
  kCount,
};

inline constexpr size_t kAccessTexts = static_cast<size_t>(AccessText::kCount);
// Bytes kept of each, in the order of AccessText.
inline constexpr std::array<uint16_t, kAccessTexts> kAccessTextBytesMax = {
    46, 46, 16, 128, 512, 8, 63, 63, 110, 128, 32, 8, 64};

struct AccessEntry {
  static constexpr size_t kTextBytes = 1224;  // The sum of the bounds.

  int64_t ended_micros = 0;  // MonotonicTime.
  int64_t duration_micros = 0;
  int64_t first_byte_micros = -1;  // Negative: none came.
  int64_t connect_micros = -1;     // Negative: no connection stood.
  uint64_t received_bytes = 0;
  uint64_t sent_bytes = 0;
  int32_t status = 0;
  int32_t tries = 0;
  int32_t grpc_status = -1;
  Reason reason = Reason::kNone;
  uint16_t cut = 0;  // A bit for each text that was longer.
  std::array<uint16_t, kAccessTexts> sizes = {};
  char text[kTextBytes];

  absl::string_view Text(AccessText which) const;
};

// Copies what `record` says. No allocation but for the endpoint's address.
void FillAccessEntry(const RequestRecord& record, AccessEntry* entry);

// One JSON object and a newline, appended. What is not printable is escaped, what is not UTF-8
// replaced by U+FFFD: a line stays one line and one valid object. Absent fields are left out.
void AppendAccessLine(const AccessEntry& entry, absl::Time ended, std::string* out);

}  // namespace pointsman::gateway
