#include "controller/rpc/refusals.h"

namespace pointsman::controller {

void RefusalCounts::Count(absl::string_view code) {
  const std::string name(code.empty() ? "UNKNOWN" : code);
  {
    common::MutexLock lock(mutex_);
    ++counts_[name];
  }
  if (registry_ == nullptr) return;
  registry_
      ->AddCounter(
          {"pointsman_controller_refused_total",
           "Messages of agents and gateways that were dropped, and their streams that were ended "
           "with an error, by code.",
           {{"code", name}}})
      .Add();
}

std::map<std::string, uint64_t> RefusalCounts::counts() const {
  common::MutexLock lock(mutex_);
  return counts_;
}

}  // namespace pointsman::controller
