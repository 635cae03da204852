#include "controller/rpc/stream_end.h"

#include <string>

#include "common/core/error_reason.h"
#include "common/log.h"
#include "controller/core/validate.h"

namespace pointsman::controller {

absl::Status WithStreamReason(const absl::Status& status) {
  if (status.ok() || !common::ReasonOf(status).empty()) return status;
  const absl::string_view code = CodeOf(status);
  return common::WithReason(
      status, code.empty() ? absl::string_view(absl::StatusCodeToString(status.code())) : code);
}

absl::Status TellStreamEnd(const StreamPeer& who, const absl::Status& status,
                           RefusalCounts& refusals) {
  absl::Status told = WithStreamReason(status);
  if (told.ok()) return told;
  const std::string reason = common::ReasonOf(told);
  refusals.Count(reason);
  common::LogWarning(who.event, {{who.kind, who.name.substr(0, kClaimedBytesMax)},
                                 {"peer", who.peer},
                                 {"reason", reason},
                                 {"cause", told.message()}});
  return told;
}

}  // namespace pointsman::controller
