#pragma once

// Early return on errors carried by absl::Status and absl::StatusOr. Thread-safe.

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define PM_STATUS_CONCAT_INNER(a, b) a##b
#define PM_STATUS_CONCAT(a, b) PM_STATUS_CONCAT_INNER(a, b)

// Returns the status of `expression` from the enclosing function unless it is OK.
#define PM_RETURN_IF_ERROR(expression)                                              \
  do {                                                                              \
    if (::absl::Status pm_status = (expression); !pm_status.ok()) return pm_status; \
  } while (false)

// PM_ASSIGN_OR_RETURN(auto value, F()): assigns the value, or returns the status.
#define PM_ASSIGN_OR_RETURN(declaration, expression) \
  PM_ASSIGN_OR_RETURN_IMPL(PM_STATUS_CONCAT(pm_result_, __LINE__), declaration, expression)
#define PM_ASSIGN_OR_RETURN_IMPL(result, declaration, expression) \
  auto result = (expression);                                     \
  if (!result.ok()) return std::move(result).status();            \
  declaration = *std::move(result)
