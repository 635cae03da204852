#pragma once

// Where a field that stands in the wrong message belongs: people who write YAML are more often one
// level off than wrong about the word. Thread-safe (no state).

#include <span>
#include <string>

#include "google/protobuf/descriptor.h"

namespace pointsman::common {

// The field as the message type has it, by its name in snake_case or lowerCamelCase; null: none.
const google::protobuf::FieldDescriptor* FindConfigField(const google::protobuf::Descriptor& type,
                                                         const std::string& name);

// `it belongs one level down, in "http"`, `it belongs one level up, beside "http"` or `it belongs
// in "retries", beside "timeouts"`; empty: none of these has it. `path` are the fields that lead
// from the root message to the one of `type`. O(fields of the messages around).
std::string PlaceOfField(const google::protobuf::Descriptor& type,
                         std::span<const google::protobuf::FieldDescriptor* const> path,
                         const std::string& name);

}  // namespace pointsman::common
