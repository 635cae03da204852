#include "gateway/http/trace_context.h"

#include <algorithm>

#include "absl/strings/match.h"

namespace pointsman::gateway {

namespace {

// version-trace_id-parent_id-flags
constexpr size_t kParentIdAt = kTraceIdAt + kTraceIdBytes + 1;
constexpr size_t kParentIdBytes = 16;
constexpr size_t kFlagsAt = kParentIdAt + kParentIdBytes + 1;
constexpr size_t kSize = kFlagsAt + 2;
static_assert(kSize == kTraceParentBytes);

constexpr absl::string_view kParentName = "traceparent";
constexpr absl::string_view kStateName = "tracestate";

// Capitals are none here.
bool IsDigit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }
bool IsHex(absl::string_view text) { return std::all_of(text.begin(), text.end(), IsDigit); }
bool IsId(absl::string_view text) {
  return IsHex(text) && text.find_first_not_of('0') != absl::string_view::npos;
}

// Of the last hexadecimal digit.
bool LowBit(char digit) { return ((digit <= '9' ? digit - '0' : digit - 'a' + 10) & 1) != 0; }

// Neither name has a token, and nearly no field without one is so long.
bool Is(const HeaderBlock& block, const Field& field, absl::string_view name) {
  return field.name.size == name.size() && field.token == FieldToken::kOther &&
         absl::EqualsIgnoreCase(block.At(field.name), name);
}

// Returns the end.
char* WriteDigits(uint64_t value, char* out) {
  for (int shift = 60; shift >= 0; shift -= 4) *out++ = "0123456789abcdef"[value >> shift & 15];
  return out;
}

}  // namespace

std::optional<TraceParent> ParseTraceParent(absl::string_view value) {
  if (value.size() < kSize) return std::nullopt;
  const absl::string_view version = value.substr(0, 2);
  if (!IsHex(version) || version == "ff") return std::nullopt;
  // What a later version adds stands behind another dash.
  if (value.size() > kSize && (version == "00" || value[kSize] != '-')) return std::nullopt;
  if (value[kTraceIdAt - 1] != '-' || value[kParentIdAt - 1] != '-' || value[kFlagsAt - 1] != '-') {
    return std::nullopt;
  }
  TraceParent parent;
  parent.trace_id = value.substr(kTraceIdAt, kTraceIdBytes);
  parent.parent_id = value.substr(kParentIdAt, kParentIdBytes);
  const absl::string_view flags = value.substr(kFlagsAt, 2);
  if (!IsId(parent.trace_id) || !IsId(parent.parent_id) || !IsHex(flags)) return std::nullopt;
  parent.sampled = LowBit(flags[1]);
  return parent;
}

std::optional<TraceParent> TraceParentOf(const HeaderBlock& block) {
  const Field* found = nullptr;
  for (size_t i = 0; i < block.head_fields(); ++i) {
    const Field& field = block.fields()[i];
    if (!Is(block, field, kParentName)) continue;
    if (found != nullptr) return std::nullopt;
    found = &field;
  }
  if (found == nullptr) return std::nullopt;
  return ParseTraceParent(block.At(found->value));
}

bool DropInvalidTrace(HeaderBlock* block) {
  size_t parents = 0;
  size_t states = 0;
  for (size_t i = 0; i < block->head_fields(); ++i) {
    const Field& field = block->fields()[i];
    if (Is(*block, field, kParentName)) ++parents;
    if (Is(*block, field, kStateName)) ++states;
  }
  if (parents == 1 && TraceParentOf(*block).has_value()) return true;
  if (parents + states == 0) return false;
  for (size_t i = 0; i < block->head_fields(); ++i) {
    Field& field = block->fields()[i];
    if (Is(*block, field, kParentName) || Is(*block, field, kStateName)) field.dropped = true;
  }
  return false;
}

void WriteTraceParent(const NewTrace& trace, bool sampled, char* out) {
  // An ID of zeros is none.
  char* at = out;
  *at++ = '0';
  *at++ = '0';
  *at++ = '-';
  at = WriteDigits(trace.trace_id[0], at);
  at = WriteDigits(trace.trace_id[1] != 0 ? trace.trace_id[1] : 1, at);
  *at++ = '-';
  at = WriteDigits(trace.parent_id != 0 ? trace.parent_id : 1, at);
  *at++ = '-';
  *at++ = '0';
  *at = sampled ? '1' : '0';
}

}  // namespace pointsman::gateway
