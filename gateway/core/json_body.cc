#include "gateway/core/json_body.h"

#include <simdjson.h>

#include <charconv>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/core/check.h"

namespace pointsman::gateway {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;
using Field = JsonBody::Field;

// The memory for bodies up to here is kept.
constexpr size_t kKeptBytes = 128 * 1024;

absl::string_view ViewOf(std::string_view text) { return {text.data(), text.size()}; }

// An index is written without leading zeros (RFC 6901, section 4).
std::optional<size_t> IndexOf(absl::string_view step) {
  if (step.empty() || (step.size() > 1 && step.front() == '0')) return std::nullopt;
  size_t index = 0;
  const auto [end, error] = std::from_chars(step.data(), step.data() + step.size(), index);
  if (error != std::errc() || end != step.data() + step.size()) return std::nullopt;
  return index;
}

// One step down from `place`.
Field::Kind Descend(absl::string_view step, element* place) {
  if (simdjson::dom::object object; place->get(object) == simdjson::SUCCESS) {
    size_t found = 0;
    for (const auto& [key, value] : object) {
      if (ViewOf(key) != step) continue;
      *place = value;
      ++found;
    }
    if (found > 1) return Field::Kind::kTwice;
    return found == 1 ? Field::Kind::kOther : Field::Kind::kAbsent;
  }
  simdjson::dom::array array;
  const std::optional<size_t> index = IndexOf(step);
  if (!index.has_value() || place->get(array) != simdjson::SUCCESS) return Field::Kind::kAbsent;
  const auto at = array.at(*index);
  if (at.error() != simdjson::SUCCESS) return Field::Kind::kAbsent;
  *place = at.value_unsafe();
  return Field::Kind::kOther;
}

}  // namespace

struct JsonBody::Reader {
  // What a pointer led to.
  struct Found {
    bool known = false;
    Field field;
    char digits[24];
  };

  Field ValueOf(const element& place, Found& found) {
    switch (place.type()) {
      case element_type::STRING:
        return Text(ViewOf(place.get_string().value_unsafe()));
      case element_type::INT64:
        return Digits(place.get_int64().value_unsafe(), found);
      case element_type::UINT64:
        return Digits(place.get_uint64().value_unsafe(), found);
      case element_type::BOOL:
        return Text(place.get_bool().value_unsafe() ? "true" : "false");
      case element_type::NULL_VALUE:
        return Text("null");
      case element_type::ARRAY:
      case element_type::OBJECT:
      case element_type::DOUBLE:
        break;
    }
    return {.kind = Field::Kind::kOther, .text = {}};
  }
  Field Look(const std::vector<std::string>& steps, Found& found) {
    element place = root;
    for (const std::string& step : steps) {
      const Field::Kind kind = Descend(step, &place);
      if (kind != Field::Kind::kOther) return {.kind = kind, .text = {}};
    }
    return ValueOf(place, found);
  }

  static Field Text(absl::string_view text) { return {.kind = Field::Kind::kText, .text = text}; }
  template <typename Integer>
  static Field Digits(Integer value, Found& found) {
    char* const begin = found.digits;
    const auto [end, error] = std::to_chars(begin, begin + sizeof(found.digits), value);
    PM_CHECK(error == std::errc());
    return Text({begin, static_cast<size_t>(end - begin)});
  }

  simdjson::dom::parser parser;
  std::string bytes;
  element root;
  std::map<uint32_t, Found> found;  // By number; entries stay where they are.
};

std::vector<std::string> PointerSteps(absl::string_view pointer) {
  PM_CHECK(absl::StartsWith(pointer, "/"));
  std::vector<std::string> steps = absl::StrSplit(pointer.substr(1), '/');
  for (std::string& step : steps) {
    step = absl::StrReplaceAll(absl::StrReplaceAll(step, {{"~1", "/"}}), {{"~0", "~"}});
  }
  return steps;
}

bool IsJsonType(absl::string_view content_type) {
  const absl::string_view type =
      absl::StripAsciiWhitespace(content_type.substr(0, content_type.find(';')));
  return absl::EqualsIgnoreCase(type, "application/json") ||
         (absl::StrContains(type, '/') && absl::EndsWithIgnoreCase(type, "+json"));
}

JsonBody::JsonBody() = default;
JsonBody::~JsonBody() = default;

bool JsonBody::Read(absl::Span<const absl::string_view> pieces) {
  used_ = true;
  if (reader_ == nullptr) reader_ = std::make_unique<Reader>();
  size_t size = 0;
  for (const absl::string_view piece : pieces) size += piece.size();
  std::string& bytes = reader_->bytes;
  bytes.clear();
  bytes.reserve(size + simdjson::SIMDJSON_PADDING);
  for (const absl::string_view piece : pieces) bytes.append(piece.data(), piece.size());
  reader_->found.clear();
  return reader_->parser.parse(bytes.data(), bytes.size(), /*realloc_if_needed=*/false)
             .get(reader_->root) == simdjson::SUCCESS;
}

JsonBody::Field JsonBody::Find(const Pointer& pointer) {
  Reader::Found& found = reader_->found[pointer.number];
  if (!found.known) {
    found.field = reader_->Look(pointer.steps, found);
    found.known = true;
  }
  return found.field;
}

void JsonBody::Forget() {
  if (reader_ == nullptr) return;
  reader_->found.clear();
  if (reader_->bytes.size() > kKeptBytes) reader_.reset();
}

void JsonBody::Trim() {
  if (!std::exchange(used_, false)) reader_.reset();
}

size_t JsonBody::kept_bytes() const { return reader_ == nullptr ? 0 : reader_->parser.capacity(); }

}  // namespace pointsman::gateway
