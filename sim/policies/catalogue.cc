#include "sim/policies/catalogue.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/core/status_macros.h"
#include "sim/policies/polled_p2c.h"
#include "sim/policies/unweighted.h"
#include "sim/policies/weighted.h"

namespace pointsman::sim {
namespace {

using Maker =
    std::function<std::unique_ptr<Policy>(const PolicySettings& settings, absl::BitGenRef random)>;

struct Entry {
  absl::string_view name;
  bool needs_weights;
  Maker make;
};

const std::vector<Entry>& Entries() {
  using S = const PolicySettings&;
  using R = absl::BitGenRef;
  static const auto* const entries = new std::vector<Entry>{
      {"random", false, [](S, R) { return std::make_unique<RandomPolicy>(); }},
      {"round_robin", false, [](S, R) { return std::make_unique<RoundRobinPolicy>(); }},
      {"weighted", true,
       [](S s, R random) {
         return std::make_unique<WeightedPolicy>(s.schedule, s.weights, random);
       }},
      {"least_request", false, [](S, R) { return std::make_unique<LeastRequestPolicy>(); }},
      {"p2c", false, [](S, R) { return std::make_unique<PowerOfChoicesPolicy>(2); }},
      {"weighted_p2c", true, [](S s, R) { return std::make_unique<WeightedP2cPolicy>(s.weights); }},
      {"peak_ewma", false,
       [](S s, R) { return std::make_unique<PeakEwmaPolicy>(s.endpoints, s.peak_ewma); }},
      {"wrr", false, [](S s, R) { return std::make_unique<WrrPolicy>(s.endpoints, s.wrr); }},
      {"robinhood", false, [](S s, R) { return std::make_unique<PidPolicy>(s.endpoints, s.pid); }},
      {"prequal", false,
       [](S s, R) { return std::make_unique<PrequalPolicy>(s.endpoints, s.prequal); }},
      {"c3", false, [](S s, R) { return std::make_unique<C3Policy>(s.endpoints, s.c3); }},
      {"yarp", false, [](S s, R) { return std::make_unique<PolledP2cPolicy>(s.endpoints); }},
  };
  return *entries;
}

absl::Status CheckWeights(const PolicySettings& settings) {
  if (settings.weights.size() != settings.endpoints) {
    return absl::InvalidArgumentError(absl::StrCat(
        "policy: ", settings.weights.size(), " weights for ", settings.endpoints, " endpoints"));
  }
  const auto [least, most] = std::minmax_element(settings.weights.begin(), settings.weights.end());
  if (!(*least >= 0) || !(*most > 0)) {
    return absl::InvalidArgumentError(absl::StrCat("policy: weights from ", *least, " to ", *most,
                                                   "; none may be negative, one must be above 0"));
  }
  return absl::OkStatus();
}

}  // namespace

const std::vector<absl::string_view>& PolicyNames() {
  static const auto* const names = [] {
    auto* made = new std::vector<absl::string_view>;
    for (const Entry& entry : Entries()) made->push_back(entry.name);
    return made;
  }();
  return *names;
}

absl::StatusOr<std::unique_ptr<Policy>> MakePolicy(absl::string_view name,
                                                   const PolicySettings& settings,
                                                   absl::BitGenRef random) {
  if (settings.endpoints < 1) return absl::InvalidArgumentError("policy: no endpoints");
  for (const Entry& entry : Entries()) {
    if (entry.name != name) continue;
    if (entry.needs_weights) PM_RETURN_IF_ERROR(CheckWeights(settings));
    return entry.make(settings, random);
  }
  return absl::InvalidArgumentError(absl::StrCat("policy: unknown name \"", name, "\""));
}

}  // namespace pointsman::sim
