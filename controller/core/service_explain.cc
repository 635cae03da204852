// ServiceState: why it routes to whom it does, and what its weights wait for, in words.

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/core/proto_time.h"
#include "controller/core/explain_text.h"
#include "controller/core/service_state.h"
#include "pointsman/v1/state.pb.h"

namespace pointsman::controller {

using common::MonotonicTime;

v1::Explanation ServiceState::Explain(const std::string& freeze, MonotonicTime now) const {
  v1::Explanation out;
  out.set_name(absl::StrCat("services/", id_));
  out.mutable_version()->set_epoch(table_.epoch());
  out.mutable_version()->set_revision(table_.revision());
  ExplainRouting(freeze, now, *out.mutable_verdict());
  ExplainLoop(freeze, now, *out.mutable_weight());
  return out;
}

void ServiceState::ExplainRouting(const std::string& freeze, MonotonicTime now,
                                  v1::Decision& out) const {
  const HealthRules& rules = policy_.health;
  uint32_t routable = 0;
  for (const FrameEntry& entry : table_.entries()) routable += entry.state.routable ? 1 : 0;
  std::map<std::string, uint32_t> verdicts;
  uint32_t serving = 0;
  for (const auto& [id, endpoint] : endpoints_) {
    ++verdicts[v1::Verdict_Name(endpoint.health.verdict).substr(8)];
    const bool counts = endpoint.health.proven && !endpoint.taken_by_operator();
    if (counts && Serves(endpoint.health.verdict)) ++serving;
  }
  out.set_result(absl::StrCat(routable, " of ", endpoints_.size(), " endpoints get requests",
                              fail_open_ ? ", FAIL-OPEN" : ""));
  if (!freeze.empty()) out.set_reason(v1::REASON_FROZEN);
  for (const auto& [verdict, count] : verdicts) {
    AddInput(out, absl::StrCat("verdict.", verdict), absl::StrCat(count), "", "controller");
  }
  const uint32_t counted = Counted();
  AddInput(out, "removals",
           absl::StrCat(removals_.Used(rules, now), " within ", Short(rules.removal_window)),
           absl::StrCat(RemovalBudget::Allowed(rules, counted)), "controller");
  AddInput(out, "gateways", absl::StrCat(GatewaysWithTraffic(now), " with traffic"), "",
           "gateways");
  const UnansweredShares unanswered = answers_.Shares(now);
  out.add_arithmetic(absl::StrFormat(
      "taken for usual here: %.2f%% of tries fail; without an answer, and answered again after: 1 "
      "of %.0f refused or reset, 1 of %.0f timed out",
      100 * answers_.FailureShare(now), 1 / unanswered.unreachable, 1 / unanswered.timeouts));
  out.add_arithmetic(absl::StrFormat(
      "fail-open: %u serve of %u that served once and no person took away; it begins under %.2f x "
      "%u = %.1f",
      serving, counted, rules.fail_open_below, counted, rules.fail_open_below * counted));
  if (rules.shadow) out.add_arithmetic("shadow: verdicts are shown, not applied");
  if (!freeze.empty()) out.add_would_change(absl::StrCat("the end of the freeze: ", freeze));
  out.add_would_change("a change of an endpoint's verdict: pointsman explain endpoint " + id_ +
                       "/ENDPOINT");
}

void ServiceState::ExplainLoop(const std::string& freeze, MonotonicTime now,
                               v1::Decision& out) const {
  const WeightRules& rules = policy_.weights;
  const absl::Duration window = now - window_start_;
  uint32_t serving = 0;
  uint32_t measured = 0;
  for (const auto& [id, endpoint] : endpoints_) {
    if (!Weighable(endpoint, now)) continue;
    ++serving;
    if (Measured(endpoint.window.Average(window))) ++measured;
  }
  const char* result = step_moved_ || awaiting_ ? "MOVING" : "SETTLED";
  if (last_step_ == MonotonicTime()) result = "NO STEP YET";
  if (!freeze.empty()) result = "FROZEN";
  if (rules.signal == Signal::kNone) result = "NOT COMPUTED";
  out.set_result(result);
  if (last_step_ != MonotonicTime()) common::ToProto(now - last_step_, out.mutable_age());
  AddInput(out, "signal", SignalName(rules.signal), "", "configuration");
  AddInput(out, "measured", absl::StrCat(measured, " of ", serving, " past their slow start"),
           absl::StrCat(Ready(serving)), "gateways");
  AddInput(out, "window", Short(window), Short(rules.control_period), "controller");
  out.add_arithmetic(absl::StrFormat("mean factor (weights by hints) = %.4g", mean_factor_));
  if (awaiting_) {
    out.add_arithmetic(absl::StrCat("the last change is on its way since ",
                                    Short(now - awaiting_since_),
                                    "; the window begins when gateways with nine tenths of the "
                                    "traffic run it"));
  }
  if (rules.signal == Signal::kNone) {
    out.add_would_change("a signal in the service's `weights`");
    return;
  }
  out.add_would_change(absl::StrCat("the next step, when ", Ready(serving),
                                    " endpoints are measured, or ", Short(kWindowPatience),
                                    " of the window have passed and 2 are"));
}

}  // namespace pointsman::controller
