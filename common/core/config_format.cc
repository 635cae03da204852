#include "common/core/config_format.h"

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "common/core/check.h"
#include "common/core/config_value.h"
#include "common/core/utf8.h"

namespace pointsman::common {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr absl::string_view kServerFields[] = {"revision", "etag", "author", "create_time"};

// Words that YAML or another reader of it takes for something else than a text.
bool IsReservedWord(absl::string_view text) {
  constexpr absl::string_view kWords[] = {"null", "true", "false", "yes", "no",
                                          "on",   "off",  "y",     "n"};
  return std::any_of(std::begin(kWords), std::end(kWords),
                     [&](absl::string_view word) { return absl::EqualsIgnoreCase(text, word); });
}

// Can stand without quotes: begins with a letter or '/', has only harmless characters, and reads
// as nothing else.
bool IsPlainText(absl::string_view text) {
  if (text.empty() || IsReservedWord(text)) return false;
  const unsigned char first = static_cast<unsigned char>(text[0]);
  if (!absl::ascii_isalpha(first) && first != '/') return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           absl::string_view("/._-").find(c) != absl::string_view::npos;
  });
}

// A double-quoted YAML (and JSON) string. REQUIRES: valid UTF-8.
std::string Quoted(absl::string_view text) {
  std::string out = "\"";
  for (size_t i = 0; i < text.size();) {
    const size_t length = Utf8SequenceLength(text.substr(i));
    const unsigned char c = static_cast<unsigned char>(text[i]);
    if (c == '"' || c == '\\') {
      absl::StrAppend(&out, "\\", text.substr(i, 1));
    } else if (c == '\n') {
      absl::StrAppend(&out, "\\n");
    } else if (c == '\r') {
      absl::StrAppend(&out, "\\r");
    } else if (c == '\t') {
      absl::StrAppend(&out, "\\t");
    } else if (c < 0x20 || c == 0x7F) {
      absl::StrAppendFormat(&out, "\\x%02x", c);
    } else if (text.substr(i, length) == "\xEF\xBB\xBF") {
      absl::StrAppend(&out, "\\uFEFF");  // Would be dropped as a byte order mark.
    } else {
      absl::StrAppend(&out, text.substr(i, length));
    }
    i += length;
  }
  out.push_back('"');
  return out;
}

std::string TextValue(absl::string_view text) {
  if (IsPlainText(text)) return std::string(text);
  return Quoted(text);
}

template <typename T>
std::string NumberValue(T value) {
  char buffer[64];
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), value);
  return std::string(buffer, result.ptr);
}

std::string DurationValue(const Message& message) {
  google::protobuf::Duration duration;
  duration.CopyFrom(message);
  const absl::Duration value =
      absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
  const absl::Duration size = value < absl::ZeroDuration() ? -value : value;
  if (size < absl::Seconds(60) || value == absl::InfiniteDuration()) {
    return absl::FormatDuration(value);
  }
  // Whole seconds as "90s" read better than "1m30s" and need no second look in a difference.
  std::string text = absl::StrCat(duration.seconds());
  if (duration.nanos() != 0) {
    std::string fraction = absl::StrFormat("%09d", std::abs(duration.nanos()));
    fraction.erase(fraction.find_last_not_of('0') + 1);
    absl::StrAppend(&text, ".", fraction);
  }
  return absl::StrCat(text, "s");
}

std::string TimestampValue(const Message& message) {
  google::protobuf::Timestamp timestamp;
  timestamp.CopyFrom(message);
  const absl::Time time =
      absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
  return Quoted(absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", time, absl::UTCTimeZone()));
}

class YamlWriter {
 public:
  explicit YamlWriter(const FormatOptions& options) : options_(options) {}

  std::string Take() && { return std::move(out_); }

  // The fields of `message`, each on a line of its own. `first_prefix` replaces the indentation of
  // the first line ("- " of a list's entry). False: nothing was there to write.
  bool WriteFields(const Message& message, int indent, const std::string& first_prefix) {
    const Reflection& reflection = *message.GetReflection();
    std::vector<const FieldDescriptor*> fields;
    reflection.ListFields(message, &fields);
    bool written = false;
    for (const FieldDescriptor* field : fields) {
      if (IsLeftOut(*field)) continue;
      absl::StrAppend(&out_, written ? std::string(indent, ' ') : first_prefix, field->name(), ":");
      written = true;
      if (field->is_map()) {
        WriteMap(message, *field, indent + 2);
      } else if (field->is_repeated()) {
        WriteList(message, *field, indent);
      } else if (IsBlock(*field)) {
        WriteBlock(reflection.GetMessage(message, field), indent + 2);
      } else {
        absl::StrAppend(&out_, " ", Scalar(message, *field, -1), "\n");
      }
    }
    return written;
  }

 private:
  bool IsLeftOut(const FieldDescriptor& field) const {
    if (options_.server_fields) return false;
    return std::find(std::begin(kServerFields), std::end(kServerFields),
                     absl::string_view(field.name())) != std::end(kServerFields);
  }

  static bool IsBlock(const FieldDescriptor& field) {
    return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
           !IsScalarMessage(*field.message_type());
  }

  void WriteBlock(const Message& message, int indent) {
    const size_t before = out_.size();
    out_.push_back('\n');
    if (WriteFields(message, indent, std::string(indent, ' '))) return;
    out_.resize(before);
    absl::StrAppend(&out_, " {}\n");
  }

  void WriteList(const Message& message, const FieldDescriptor& field, int indent) {
    const Reflection& reflection = *message.GetReflection();
    out_.push_back('\n');
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
      const std::string dash = absl::StrCat(std::string(indent, ' '), "- ");
      if (!IsBlock(field)) {
        absl::StrAppend(&out_, dash, Scalar(message, field, i), "\n");
      } else if (!WriteFields(reflection.GetRepeatedMessage(message, &field, i), indent + 2,
                              dash)) {
        absl::StrAppend(&out_, dash, "{}\n");
      }
    }
  }

  void WriteMap(const Message& message, const FieldDescriptor& field, int indent) {
    const Reflection& reflection = *message.GetReflection();
    const FieldDescriptor& key = *field.message_type()->FindFieldByNumber(1);
    const FieldDescriptor& value = *field.message_type()->FindFieldByNumber(2);
    std::vector<std::pair<std::string, const Message*>> entries;
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
      const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
      entries.emplace_back(Scalar(entry, key, -1), &entry);
    }
    std::sort(entries.begin(), entries.end());
    out_.push_back('\n');
    for (const auto& [name, entry] : entries) {
      absl::StrAppend(&out_, std::string(indent, ' '), name, ":");
      if (IsBlock(value)) {
        WriteBlock(entry->GetReflection()->GetMessage(*entry, &value), indent + 2);
      } else {
        absl::StrAppend(&out_, " ", Scalar(*entry, value, -1), "\n");
      }
    }
  }

  // `index` -1: the field is singular.
  static std::string Scalar(const Message& message, const FieldDescriptor& field, int index) {
    const Reflection& reflection = *message.GetReflection();
#define PM_GET_FIELD(Type)                           \
  (index < 0 ? reflection.Get##Type(message, &field) \
             : reflection.GetRepeated##Type(message, &field, index))
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return absl::StrCat(PM_GET_FIELD(Int32));
      case FieldDescriptor::CPPTYPE_INT64:
        return absl::StrCat(PM_GET_FIELD(Int64));
      case FieldDescriptor::CPPTYPE_UINT32:
        return absl::StrCat(PM_GET_FIELD(UInt32));
      case FieldDescriptor::CPPTYPE_UINT64:
        return absl::StrCat(PM_GET_FIELD(UInt64));
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return NumberValue(PM_GET_FIELD(Double));
      case FieldDescriptor::CPPTYPE_FLOAT:
        return NumberValue(PM_GET_FIELD(Float));
      case FieldDescriptor::CPPTYPE_BOOL:
        return PM_GET_FIELD(Bool) ? "true" : "false";
      case FieldDescriptor::CPPTYPE_ENUM:
        return ShortEnumName(*PM_GET_FIELD(Enum));
      case FieldDescriptor::CPPTYPE_STRING:
        return TextValue(PM_GET_FIELD(String));
      case FieldDescriptor::CPPTYPE_MESSAGE:
        break;
    }
    const Message& inner = index < 0 ? reflection.GetMessage(message, &field)
                                     : reflection.GetRepeatedMessage(message, &field, index);
#undef PM_GET_FIELD
    if (inner.GetDescriptor()->full_name() == "google.protobuf.Duration") {
      return DurationValue(inner);
    }
    return TimestampValue(inner);
  }

  const FormatOptions options_;
  std::string out_;
};

}  // namespace

std::string FormatYaml(const Message& message, const FormatOptions& options) {
  YamlWriter writer(options);
  if (!writer.WriteFields(message, 0, "")) return "{}\n";
  return std::move(writer).Take();
}

std::string FormatJson(const Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  std::string out;
  const auto status = google::protobuf::util::MessageToJsonString(message, &out, options);
  PM_CHECK(status.ok());  // Only Any and out-of-range times fail.
  return out;
}

}  // namespace pointsman::common
