#pragma once

// Resolves the names that endpoints have for addresses, again and again, in a thread of its own. A
// name that cannot be resolved keeps what it had. Thread-safe.

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/core/address.h"
#include "common/mutex.h"
#include "gateway/control/name_lookup.h"

namespace pointsman::gateway {

class NameResolver {
 public:
  // As LookUpAll().
  using Resolve =
      std::function<void(const std::vector<std::string>& names,
                         absl::FunctionRef<void(const std::string& name, LookupResult result)> done,
                         absl::FunctionRef<bool()> stop)>;
  // On the resolver's thread.
  using OnResolved =
      std::function<void(const std::string& name, std::vector<common::Address> addresses)>;

  struct Options {
    absl::Duration interval = absl::Seconds(5);  // From one round to the next.
    // Empty: by the system's servers.
    Resolve resolve;
    OnResolved on_resolved;
  };

  // `clock` must outlive this.
  NameResolver(const common::Clock& clock, Options options);
  // Joins.
  ~NameResolver();

  // Resolves these from now on; new ones at once.
  void SetNames(std::vector<std::string> names);
  // Until each of these was looked up, well or not, or `at_most` has passed.
  void AwaitRound(absl::Duration at_most);

 private:
  void Run();
  void ResolveRound(const std::vector<std::string>& names);
  // Other names are wanted, or none any more.
  bool Outdated() const;

  const common::Clock& clock_;
  const Options options_;
  mutable common::Mutex mutex_;
  common::CondVar changed_;
  std::vector<std::string> names_ ABSL_GUARDED_BY(mutex_);
  bool settled_ ABSL_GUARDED_BY(mutex_) = true;
  bool fresh_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace pointsman::gateway
