#include "cli/next_step.h"

#include <optional>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "common/core/error_reason.h"

namespace pointsman::cli {
namespace {

// The payload that carries a next step within this process.
constexpr absl::string_view kNextStep = "pointsman.cli/next-step";

struct ReasonStep {
  absl::string_view reason;
  absl::string_view next;
};

constexpr absl::string_view kAgain = "nothing was changed: try again in a moment";
constexpr absl::string_view kLookAgain =
    "see the current state with \"pointsman history\" and \"pointsman get config\", then try again";

// docs/errors.md lists the reasons.
constexpr ReasonStep kReasonSteps[] = {
    {"RESOURCE_NOT_FOUND", "list what there is with \"pointsman get services\""},
    {"ENDPOINT_NOT_FOUND", "list what there is with \"pointsman get endpoints\""},
    {"REVISION_NOT_FOUND", "list the revisions that are kept with \"pointsman history\""},
    {"NOT_DRAINED", "see what is in force with \"pointsman get overrides\""},
    {"RESOURCE_EXISTS", "update it, or choose another name"},
    {"REVISION_MISMATCH", kLookAgain},
    {"ETAG_MISMATCH", kLookAgain},
    {"CONCURRENT_CHANGE", "somebody else changed it at the same moment: try again"},
    {"MAILBOX_FULL", "the controller does not keep up: try again in a moment"},
    {"BUSY", kAgain},
    {"TOO_MANY_WATCHES", "end another \"pointsman watch\" first"},
    {"CONTROLLER_STOPPING", kAgain},
    {"ROLE_DENIED", "use a certificate whose role may do that: --tls-cert, --tls-key, --tls-ca"},
    {"STORE_UNAVAILABLE",
     "nothing was changed: look at disk space and permissions of the controller's --data-dir; "
     "\"pointsman status\" shows the store's error"},
    {"STORE_DAMAGED", "keep a copy of pointsman.db, then restore it from a backup"},
};

std::optional<absl::string_view> StepOfReason(absl::string_view reason) {
  // A whole configuration is corrected in its file, wherever it was found to be wrong.
  if (absl::StartsWith(reason, "CONFIG_")) {
    return "correct it and check with \"pointsman validate -f FILE\"";
  }
  for (const ReasonStep& step : kReasonSteps) {
    if (step.reason == reason) return step.next;
  }
  return std::nullopt;
}

absl::string_view StepOfCode(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return "correct the command line; see \"pointsman COMMAND --help\"";
    case absl::StatusCode::kNotFound:
      return "list what there is with \"pointsman get services\" or \"pointsman get endpoints\"";
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kAlreadyExists:
      return kLookAgain;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return "use an operator's certificate: --tls-cert, --tls-key, --tls-ca";
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
      return "try again; look at the controller's log when it stays so";
    case absl::StatusCode::kResourceExhausted:
      return "ask for less, or try again in a moment";
    case absl::StatusCode::kUnimplemented:
      return "the controller is of another version: compare \"pointsman status\" with \"pointsman "
             "--version\"";
    default:
      return "report it, with this text and the controller's log of this moment";
  }
}

}  // namespace

absl::Status WithNext(absl::Status status, absl::string_view next) {
  if (!status.ok()) status.SetPayload(kNextStep, absl::Cord(next));
  return status;
}

std::string NextStepOf(const absl::Status& status) {
  if (const auto next = status.GetPayload(kNextStep); next) return std::string(*next);
  const auto of_reason = StepOfReason(common::ReasonOf(status));
  return std::string(of_reason.value_or(StepOfCode(status.code())));
}

}  // namespace pointsman::cli
