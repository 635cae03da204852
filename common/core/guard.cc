#include "common/core/guard.h"

#ifdef PM_GUARDS_REMOVABLE

#include <string>

namespace pointsman::common {
namespace {

std::string& Removed() {
  static auto* const name = new std::string;
  return *name;
}

const char* NameOf(Guard guard) {
  switch (guard) {
    case Guard::kGainBound:
      return "kGainBound";
    case Guard::kRemovalCap:
      return "kRemovalCap";
    case Guard::kEpoch:
      return "kEpoch";
    case Guard::kSlowStart:
      return "kSlowStart";
    case Guard::kSilenceFreeze:
      return "kSilenceFreeze";
    case Guard::kFailOpen:
      return "kFailOpen";
    case Guard::kFlapPenalty:
      return "kFlapPenalty";
    case Guard::kOthersAnswer:
      return "kOthersAnswer";
    case Guard::kUsualShare:
      return "kUsualShare";
  }
  return "";
}

}  // namespace

void RemoveGuard(const std::string& name) { Removed() = name; }
bool Holds(Guard guard) { return Removed() != NameOf(guard); }

}  // namespace pointsman::common

#endif
