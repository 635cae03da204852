#include "common/version.h"

#define PM_TEXT_INNER(text) #text
#define PM_TEXT(text) PM_TEXT_INNER(text)

namespace pointsman::common {

absl::string_view Version() {
#ifdef PM_COMMIT
  return "0.1.0+" PM_TEXT(PM_COMMIT);
#else
  return "0.1.0";
#endif
}

}  // namespace pointsman::common
