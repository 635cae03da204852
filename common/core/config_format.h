#pragma once

// Writes messages as YAML and JSON for people, files and differences. The same message always
// gives the same text (fields by number, maps by key). Thread-safe (no state).

#include <string>

#include "google/protobuf/message.h"

namespace pointsman::common {

struct FormatOptions {
  // False: leaves out what the server sets (revision, etag, author, create_time), so that texts
  // can be compared and applied elsewhere.
  bool server_fields = true;
};

// YAML, block style, two spaces; snake_case names, enums without prefix in lower case, durations
// as "1.5s". ParseYaml reads it back to an equal message. An empty message gives "{}\n".
std::string FormatYaml(const google::protobuf::Message& message, const FormatOptions& options = {});

// JSON of protobuf's own mapping with the proto's field names, indented, newline at the end.
// ParseYaml reads it back to an equal message.
std::string FormatJson(const google::protobuf::Message& message);

}  // namespace pointsman::common
