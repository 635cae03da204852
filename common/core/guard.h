#pragma once

// The rules that keep a wrong decision small, by name, so that a test build can do without one of
// them and show which test notices (tests/guards.sh; docs/design/decisions.md says what each is
// for). In every other build they all hold, at no cost.

#ifdef PM_GUARDS_REMOVABLE
#include <string>
#endif

namespace pointsman::common {

enum class Guard {
  kGainBound,      // A weight moves by half its error, x0.5 to x1.25 a step.
  kRemovalCap,     // A share of a service is removed within a window, no more.
  kEpoch,          // A gateway never goes back to an older table.
  kSlowStart,      // What begins to serve begins with little.
  kSilenceFreeze,  // Many agents silent at once: silence decides nothing.
  kFailOpen,       // Health alone never empties a set.
  kFlapPenalty,    // What fails again and again must prove itself for longer.
  kOthersAnswer,   // Time-outs eject nobody while nobody answers.
  kUsualShare,     // Failures eject nobody where they are usual.
};

#ifdef PM_GUARDS_REMOVABLE
// By its name here, "kRemovalCap". Before any decision is made; not thread-safe.
void RemoveGuard(const std::string& name);
// False for the one that was removed.
bool Holds(Guard guard);
#else
constexpr bool Holds(Guard) { return true; }
#endif

}  // namespace pointsman::common
