#include "common/core/config_rules.h"

#include <re2/re2.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/core/address.h"
#include "common/core/config_validate.h"
#include "common/core/names.h"
#include "common/core/proto_time.h"

namespace pointsman::common {
namespace {

std::string Shown(absl::string_view text) {
  return absl::StrCat("\"", absl::Utf8SafeCHexEscape(text.substr(0, 80)),
                      text.size() > 80 ? "...\"" : "\"");
}

bool IsIn(const google::protobuf::Duration& value, Range<absl::Duration> range) {
  const bool one_sign =
      value.seconds() == 0 || value.nanos() == 0 || (value.seconds() < 0) == (value.nanos() < 0);
  const bool well_formed =
      one_sign && value.nanos() > -1'000'000'000 && value.nanos() < 1'000'000'000;
  const absl::Duration duration = FromProto(value);
  return well_formed && duration >= range.min && duration <= range.max;
}

}  // namespace

std::string RulePath::Text() const {
  if (parent_ == nullptr) return "";
  const std::string before = parent_->Text();
  std::string text = absl::StrCat(before, before.empty() ? "" : ".", name_);
  if (index_ >= 0) absl::StrAppend(&text, "[", index_, "]");
  return text;
}

void Rules::Broken(absl::string_view code, const RulePath& path, std::string message) {
  if (problems_.full()) return problems_.Add({});
  problems_.Add({.code = std::string(code), .path = path.Text(), .message = std::move(message)});
}

void Rules::DurationIn(const RulePath& path, bool present, const google::protobuf::Duration& value,
                       Range<absl::Duration> range) {
  if (present && !IsIn(value, range)) OutOfRange(path, value, "", range);
}

void Rules::DurationInOrZero(const RulePath& path, bool present,
                             const google::protobuf::Duration& value, Range<absl::Duration> range) {
  const bool zero = value.seconds() == 0 && value.nanos() == 0;
  if (present && !zero && !IsIn(value, range)) OutOfRange(path, value, "0, or ", range);
}

void Rules::OutOfRange(const RulePath& path, const google::protobuf::Duration& value,
                       absl::string_view besides, Range<absl::Duration> range) {
  Broken(config_code::kRange, path,
         absl::StrCat(absl::FormatDuration(FromProto(value)), " is out of range: ", besides,
                      absl::FormatDuration(range.min), " to ", absl::FormatDuration(range.max)));
}

void Rules::NumberIn(const RulePath& path, double value, Range<double> range) {
  if (value >= range.min && value <= range.max) return;
  Broken(config_code::kRange, path,
         absl::StrFormat("%.15g is out of range: %.15g to %.15g", value, range.min, range.max));
}

void Rules::CountIn(const RulePath& path, uint64_t value, Range<uint64_t> range) {
  if (value >= range.min && value <= range.max) return;
  Broken(config_code::kRange, path,
         absl::StrCat(value, " is out of range: ", range.min, " to ", range.max));
}

void Rules::EntriesAtMost(const RulePath& path, int entries, int max) {
  if (entries <= max) return;
  Broken(config_code::kLimit, path,
         absl::StrCat(entries, " entries, at most ", max, " are allowed"));
}

void Rules::BytesAtMost(const RulePath& path, absl::string_view text, size_t max) {
  if (text.size() <= max) return;
  Broken(config_code::kLimit, path,
         absl::StrCat(text.size(), " bytes, at most ", max, " are allowed"));
}

void Rules::IsToken(const RulePath& path, absl::string_view text, size_t bytes_max) {
  if (common::IsToken(text) && text.size() <= bytes_max) return;
  Broken(text.empty() ? config_code::kRequired : config_code::kValue, path,
         absl::StrCat(Shown(text), " must be 1 to ", bytes_max, " letters, digits or ",
                      kTokenPunctuation));
}

void Rules::CompilesAsPattern(const RulePath& path, const std::string& pattern) {
  if (pattern.size() > kPatternBytesMax) return BytesAtMost(path, pattern, kPatternBytesMax);
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kPatternMemoryMax);
  const RE2 compiled(pattern, options);
  if (compiled.ok()) return;
  Broken(config_code::kPattern, path,
         absl::StrCat(Shown(pattern), " is no usable RE2 pattern: ", compiled.error()));
}

void Rules::IsKnownEnum(const RulePath& path, bool valid, int number) {
  if (valid) return;
  Broken(config_code::kValue, path, absl::StrCat(number, " is no known value"));
}

void Rules::IsHeaderValue(const RulePath& path, absl::string_view text) {
  const bool clean = std::all_of(text.begin(), text.end(), [](char c) {
    return c == '\t' || !absl::ascii_iscntrl(static_cast<unsigned char>(c));
  });
  if (clean) return;
  Broken(config_code::kValue, path, absl::StrCat(Shown(text), " has control characters"));
}

void Rules::IsEndpointAddress(const RulePath& path, const std::string& text) {
  if (text.empty()) return Broken(config_code::kRequired, path, "required");
  const absl::StatusOr<Address> address = ParseEndpointAddress(text);
  if (!address.ok()) {
    Broken(config_code::kAddress, path, std::string(address.status().message()));
  }
}

}  // namespace pointsman::common
