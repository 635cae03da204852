// In builds with PM_GUARDS_REMOVABLE: takes away the guard that the environment names, before the
// first test runs (tests/guards.sh).

#include "common/core/guard.h"

#ifdef PM_GUARDS_REMOVABLE

#include <cstdlib>

namespace pointsman::common {
namespace {

const bool kRemoved = [] {
  const char* name = std::getenv("POINTSMAN_REMOVED_GUARD");
  if (name != nullptr) RemoveGuard(name);
  return name != nullptr;
}();

}  // namespace
}  // namespace pointsman::common

#endif
