#include "cli/command.h"

#include "common/core/config_format.h"

namespace pointsman::cli {

bool CommandContext::WriteMessage(const google::protobuf::Message& message) const {
  if (output == OutputFormat::kJson) {
    out << common::FormatJson(message);
    return true;
  }
  if (output == OutputFormat::kYaml) {
    out << common::FormatYaml(message);
    return true;
  }
  return false;
}

}  // namespace pointsman::cli
