#include "common/core/config_value.h"

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/core/names.h"
#include "common/core/status_macros.h"
#include "common/core/utf8.h"

namespace pointsman::common {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr size_t kShownBytesMax = 60;
constexpr absl::string_view kUnspecified = "UNSPECIFIED";

std::string Shown(absl::string_view text) {
  const bool cut = text.size() > kShownBytesMax;
  return absl::StrCat("\"", absl::Utf8SafeCHexEscape(text.substr(0, kShownBytesMax)),
                      cut ? "...\"" : "\"");
}

absl::Status Expected(absl::string_view what, const YamlNode& node) {
  return absl::InvalidArgumentError(absl::StrCat("expected ", what, ", found ", Shown(node.text)));
}

// "64MiB" -> 67108864; absent: no such suffix.
std::optional<uint64_t> SizeFactor(absl::string_view* text) {
  constexpr std::pair<absl::string_view, uint64_t> kSuffixes[] = {
      {"KiB", 1ull << 10}, {"MiB", 1ull << 20}, {"GiB", 1ull << 30}};
  for (const auto& [suffix, factor] : kSuffixes) {
    if (absl::ConsumeSuffix(text, suffix)) {
      *text = absl::StripAsciiWhitespace(*text);
      return factor;
    }
  }
  return std::nullopt;
}

// A decimal number without sign or decoration.
absl::StatusOr<uint64_t> ParseUnsigned(const FieldDescriptor& field, const YamlNode& node,
                                       uint64_t max) {
  absl::string_view text = node.text;
  uint64_t factor = 1;
  const bool size = absl::EndsWith(field.name(), "_bytes");
  if (size) factor = SizeFactor(&text).value_or(1);
  uint64_t value = 0;
  const bool digits = !text.empty() && absl::ascii_isdigit(static_cast<unsigned char>(text[0]));
  if (!digits || !absl::SimpleAtoi(text, &value) || value > max / factor) {
    return Expected(
        absl::StrCat("a whole number from 0 to ", max, size ? ", or a size such as \"64MiB\"" : ""),
        node);
  }
  return value * factor;
}

absl::StatusOr<int64_t> ParseSigned(const YamlNode& node, int64_t min, int64_t max) {
  int64_t value = 0;
  if (!absl::SimpleAtoi(node.text, &value) || value < min || value > max) {
    return Expected(absl::StrCat("a whole number from ", min, " to ", max), node);
  }
  return value;
}

absl::StatusOr<double> ParseNumber(const YamlNode& node) {
  double value = 0;
  if (!absl::SimpleAtod(node.text, &value) || !std::isfinite(value)) {
    return Expected("a number", node);
  }
  return value;
}

absl::StatusOr<bool> ParseBool(const YamlNode& node) {
  if (absl::EqualsIgnoreCase(node.text, "true")) return true;
  if (absl::EqualsIgnoreCase(node.text, "false")) return false;
  return Expected("true or false", node);
}

std::string EnumPrefix(const EnumDescriptor& type) {
  absl::string_view prefix = type.value(0)->name();
  absl::ConsumeSuffix(&prefix, kUnspecified);
  return std::string(prefix);
}

absl::StatusOr<const EnumValueDescriptor*> ParseEnum(const EnumDescriptor& type,
                                                     const YamlNode& node) {
  const std::string upper = absl::AsciiStrToUpper(node.text);
  const std::string prefixed = absl::StrCat(EnumPrefix(type), upper);
  std::vector<std::string> words;
  for (int i = 0; i < type.value_count(); ++i) {
    const EnumValueDescriptor& value = *type.value(i);
    if (value.name() == upper || value.name() == prefixed) return &value;
    if (value.number() != 0) words.push_back(ShortEnumName(value));
  }
  std::string expected = absl::StrCat("one of ", absl::StrJoin(words, ", "));
  if (const auto nearest = NearestName(node.text, words); nearest) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected ", expected, ", found ", Shown(node.text), "; did you mean \"", *nearest, "\"?"));
  }
  return Expected(expected, node);
}

absl::StatusOr<std::string> ParseText(const YamlNode& node) {
  // An escape of the file's may still make what is not UTF-8.
  if (!IsUtf8(node.text)) return Expected("valid UTF-8", node);
  return node.text;
}

// Hides the difference between setting a field and adding to it.
struct Target {
  const FieldDescriptor& field;
  Message& message;
  const Reflection& reflection;

#define PM_SET_FIELD(Type, value)                    \
  do {                                               \
    if (field.is_repeated()) {                       \
      reflection.Add##Type(&message, &field, value); \
    } else {                                         \
      reflection.Set##Type(&message, &field, value); \
    }                                                \
    return absl::OkStatus();                         \
  } while (false)

  absl::Status Set(const YamlNode& node) const {
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32: {
        PM_ASSIGN_OR_RETURN(const int64_t value,
                            ParseSigned(node, std::numeric_limits<int32_t>::min(),
                                        std::numeric_limits<int32_t>::max()));
        PM_SET_FIELD(Int32, static_cast<int32_t>(value));
      }
      case FieldDescriptor::CPPTYPE_INT64: {
        PM_ASSIGN_OR_RETURN(const int64_t value,
                            ParseSigned(node, std::numeric_limits<int64_t>::min(),
                                        std::numeric_limits<int64_t>::max()));
        PM_SET_FIELD(Int64, value);
      }
      case FieldDescriptor::CPPTYPE_UINT32: {
        PM_ASSIGN_OR_RETURN(const uint64_t value,
                            ParseUnsigned(field, node, std::numeric_limits<uint32_t>::max()));
        PM_SET_FIELD(UInt32, static_cast<uint32_t>(value));
      }
      case FieldDescriptor::CPPTYPE_UINT64: {
        PM_ASSIGN_OR_RETURN(const uint64_t value,
                            ParseUnsigned(field, node, std::numeric_limits<uint64_t>::max()));
        PM_SET_FIELD(UInt64, value);
      }
      default:
        return SetOther(node);
    }
  }

  absl::Status SetOther(const YamlNode& node) const {
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_DOUBLE: {
        PM_ASSIGN_OR_RETURN(const double value, ParseNumber(node));
        PM_SET_FIELD(Double, value);
      }
      case FieldDescriptor::CPPTYPE_FLOAT: {
        PM_ASSIGN_OR_RETURN(const double value, ParseNumber(node));
        if (std::abs(value) > std::numeric_limits<float>::max()) return Expected("a number", node);
        PM_SET_FIELD(Float, static_cast<float>(value));
      }
      case FieldDescriptor::CPPTYPE_BOOL: {
        PM_ASSIGN_OR_RETURN(const bool value, ParseBool(node));
        PM_SET_FIELD(Bool, value);
      }
      case FieldDescriptor::CPPTYPE_ENUM: {
        PM_ASSIGN_OR_RETURN(const EnumValueDescriptor* value, ParseEnum(*field.enum_type(), node));
        PM_SET_FIELD(Enum, value);
      }
      case FieldDescriptor::CPPTYPE_STRING: {
        PM_ASSIGN_OR_RETURN(std::string value, ParseText(node));
        PM_SET_FIELD(String, std::move(value));
      }
      default:
        return absl::InternalError("a message is no scalar");
    }
  }
#undef PM_SET_FIELD
};

bool IsDuration(const Descriptor& type) { return type.full_name() == "google.protobuf.Duration"; }
bool IsTimestamp(const Descriptor& type) { return type.full_name() == "google.protobuf.Timestamp"; }

// Well-known types have "seconds" and "nanos".
void SetSecondsAndNanos(int64_t seconds, int32_t nanos, Message* message) {
  const Descriptor& type = *message->GetDescriptor();
  message->GetReflection()->SetInt64(message, type.FindFieldByNumber(1), seconds);
  message->GetReflection()->SetInt32(message, type.FindFieldByNumber(2), nanos);
}

absl::Status SetDuration(const YamlNode& node, Message* message) {
  constexpr absl::string_view kForm =
      "a duration with its unit, such as \"1.5s\", \"200ms\" or \"2m\"";
  // protobuf's own bound: about 10,000 years.
  const absl::Duration limit = absl::Seconds(315'576'000'000);
  absl::Duration duration;
  if (!absl::ParseDuration(node.text, &duration)) return Expected(kForm, node);
  if (duration > limit || duration < -limit) return Expected("a duration of sane length", node);
  const int64_t seconds = absl::IDivDuration(duration, absl::Seconds(1), &duration);
  SetSecondsAndNanos(seconds, static_cast<int32_t>(absl::ToInt64Nanoseconds(duration)), message);
  return absl::OkStatus();
}

absl::Status SetTimestamp(const YamlNode& node, Message* message) {
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, node.text, &time, &error) ||
      time < absl::FromUnixSeconds(-62'135'596'800) ||
      time > absl::FromUnixSeconds(253'402'300'799)) {
    return Expected("a time such as \"2026-01-02T03:04:05Z\"", node);
  }
  const int64_t seconds = absl::ToUnixSeconds(time);
  const absl::Duration rest = time - absl::FromUnixSeconds(seconds);
  SetSecondsAndNanos(seconds, static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)), message);
  return absl::OkStatus();
}

}  // namespace

std::string ShortEnumName(const EnumValueDescriptor& value) {
  absl::string_view name = value.name();
  const std::string prefix = EnumPrefix(*value.type());
  absl::ConsumePrefix(&name, prefix);
  return absl::AsciiStrToLower(name);
}

absl::Status SetScalar(const FieldDescriptor& field, const YamlNode& node, Message* message) {
  return Target{field, *message, *message->GetReflection()}.Set(node);
}

bool IsScalarMessage(const Descriptor& type) { return IsDuration(type) || IsTimestamp(type); }

absl::Status SetScalarMessage(const YamlNode& node, Message* message) {
  if (IsDuration(*message->GetDescriptor())) return SetDuration(node, message);
  return SetTimestamp(node, message);
}

}  // namespace pointsman::common
