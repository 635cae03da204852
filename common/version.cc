#include "common/version.h"

#include <string>

#include "absl/strings/str_cat.h"

// Of the generated file that only the programs link, so that a new commit does not link every test
// anew; weak, so that it may be absent.
extern "C" __attribute__((weak)) const char* pm_commit();

namespace pointsman::common {

absl::string_view Version() {
  static const std::string* const version =
      new std::string(absl::StrCat("0.1.0+", pm_commit != nullptr ? pm_commit() : "unknown"));
  return *version;
}

}  // namespace pointsman::common
