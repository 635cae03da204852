#include "controller/core/explain.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/core/proto_time.h"
#include "controller/core/explain_text.h"
#include "controller/core/frame_proto.h"
#include "pointsman/v1/agent.pb.h"
#include "pointsman/v1/state.pb.h"

namespace pointsman::controller {
namespace {

using common::MonotonicTime;

void SetDuration(absl::Duration duration, google::protobuf::Duration* out) {
  common::ToProto(std::max(duration, absl::ZeroDuration()), out);
}

// "CHECK_FAILURE_REFUSED" -> "refused".
std::string Word(const std::string& name, size_t prefix) {
  return absl::AsciiStrToLower(name.substr(prefix));
}
std::string FailureWord(v1::CheckFailure failure) {
  return Word(v1::CheckFailure_Name(failure), 14);
}
std::string StatusWord(v1::CheckStatus status) { return Word(v1::CheckStatus_Name(status), 13); }

std::string CheckName(const ServicePolicy& policy, size_t index) {
  return index < policy.checks.size() ? policy.checks[index] : absl::StrCat("#", index);
}

std::string AgentSource(const EndpointState& endpoint) {
  if (!endpoint.agent.empty()) return absl::StrCat("agent:", endpoint.agent);
  return endpoint.is_static ? "configuration" : "an earlier controller";
}

// ", slow above 105.0 ms"; empty: not known.
std::string SlowAbove(const CheckEvidence& check) {
  if (check.slow_after_us == 0) return "";
  return absl::StrFormat(", slow above %.1f ms", check.slow_after_us / 1000.0);
}

void AddCheckInputs(const ServiceState& service, const EndpointState& endpoint, v1::Decision& out) {
  const HealthRecord& record = endpoint.health_record;
  for (size_t i = 0; i < record.checks.size(); ++i) {
    const CheckEvidence& check = record.checks[i];
    std::string value = absl::StrFormat("%s, last %u runs alike, %.1f ms", StatusWord(check.status),
                                        check.consecutive, check.latency_us / 1000.0);
    if (check.failure != v1::CHECK_FAILURE_UNSPECIFIED) {
      absl::StrAppend(&value, ", ", FailureWord(check.failure));
    }
    if (check.last_status != 0) absl::StrAppend(&value, ", status ", check.last_status);
    v1::DecisionInput& input =
        AddInput(out, absl::StrCat("check.", CheckName(service.policy(), i)), std::move(value),
                 absl::StrCat("passing", SlowAbove(check)), AgentSource(endpoint));
    SetDuration(absl::Milliseconds(check.age_ms), input.mutable_age());
  }
}

void AddUnreachableArithmetic(const TrafficOpinion& traffic, bool agent_refused,
                              v1::Decision& out) {
  if (traffic.gateways_unreachable == 0) return;
  const bool timeouts_count =
      traffic.in_a_row.timeouts == 0 || traffic.others_answering >= kOthersAnswering;
  out.add_arithmetic(absl::StrFormat(
      "without an answer in a row: %u refused or reset, each %.1f nats (1 of %.0f is chance), %u "
      "timed out, each %.1f%s%s; evidence that it is unreachable = %.1f (needs %.0f)",
      traffic.in_a_row.unreachable, -std::log(traffic.shares.unreachable),
      1 / traffic.shares.unreachable, traffic.in_a_row.timeouts, -std::log(traffic.shares.timeouts),
      timeouts_count ? "" : " but not counted, too few of the others answer",
      agent_refused ? absl::StrFormat(", its agent's check is refused: %.1f", kAgentRefusedNats)
                    : "",
      traffic.unreachable_nats, kUnreachableNats));
}

void AddFailingArithmetic(const TrafficOpinion& traffic, v1::Decision& out) {
  if (traffic.suspected.requests == 0) return;
  const SuspicionOdds odds = OddsOf(traffic.others_share);
  out.add_arithmetic(absl::StrFormat(
      "suspected of failing at %.1f%% where %.1f%% are expected (usual: %.1f%%): %u failures "
      "of %u tries, each %+.2f nats, each success %+.2f, at most %.0f a second; evidence = %.1f "
      "(needs %.1f), agreed by %u gateways",
      100 * odds.suspected, 100 * odds.expected, 100 * traffic.others_share,
      traffic.suspected.failures, traffic.suspected.requests, odds.per_failure, odds.per_success,
      kSuspicionPerSecond, traffic.failing_nats, kSuspicionAlarm, traffic.gateways_failing));
}

void AddSlowArithmetic(const TrafficOpinion& traffic, v1::Decision& out) {
  if (traffic.slow_suspected.all == 0) return;
  const SuspicionOdds odds = OddsOf(traffic.usually_slow);
  out.add_arithmetic(absl::StrFormat(
      "suspected of being slow at %.1f%% where %.1f%% are expected (usual: %.1f%%): %.0f of %.0f "
      "answers took %s and more, each %+.2f nats, each other %+.2f, at most %.0f a second; "
      "evidence "
      "= %.1f (begins at %.1f, ends at 0)",
      100 * odds.suspected, 100 * odds.expected, 100 * traffic.usually_slow,
      traffic.slow_suspected.slow, traffic.slow_suspected.all, Short(traffic.slow_limit),
      odds.per_failure, odds.per_success, kSuspicionPerSecond, traffic.slow_nats, kSuspicionAlarm));
}

// What gateways saw, as old as the verdict's record.
void AddTrafficInputs(const TrafficOpinion& traffic, bool agent_refused, absl::Duration age,
                      v1::Decision& out) {
  if (traffic.gateways == 0 && traffic.own.requests == 0) return;
  const std::string source = absl::StrCat("gateways:", traffic.gateways);
  const auto add = [&](const char* name, std::string value, const std::string& threshold) {
    v1::DecisionInput& input = AddInput(out, name, std::move(value), threshold, source);
    SetDuration(age, input.mutable_age());
  };
  add("traffic.failures",
      absl::StrCat(traffic.own.failures, " of ", traffic.own.requests, " tries, the others ",
                   traffic.others.failures, " of ", traffic.others.requests),
      absl::StrFormat("evidence %.1f", kSuspicionAlarm));
  add("traffic.unreachable",
      absl::StrCat(traffic.gateways_unreachable, " of ", traffic.gateways_service,
                   " gateways with traffic"),
      traffic.gateways_service <= 1 ? "1" : "2 observers");
  AddUnreachableArithmetic(traffic, agent_refused, out);
  AddFailingArithmetic(traffic, out);
  AddSlowArithmetic(traffic, out);
}

void AddWouldChange(const ServiceState& service, const EndpointState& endpoint, v1::Decision& out) {
  const HealthMemory& health = endpoint.health;
  const HealthRules& rules = service.policy().health;
  switch (health.reason) {
    case v1::REASON_CHECKS_FAILED:
      out.add_would_change("every check passing `rise` times in a row makes it HEALTHY");
      break;
    case v1::REASON_CHECK_SLOW:
      out.add_would_change(
          "runs that are not slow, `rise` times in a row (more where it was slow soon before), "
          "make it "
          "HEALTHY");
      break;
    case v1::REASON_UNREACHABLE:
    case v1::REASON_TRAFFIC_FAILURES:
      if (!endpoint.is_static) {
        out.add_would_change("checks that pass again after the removal, or a restart");
      }
      out.add_would_change(absl::StrCat(
          endpoint.is_static ? "a trial after " : "without either, a trial after ",
          Short(health.traffic_hold > health.removed_at ? health.traffic_hold - health.removed_at
                                                        : absl::ZeroDuration()),
          " from the removal"));
      break;
    case v1::REASON_TRAFFIC_SLOW:
      out.add_would_change(
          absl::StrCat("answers under ", Short(endpoint.health_record.evidence.traffic.slow_limit),
                       " again, as usual; or none for ten minutes and more: then that is usual"));
      break;
    case v1::REASON_AGENT_SILENT:
      out.add_would_change("a report of its agent, or a request that succeeds");
      out.add_would_change(absl::StrCat("silence of ", Short(rules.deregister_after),
                                        " takes it out of the service"));
      break;
    case v1::REASON_OPERATOR:
      out.add_would_change("deleting the override");
      break;
    case v1::REASON_REMOVAL_CAPPED:
      out.add_would_change(absl::StrCat("a removal leaving the window of ",
                                        Short(rules.removal_window), " lets this one happen"));
      break;
    case v1::REASON_AWAITING_CHECKS:
      out.add_would_change("its agent's first report with every check passing");
      break;
    case v1::REASON_STATIC:
      out.add_would_change(
          "gateways that cannot reach it, or on which it fails far above the others, make it "
          "UNHEALTHY");
      break;
    case v1::REASON_INHERITED:
      out.add_would_change("a fresh report of its agent confirms or changes it");
      break;
    case v1::REASON_DEREGISTERING:
      out.add_would_change("its agent's file naming it again, without `draining`");
      break;
    default:
      out.add_would_change("a check failing `fall` times in a row makes it UNHEALTHY");
      break;
  }
}

void ExplainVerdict(const ServiceState& service, const EndpointState& endpoint, MonotonicTime now,
                    v1::Decision& out) {
  const HealthRecord& record = endpoint.health_record;
  const HealthMemory& health = endpoint.health;
  out.set_result(v1::Verdict_Name(health.verdict).substr(8));
  out.set_reason(health.reason);
  SetDuration(now - record.at, out.mutable_age());
  if (endpoint.override != nullptr) {
    AddInput(out, "override",
             record.evidence.override_kind == OverrideKind::kDrain   ? "drain"
             : record.evidence.override_kind == OverrideKind::kEject ? "eject"
                                                                     : "weight",
             "", endpoint.override->author);
  }
  AddCheckInputs(service, endpoint, out);
  if (endpoint.is_static) {
    AddInput(out, "agent", "none: it is in the configuration", "", "configuration");
    out.add_arithmetic(
        "no agent runs checks for it: only gateways' traffic and overrides judge it");
  } else {
    AddInput(
        out, "agent.liveness",
        absl::StrFormat("silent for %s; reports each %s, give or take %s", Short(record.silence),
                        Short(record.gaps.mean()), Short(record.gaps.deviation())),
        Short(record.silence_limit), AgentSource(endpoint));
    const bool untold = Serves(health.verdict) && record.at - health.serving_since < kTrafficFresh;
    if (record.silence > record.silence_limit && untold) {
      out.add_arithmetic(absl::StrFormat(
          "it came back %s before: silence counts from %s on, when requests of since then tell",
          Short(record.at - health.serving_since), Short(kTrafficFresh)));
    }
  }
  if (record.evidence.process_gone) {
    AddInput(out, "process", "gone", "running", AgentSource(endpoint));
  }
  if (endpoint.restart_budget_spent) {
    AddInput(out, "agent.restart_budget", "used up: it is not restarted", "room for one more",
             AgentSource(endpoint));
  }
  AddTrafficInputs(record.evidence.traffic, record.evidence.fresh && record.evidence.check_refused,
                   now - record.at, out);
  if (record.removals_allowed > 0) {
    out.add_arithmetic(absl::StrFormat("removals within %s: %u of %u allowed (share %.2f)",
                                       Short(service.policy().health.removal_window),
                                       record.removals_used, record.removals_allowed,
                                       service.policy().health.removal_cap));
  }
  if (record.flap_hold > absl::ZeroDuration()) {
    out.add_arithmetic(absl::StrFormat(
        "removed %.1f times lately (halving each %s): comes back when every run of its checks "
        "passed for %s",
        health.flaps, Short(kFlapHalfLife), Short(record.flap_hold)));
  }
  if (record.decision.verdict != record.verdict) {
    out.add_arithmetic(absl::StrCat("the evidence asked for ",
                                    v1::Verdict_Name(record.decision.verdict).substr(8), " (",
                                    v1::Reason_Name(record.decision.reason), ")"));
  }
  AddWouldChange(service, endpoint, out);
}

// Averages over the step's window; as old as the step.
void AddLoadInputs(const EndpointState& endpoint, const WeightRecord& record, MonotonicTime now,
                   v1::Decision& out) {
  const LoadWindow::Result& load = record.row.load;
  const std::string agent = AgentSource(endpoint);
  const std::string traffic = endpoint.traffic.seen() ? "gateways" : agent;
  const auto add = [&](const char* name, std::string value, const std::string& source) {
    v1::DecisionInput& input = AddInput(out, name, std::move(value), "", source);
    SetDuration(now - record.at, input.mutable_age());
  };
  if (load.has_cpu) add("load.cpu", absl::StrFormat("%.3f", load.cpu), agent);
  if (load.has_in_flight) add("load.in_flight", absl::StrFormat("%.2f", load.in_flight), traffic);
  if (load.has_queue) {
    add("load.queue_delay", absl::StrFormat("%.1f ms", load.queue_seconds * 1000), agent);
  }
  if (load.has_utilisation) {
    add("load.utilisation", absl::StrFormat("%.3f", load.utilisation), agent);
  }
  if (load.has_requests) {
    add("load.requests", absl::StrFormat("%.1f rps", load.requests_per_second), traffic);
    add("load.errors", absl::StrFormat("%.4f", load.error_share), traffic);
  }
}

// How a signal that is no utilisation became one.
void AddRelativeSignal(const WeightRow& row, v1::Decision& out) {
  if (row.signal_mean <= 0) return;
  if (row.signal == Signal::kInFlight) {
    out.add_arithmetic(absl::StrFormat(
        "utilisation = in flight %.6g / hint %.6g / mean %.6g x base %.6g = %.6g",
        row.load.in_flight, row.capacity, row.signal_mean, row.signal_base, row.utilisation));
  } else {
    out.add_arithmetic(absl::StrFormat(
        "utilisation = (delay %.6g ms + 1 ms) / mean %.6g ms x base %.6g = %.6g",
        row.load.queue_seconds * 1000, row.signal_mean * 1000, row.signal_base, row.utilisation));
  }
}

void AddStepArithmetic(const WeightRecord& record, v1::Decision& out) {
  const WeightRow& row = record.row;
  out.add_arithmetic(absl::StrFormat("window %s, signal %s: utilisation %.3f, mean %.3f",
                                     Short(record.window), SignalName(row.signal), row.utilisation,
                                     record.mean_utilisation));
  if (row.usable) {
    AddRelativeSignal(row, out);
    out.add_arithmetic(
        absl::StrFormat("capacity = %s %.6g x good %.6g^2 / %.6g x scale %.6g = %.6g",
                        row.load.has_requests ? "rps" : "weight",
                        row.load.has_requests ? row.load.requests_per_second : record.before,
                        1 - row.load.error_share, std::max(row.utilisation, 1e-4),
                        row.capacity_scale, row.measured_capacity));
    if (!row.error_ceiling && row.trim != 0) {
      out.add_arithmetic(absl::StrFormat(
          "target = %.6g x %.6g = %.6g: of late it gets %s requests than its weight says",
          row.measured_capacity, std::exp(static_cast<double>(row.trim)), row.target,
          row.trim > 0 ? "fewer" : "more"));
    }
  } else {
    out.add_arithmetic(
        absl::StrFormat("not measured: target is the others' median %.4f", row.target));
  }
  if (row.error_ceiling) out.add_arithmetic("its errors are above the others': it may not gain");
  if (row.hold) {
    out.add_arithmetic(absl::StrFormat("step: held at %.6g", record.before));
  } else if (row.stepped == record.before) {
    out.add_arithmetic(
        absl::StrFormat("step: %.6g, %.6g is too near to move", record.before, row.target));
  } else {
    out.add_arithmetic(
        absl::StrFormat("step: %.6g x (%.6g / %.6g)^%.3g, within x%.2f and x%.2f = %.6g%s",
                        record.before, row.target, record.before, row.gain, kStepDown, kStepUp,
                        row.stepped, row.jumped ? " (far above its usual error: whole gain)" : ""));
  }
  const double ranged = row.weight * record.divisor;
  if (row.clamped) {
    out.add_arithmetic(
        absl::StrFormat("range: %.6g kept within its ends = %.6g", row.stepped, ranged));
  }
  if (record.divisor != 1) {
    out.add_arithmetic(absl::StrFormat("re-centred with all others: %.6g / %.6g = %.6g", ranged,
                                       record.divisor, row.weight));
  }
}

// From the computed weight to the one before slow start.
void AddBlendArithmetic(const WeightRules& rules, const EndpointState& endpoint,
                        v1::Decision& out) {
  const SentParts& parts = endpoint.sent_parts;
  if (endpoint.override_kind() == OverrideKind::kWeight) {
    out.add_arithmetic(absl::StrFormat("override: %.6g x nominal %.8g = %.8g",
                                       endpoint.override->weight, parts.nominal, parts.blended));
    return;
  }
  if (rules.shadow) {
    out.add_arithmetic(absl::StrFormat("shadow: nominal %.8g is used", parts.nominal));
  } else if (rules.signal == Signal::kNone) {
    out.add_arithmetic(absl::StrFormat("no load signal: nominal %.8g is used", parts.nominal));
  }
  const double blend = rules.blend * parts.base + (1 - rules.blend) * parts.nominal;
  if (rules.blend != 1) {
    out.add_arithmetic(absl::StrFormat("blend: %.6g x %.8g + %.6g x nominal %.8g = %.8g",
                                       rules.blend, parts.base, 1 - rules.blend, parts.nominal,
                                       blend));
  }
  if (parts.ceiling > 0) {
    out.add_arithmetic(absl::StrFormat(
        "its answers are slow: at most %.2f x %.6g (its weight by nominal when they became so) x "
        "nominal %.8g = %.8g; min(%.8g, that) = %.8g",
        kDegradedFactor, endpoint.slow_from, parts.nominal, parts.ceiling, blend, parts.blended));
  } else if (endpoint.health.verdict == v1::VERDICT_DEGRADED) {
    out.add_arithmetic(
        absl::StrFormat("degraded: %.8g x %.2f = %.8g", blend, kDegradedFactor, parts.blended));
  }
}

// Each line's result is in the next; the last one's is what gateways have.
void AddSentArithmetic(const WeightRules& rules, const EndpointState& endpoint, v1::Decision& out) {
  const SentMove& move = endpoint.sent_move;
  if (move.hold == SentHold::kInherited) {
    out.add_arithmetic(absl::StrFormat(
        "sent = %u, taken over from an earlier controller: nothing was computed since",
        move.weight));
    return;
  }
  const SentParts& parts = endpoint.sent_parts;
  AddBlendArithmetic(rules, endpoint, out);
  out.add_arithmetic(absl::StrFormat("computed = %.8g x slow start %.8g x 65536 = %u",
                                     parts.blended, parts.ramp, parts.weight));
  switch (move.hold) {
    case SentHold::kDeadBand:
      out.add_arithmetic(absl::StrFormat("sent = %u as before: %u is within its dead-band of 1%%",
                                         move.weight, parts.weight));
      break;
    case SentHold::kStepUp:
    case SentHold::kStepDown:
      out.add_arithmetic(absl::StrFormat(
          "sent = %u: %u is held at x%.2f of the %u sent before, since it was taken over",
          move.weight, parts.weight, move.hold == SentHold::kStepUp ? kStepUp : kStepDown,
          move.before));
      break;
    default:
      out.add_arithmetic(absl::StrFormat("sent = %u", move.weight));
  }
}

// What moves the weight next, the nearest first.
void AddWeightWouldChange(const WeightRules& rules, const EndpointState& endpoint,
                          MonotonicTime now, v1::Decision& out) {
  if (!Serves(endpoint.health.verdict)) {
    out.add_would_change("a verdict that lets it serve: then it begins with slow start");
    return;
  }
  if (endpoint.sent_parts.ramp < 1) {
    const absl::Duration served = now - endpoint.health.serving_since;
    out.add_would_change(
        endpoint.inherited_ramp != 0
            ? std::string("slow start, which goes on with its agent's first report")
            : absl::StrCat("slow start, which ends in ",
                           Short(std::max(absl::ZeroDuration(), rules.slow_start - served))));
  }
  out.add_would_change(absl::StrFormat(
      "the next window's measurement, at most x%.2f up or x%.2f down a step", kStepUp, kStepDown));
}

void ExplainWeight(const ServiceState& service, const EndpointState& endpoint, MonotonicTime now,
                   v1::Decision& out) {
  const WeightRecord& record = endpoint.weight_record;
  const WeightRules& rules = service.policy().weights;
  out.set_result(absl::StrCat(endpoint.sent));
  out.set_reason(endpoint.override_kind() == OverrideKind::kWeight ? v1::REASON_OPERATOR
                                                                   : v1::REASON_UNSPECIFIED);
  const bool stepped = record.at != MonotonicTime();
  SetDuration(now - (stepped ? record.at : endpoint.health_record.at), out.mutable_age());
  AddInput(out, "capacity", absl::StrCat(endpoint.info->capacity), "",
           endpoint.is_static ? "configuration" : "its agent's file (1 unless it says)");
  if (endpoint.is_static) {
    out.add_arithmetic("no agent reports its load: what gateways see of it is all there is");
  }
  if (stepped) {
    AddLoadInputs(endpoint, record, now, out);
    AddStepArithmetic(record, out);
  }
  if (endpoint.override_kind() == OverrideKind::kWeight) {
    AddInput(out, "override", absl::StrCat("weight ", endpoint.override->weight), "",
             endpoint.override->author);
  }
  if (endpoint.clamped) {
    AddInput(out, "range", "at its end",
             absl::StrCat(rules.min_factor, " to ", rules.max_factor, " of nominal"),
             "configuration");
  }
  AddSentArithmetic(rules, endpoint, out);
  if (!Serves(endpoint.health.verdict)) {
    out.add_arithmetic(absl::StrCat("not used while it is ",
                                    v1::Verdict_Name(endpoint.health.verdict).substr(8),
                                    ", unless the service fails open"));
  }
  AddWeightWouldChange(rules, endpoint, now, out);
}

void FillEndpoint(const ServiceState& service, const EndpointState& endpoint, MonotonicTime now,
                  v1::EndpointState& state) {
  EndpointToProto(*endpoint.info, *state.mutable_endpoint());
  state.set_agent(endpoint.agent);
  state.set_handle(endpoint.handle);
  state.set_verdict(endpoint.health.verdict);
  state.set_reason(endpoint.health.reason);
  state.set_cause(CauseOf(service, endpoint));
  SetDuration(now - endpoint.health.since, state.mutable_since());
  state.set_weight(endpoint.sent);
  const std::optional<size_t> index = service.table().Find(endpoint.handle);
  if (index) state.set_routable(service.table().entries()[*index].state.routable);
  state.set_restarts(endpoint.restarts);
  state.set_restart_budget_spent(endpoint.restart_budget_spent);
  if (endpoint.load.cpu_utilisation) state.set_cpu_utilisation(*endpoint.load.cpu_utilisation);
  if (endpoint.load.utilisation) state.set_utilisation(*endpoint.load.utilisation);
  if (endpoint.load.queue_delay) {
    SetDuration(*endpoint.load.queue_delay, state.mutable_queue_delay());
  }
  if (endpoint.load.in_flight) {
    state.set_in_flight(*endpoint.load.in_flight);
  } else if (endpoint.traffic.seen()) {
    state.set_in_flight(endpoint.traffic.InFlight(now));
  }
  state.set_requests_per_second(endpoint.traffic.RequestsPerSecond(now));
  state.set_failures_per_second(endpoint.traffic.FailuresPerSecond(now));
  const common::LatencyHistogram latencies = endpoint.traffic.Latencies(now);
  if (latencies.total() > 0) {
    SetDuration(latencies.Quantile(0.5), state.mutable_latency_p50());
    SetDuration(latencies.Quantile(0.99), state.mutable_latency_p99());
  }
  if (endpoint.last_report != MonotonicTime()) {
    SetDuration(now - endpoint.last_report, state.mutable_report_age());
  }
}

}  // namespace

namespace {

// Why its weight stands out from the others'; "" when it does not.
std::string WeightCause(const EndpointState& endpoint) {
  constexpr double kStandsOut = 0.1;
  if (Serves(endpoint.health.verdict) && endpoint.sent_parts.ramp < 1) {
    return absl::StrFormat("; slow start: %.0f%% of its weight", endpoint.sent_parts.ramp * 100);
  }
  const WeightRecord& record = endpoint.weight_record;
  const double share = endpoint.weight / (endpoint.info->capacity * record.mean_factor);
  if (record.row.signal == Signal::kNone || std::abs(share - 1) < kStandsOut) return "";
  return absl::StrFormat("; %s: %s %.2f, mean %.2f", share < 1 ? "gets less" : "gets more",
                         SignalName(record.row.signal), record.row.utilisation,
                         record.mean_utilisation);
}

}  // namespace

std::string CauseOf(const ServiceState& service, const EndpointState& endpoint) {
  const HealthRecord& record = endpoint.health_record;
  const TrafficOpinion& traffic = record.evidence.traffic;
  switch (endpoint.health.reason) {
    case v1::REASON_CHECKS_FAILED:
    case v1::REASON_CHECK_SLOW:
      for (size_t i = 0; i < record.checks.size(); ++i) {
        const CheckEvidence& check = record.checks[i];
        if (check.status == v1::CHECK_STATUS_FAILING) {
          return absl::StrCat(CheckName(service.policy(), i), " failed ", check.consecutive,
                              " times: ", FailureWord(check.failure));
        }
        if (check.status == v1::CHECK_STATUS_DEGRADED) {
          return absl::StrFormat("%s passes slowly: %.1f ms%s", CheckName(service.policy(), i),
                                 check.latency_us / 1000.0, SlowAbove(check));
        }
      }
      return "checks failed";
    case v1::REASON_CHECKS_PASSED:
      return absl::StrCat(record.checks.size() == 1
                              ? std::string("1 check passes")
                              : absl::StrCat(record.checks.size(), " checks pass"),
                          WeightCause(endpoint));
    case v1::REASON_UNREACHABLE:
      if (record.evidence.process_gone) return "its process is gone";
      return absl::StrCat(traffic.gateways_unreachable, " gateways cannot reach it");
    case v1::REASON_TRAFFIC_FAILURES:
      return absl::StrCat(traffic.own.failures, " of ", traffic.own.requests,
                          " tries failed, of the others' ", traffic.others.failures, " of ",
                          traffic.others.requests);
    case v1::REASON_TRAFFIC_SLOW:
      return absl::StrFormat("slower than it used to be: %.0f of %.0f answers took %s and more",
                             traffic.slow_suspected.slow, traffic.slow_suspected.all,
                             Short(traffic.slow_limit));
    case v1::REASON_AGENT_SILENT:
      return absl::StrCat("its agent is silent for ", Short(record.silence));
    case v1::REASON_REMOVAL_CAPPED:
      return absl::StrCat("kept by the cap on removals: ", record.removals_used, " of ",
                          record.removals_allowed, " used");
    case v1::REASON_OPERATOR:
      return endpoint.override == nullptr ? std::string("an override")
                                          : absl::StrCat("override by ", endpoint.override->author);
    case v1::REASON_AWAITING_CHECKS:
      return "waits for its first passed checks";
    case v1::REASON_DEREGISTERING:
      return "its agent takes it away";
    case v1::REASON_STATIC:
      return "configured, without checks";
    case v1::REASON_INHERITED:
      return "taken over from an earlier controller, not confirmed yet";
    case v1::REASON_FROZEN:
      return "kept by a freeze";
    default:
      return "";
  }
}

std::vector<v1::EndpointState> DescribeEndpoints(const ServiceState& service, MonotonicTime now) {
  std::vector<v1::EndpointState> out;
  double weights = 0;
  for (const FrameEntry& entry : service.table().entries()) {
    if (entry.state.routable) weights += entry.state.weight;
  }
  for (const auto& [id, endpoint] : service.endpoints()) {
    v1::EndpointState& state = out.emplace_back();
    state.set_name(absl::StrCat("services/", service.id(), "/endpoints/", id));
    FillEndpoint(service, endpoint, now, state);
    if (state.routable() && weights > 0) state.set_share(state.weight() / weights);
  }
  return out;
}

v1::Explanation ExplainEndpoint(const ServiceState& service, const EndpointState& endpoint,
                                const std::string& freeze, MonotonicTime now) {
  v1::Explanation out;
  out.set_name(absl::StrCat("services/", service.id(), "/endpoints/", endpoint.info->id));
  out.mutable_version()->set_epoch(service.table().epoch());
  out.mutable_version()->set_revision(service.table().revision());
  // Nothing else moves before, but what an operator does or has brought back.
  if (!freeze.empty() && endpoint.override == nullptr) {
    const std::string ends = absl::StrCat("before all else, the end of the freeze: ", freeze);
    out.mutable_verdict()->add_would_change(ends);
    const bool starts = endpoint.back_in_freeze && endpoint.sent_parts.ramp < 1;
    if (!starts) out.mutable_weight()->add_would_change(ends);
  }
  ExplainVerdict(service, endpoint, now, *out.mutable_verdict());
  ExplainWeight(service, endpoint, now, *out.mutable_weight());
  return out;
}

}  // namespace pointsman::controller
