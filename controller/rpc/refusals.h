#pragma once

// Counts refused messages by their stable code, for one peer and for the program. Thread-safe.

#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "common/metrics.h"
#include "common/mutex.h"

namespace pointsman::controller {

class RefusalCounts {
 public:
  // `registry` may be null (a peer's own counts); else counts show as
  // pointsman_controller_refused_total{code=...}. It must outlive this.
  explicit RefusalCounts(common::Registry* registry = nullptr) : registry_(registry) {}

  void Count(absl::string_view code);
  std::map<std::string, uint64_t> counts() const;

 private:
  common::Registry* const registry_;
  mutable common::Mutex mutex_;
  std::map<std::string, uint64_t> counts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pointsman::controller
