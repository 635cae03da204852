#include "controller/store/store_error.h"

#include "absl/strings/str_cat.h"
#include "common/core/error_reason.h"

namespace pointsman::controller {

absl::Status WithStoreReason(const absl::Status& status) {
  if (absl::IsDataLoss(status)) return common::WithReason(status, "STORE_DAMAGED");
  return common::WithReason(
      absl::UnavailableError(absl::StrCat("the store does not take part: ", status.message(),
                                          "; nothing was changed, try again when it does")),
      "STORE_UNAVAILABLE");
}

}  // namespace pointsman::controller
