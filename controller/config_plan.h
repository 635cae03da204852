#pragma once

// What an Apply would do, worked out before anything is written: normalise, validate, compare with
// the current configuration, keep what did not change, stamp what did. Pure; values are
// thread-compatible.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "pointsman/v1/admin.pb.h"
#include "pointsman/v1/config.pb.h"

namespace pointsman::controller {

// A resource's serialised form may take this much; more is INVALID_ARGUMENT (CONFIG_LIMIT).
inline constexpr size_t kResourceBytesMax = 512 << 10;
// Bytes of before and after texts in one answer; beyond, changes are listed without them.
inline constexpr size_t kChangeTextBytesMax = 16 << 20;
inline constexpr size_t kCommentBytesMax = 255;

struct PlanInput {
  // With server-set fields, resources by name.
  const v1::Config* current = nullptr;
  uint64_t current_revision = 0;
  // As the client sent it.
  v1::Config wanted;
  // Overrides become equal to the wanted ones also when there are none.
  bool replace_overrides = false;
  // Etags that resources of `wanted` carry are compared with the current ones.
  bool compare_etags = true;
  std::string actor;
  absl::Time now;
};

struct Plan {
  // The configuration afterwards: normalised, resources by name, revision and etag set.
  v1::Config config;
  // By name. Empty: nothing changes, no revision is made.
  std::vector<v1::ConfigChange> changes;
};

// InvalidArgument: every broken rule. Aborted, reason "ETAG_MISMATCH": a resource changed since
// the client read it. O(size of both configurations).
absl::StatusOr<Plan> MakePlan(PlanInput input);

// Aborted, reason "ETAG_MISMATCH", when a client sent an etag and the resource (empty: it is not
// there) has another one.
absl::Status CheckEtag(absl::string_view name, absl::string_view sent, absl::string_view current);

// "3 created, 1 updated"; "nothing changed".
std::string ChangesSummary(const std::vector<v1::ConfigChange>& changes);

}  // namespace pointsman::controller
