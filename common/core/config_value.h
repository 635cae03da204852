#pragma once

// One scalar of a configuration file becomes one value of a message's field. Thread-safe (no
// state).

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/core/yaml_tree.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace pointsman::common {

// Sets a singular field, or adds to a repeated one. Numbers in range of their type and finite;
// sizes (fields ending in "_bytes") also as "64MiB"; enums by name with or without prefix, any
// case; booleans true and false; texts valid UTF-8. InvalidArgument:
// what was expected and found. REQUIRES: `field` is no message; `node` is a scalar.
absl::Status SetScalar(const google::protobuf::FieldDescriptor& field, const YamlNode& node,
                       google::protobuf::Message* message);

// Durations and times of google.protobuf are written as one scalar.
bool IsScalarMessage(const google::protobuf::Descriptor& type);
// InvalidArgument: as above. REQUIRES: IsScalarMessage of the message's type.
absl::Status SetScalarMessage(const YamlNode& node, google::protobuf::Message* message);

// "in_flight" for LOAD_SIGNAL_IN_FLIGHT: without the prefix its enum's names share, lower case.
std::string ShortEnumName(const google::protobuf::EnumValueDescriptor& value);

}  // namespace pointsman::common
