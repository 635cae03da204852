#include "gateway/proxy/access_entry.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/core/address.h"
#include "common/core/utf8.h"

namespace pointsman::gateway {

namespace {

static_assert(std::accumulate(kAccessTextBytesMax.begin(), kAccessTextBytesMax.end(), size_t{0}) ==
              AccessEntry::kTextBytes);

constexpr std::array<absl::string_view, kAccessTexts> kTextNames = {
    "client", "peer",     "method",     "authority", "path", "protocol",   "service",
    "route",  "endpoint", "request_id", "trace_id",  "tls",  "server_name"};

// A control character of C0 or C1, or DEL.
bool IsControl(absl::string_view sequence) {
  const auto first = static_cast<unsigned char>(sequence[0]);
  if (sequence.size() == 1) return first < 0x20 || first == 0x7f;
  return first == 0xc2 && static_cast<unsigned char>(sequence[1]) < 0xa0;
}

void AppendEscaped(absl::string_view text, std::string* out) {
  while (!text.empty()) {
    const size_t size = common::Utf8SequenceLength(text);
    if (size == 0) {
      out->append("\\ufffd");
      text.remove_prefix(1);
      continue;
    }
    const absl::string_view sequence = text.substr(0, size);
    if (IsControl(sequence)) {
      absl::StrAppendFormat(out, "\\u%04x", static_cast<unsigned char>(sequence.back()));
    } else {
      if (sequence == "\"" || sequence == "\\") out->push_back('\\');
      out->append(sequence.data(), sequence.size());
    }
    text.remove_prefix(size);
  }
}

void AppendNumber(absl::string_view name, int64_t value, std::string* out) {
  absl::StrAppend(out, ",\"", name, "\":", value);
}

// Packs texts into an entry, in the order of AccessText.
class TextPacker {
 public:
  explicit TextPacker(AccessEntry* entry) : entry_(*entry) {
    entry_.sizes = {};
    entry_.cut = 0;
  }
  void Add(absl::string_view text) {
    const size_t size = std::min<size_t>(text.size(), kAccessTextBytesMax[next_]);
    if (size < text.size()) entry_.cut = static_cast<uint16_t>(entry_.cut | 1U << next_);
    if (size > 0) std::memcpy(entry_.text + offset_, text.data(), size);
    entry_.sizes[next_++] = static_cast<uint16_t>(size);
    offset_ += size;
  }

 private:
  AccessEntry& entry_;
  size_t next_ = 0;
  size_t offset_ = 0;
};

int64_t MicrosOrNone(absl::Duration duration) {
  return duration < absl::ZeroDuration() ? -1 : absl::ToInt64Microseconds(duration);
}

}  // namespace

absl::string_view AccessEntry::Text(AccessText which) const {
  const auto index = static_cast<size_t>(which);
  const size_t offset = std::accumulate(sizes.begin(), sizes.begin() + index, size_t{0});
  return {text + offset, sizes[index]};
}

void FillAccessEntry(const RequestRecord& record, AccessEntry* entry) {
  entry->ended_micros = record.ended.micros();
  entry->duration_micros = absl::ToInt64Microseconds(record.duration);
  entry->first_byte_micros = MicrosOrNone(record.first_byte);
  entry->connect_micros = MicrosOrNone(record.connect);
  entry->received_bytes = record.received_bytes;
  entry->sent_bytes = record.sent_bytes;
  entry->status = record.status;
  entry->tries = record.tries;
  entry->grpc_status = record.grpc_status;
  entry->reason = record.reason;
  TextPacker packer(entry);
  packer.Add(record.client);
  packer.Add(record.peer == record.client ? absl::string_view() : record.peer);
  packer.Add(record.method);
  packer.Add(record.authority);
  // What follows is often private, and never decides where a request goes.
  packer.Add(record.target.substr(0, record.target.find('?')));
  packer.Add(record.protocol);
  packer.Add(record.service);
  packer.Add(record.route);
  packer.Add(record.endpoint == nullptr ? std::string() : common::ToString(*record.endpoint));
  packer.Add(record.request_id);
  packer.Add(record.trace_id);
  packer.Add(record.tls);
  packer.Add(record.server_name);
}

void AppendAccessLine(const AccessEntry& entry, absl::Time ended, std::string* out) {
  absl::StrAppend(out, "{\"time\":\"",
                  absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", ended, absl::UTCTimeZone()), "\"");
  size_t offset = 0;
  for (size_t i = 0; i < kAccessTexts; ++i) {
    const absl::string_view text(entry.text + offset, entry.sizes[i]);
    offset += text.size();
    if (text.empty()) continue;
    absl::StrAppend(out, ",\"", kTextNames[i], "\":\"");
    AppendEscaped(text, out);
    out->push_back('"');
  }
  AppendNumber("status", entry.status, out);
  if (entry.reason != Reason::kNone) {
    absl::StrAppend(out, ",\"reason\":\"", ReasonName(entry.reason), "\"");
  }
  if (entry.grpc_status >= 0) AppendNumber("grpc_status", entry.grpc_status, out);
  AppendNumber("received_bytes", static_cast<int64_t>(entry.received_bytes), out);
  AppendNumber("sent_bytes", static_cast<int64_t>(entry.sent_bytes), out);
  AppendNumber("duration_us", entry.duration_micros, out);
  if (entry.first_byte_micros >= 0) AppendNumber("first_byte_us", entry.first_byte_micros, out);
  if (entry.connect_micros >= 0) AppendNumber("connect_us", entry.connect_micros, out);
  AppendNumber("tries", entry.tries, out);
  if (entry.cut != 0) out->append(",\"cut\":true");
  out->append("}\n");
}

}  // namespace pointsman::gateway
