// Any bytes as a configuration: an error with a code or a configuration that is written and read
// back as the same, never a crash.

#include <google/protobuf/util/message_differencer.h>

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "common/core/check.h"
#include "common/core/config_format.h"
#include "common/core/config_load.h"
#include "common/core/error_reason.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using pointsman::v1::Config;
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<Config> config = pointsman::common::LoadConfig(text, "fuzz");
  if (!config.ok()) {
    PM_CHECK(absl::IsInvalidArgument(config.status()));
    PM_CHECK(!pointsman::common::ReasonOf(config.status()).empty());
    return 0;
  }
  const absl::StatusOr<Config> again =
      pointsman::common::LoadConfig(pointsman::common::FormatYaml(*config), "again");
  PM_CHECK(again.ok());
  PM_CHECK(google::protobuf::util::MessageDifferencer::Equals(*config, *again));
  return 0;
}
