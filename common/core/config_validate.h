#pragma once

// The rules of the configuration, as the comments of proto/pointsman/v1 state them: ranges,
// required fields, references, uniqueness, patterns, addresses. One place for files, Apply and
// single resources. Thread-safe (no state).

#include "common/core/config_problem.h"
#include "pointsman/v1/config.pb.h"

namespace pointsman::common {

inline constexpr int kServicesMax = 10'000;
inline constexpr int kPatternsOfHostMax = 64;
inline constexpr int kRoutesMax = 10'000;
inline constexpr int kOverridesMax = 10'000;
inline constexpr size_t kConfigBytesMax = 8 << 20;
// Bytes a compiled RE2 pattern may take, and bytes of its text.
inline constexpr int kPatternMemoryMax = 256 << 10;
inline constexpr size_t kPatternBytesMax = 1024;

// Completes bare names ("web" -> "services/web"), lowers hosts' case, and takes "services/web" as
// "web" where a bare ID is wanted. What the server sets (revision, etag, author, create_time) is
// kept. Idempotent.
void NormalizeConfig(v1::Config* config);

// Every broken rule, at most kConfigProblemsMax (then one more entry says how many there are).
// REQUIRES: normalised. O(size of the configuration); patterns are compiled.
ConfigProblems ValidateConfig(const v1::Config& config);

// One resource by itself: references to others are not looked at. Paths begin with the field.
// REQUIRES: normalised.
ConfigProblems ValidateService(const v1::Service& service);
ConfigProblems ValidateRoute(const v1::Route& route);
ConfigProblems ValidateOverride(const v1::Override& override);
// An endpoint of an agent's Hello as well as one of the configuration.
ConfigProblems ValidateEndpoint(const v1::Endpoint& endpoint);

}  // namespace pointsman::common
