#pragma once

// Resolves the names that endpoints have for addresses, again and again, in a thread of its own:
// the system's resolver blocks. A name that cannot be resolved keeps what it had. Thread-safe.

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/core/address.h"
#include "common/mutex.h"

namespace pointsman::gateway {

// All addresses of a host name (IPv4 and IPv6, without port), by the system's resolver. Blocks.
// NotFound: the name does not exist; Unavailable: cannot be known now.
absl::StatusOr<std::vector<common::Address>> ResolveHost(const std::string& name);

class NameResolver {
 public:
  using Resolve = std::function<absl::StatusOr<std::vector<common::Address>>(const std::string&)>;
  // On the resolver's thread.
  using OnResolved =
      std::function<void(const std::string& name, std::vector<common::Address> addresses)>;

  struct Options {
    absl::Duration interval = absl::Seconds(5);  // From one round to the next.
    Resolve resolve = ResolveHost;
    OnResolved on_resolved;
  };

  // `clock` must outlive this.
  NameResolver(const common::Clock& clock, Options options);
  // Joins; waits for a resolution in progress.
  ~NameResolver();

  // Resolves these from now on; new ones at once.
  void SetNames(std::vector<std::string> names);
  // Until each of these was looked up, well or not, or `at_most` has passed.
  void AwaitRound(absl::Duration at_most);

 private:
  void Run();

  const common::Clock& clock_;
  const Options options_;
  common::Mutex mutex_;
  common::CondVar changed_;
  std::vector<std::string> names_ ABSL_GUARDED_BY(mutex_);
  bool settled_ ABSL_GUARDED_BY(mutex_) = true;
  bool fresh_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace pointsman::gateway
