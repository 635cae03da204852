#include "gateway/control/name_resolver.h"

#include <utility>

#include "common/log.h"

namespace pointsman::gateway {

NameResolver::NameResolver(const common::Clock& clock, Options options)
    : clock_(clock), options_(std::move(options)), thread_([this] { Run(); }) {}

NameResolver::~NameResolver() {
  {
    common::MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  thread_.join();
}

void NameResolver::SetNames(std::vector<std::string> names) {
  {
    common::MutexLock lock(mutex_);
    if (names == names_) return;
    names_ = std::move(names);
    fresh_ = true;
    settled_ = names_.empty();
  }
  changed_.NotifyAll();
}

void NameResolver::AwaitRound(absl::Duration at_most) {
  const common::MonotonicTime until = clock_.Now() + at_most;
  common::MutexLock lock(mutex_);
  while (!settled_ && !stopping_ && clock_.Now() < until) {
    changed_.WaitFor(mutex_, until - clock_.Now());
  }
}

bool NameResolver::Outdated() const {
  common::MutexLock lock(mutex_);
  return stopping_ || fresh_;
}

void NameResolver::ResolveRound(const std::vector<std::string>& names) {
  const auto done = [this](const std::string& name, LookupResult result) {
    if (result.ok()) return options_.on_resolved(name, *std::move(result));
    common::LogWarning("gateway.resolve_failed",
                       {{"name", name}, {"error", result.status().ToString()}});
  };
  const auto stop = [this] { return Outdated(); };
  if (options_.resolve) return options_.resolve(names, done, stop);
  LookUpAll(NameLookupOptions(), names, done, stop);
}

void NameResolver::Run() {
  while (true) {
    std::vector<std::string> names;
    {
      common::MutexLock lock(mutex_);
      const common::MonotonicTime until = clock_.Now() + options_.interval;
      while (!stopping_ && !fresh_ && (names_.empty() || clock_.Now() < until)) {
        changed_.WaitFor(mutex_, options_.interval);
      }
      if (stopping_) return;
      fresh_ = false;
      names = names_;
    }
    ResolveRound(names);
    common::MutexLock lock(mutex_);
    if (fresh_) continue;
    settled_ = true;
    changed_.NotifyAll();
  }
}

}  // namespace pointsman::gateway
