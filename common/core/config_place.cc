#include "common/core/config_place.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/core/config_value.h"

namespace pointsman::common {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// A name that more of the neighbours have says nothing about where it was meant to be.
constexpr size_t kPlacesMax = 3;

// The fields of `type` whose messages have a field of that name, in quotes.
std::vector<std::string> FieldsThatHave(const Descriptor& type, const std::string& name) {
  std::vector<std::string> out;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const Descriptor* inner = field.message_type();
    if (inner == nullptr || field.is_map() || IsScalarMessage(*inner)) continue;
    if (FindConfigField(*inner, name) != nullptr) {
      out.push_back(absl::StrCat("\"", field.name(), "\""));
    }
  }
  return out;
}

bool Tells(const std::vector<std::string>& places) {
  return !places.empty() && places.size() <= kPlacesMax;
}

}  // namespace

const FieldDescriptor* FindConfigField(const Descriptor& type, const std::string& name) {
  if (const FieldDescriptor* field = type.FindFieldByName(name); field != nullptr) return field;
  return type.FindFieldByCamelcaseName(name);
}

std::string PlaceOfField(const Descriptor& type, std::span<const FieldDescriptor* const> path,
                         const std::string& name) {
  if (const auto inner = FieldsThatHave(type, name); Tells(inner)) {
    return absl::StrCat("it belongs one level down, in ", absl::StrJoin(inner, " or "));
  }
  if (path.empty()) return "";
  const FieldDescriptor& own = *path.back();
  const Descriptor& parent = *own.containing_type();
  if (FindConfigField(parent, name) != nullptr) {
    return absl::StrCat("it belongs one level up, beside \"", own.name(), "\"");
  }
  if (const auto beside = FieldsThatHave(parent, name); Tells(beside)) {
    return absl::StrCat("it belongs in ", absl::StrJoin(beside, " or "), ", beside \"", own.name(),
                        "\"");
  }
  return "";
}

}  // namespace pointsman::common
