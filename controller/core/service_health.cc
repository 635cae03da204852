// ServiceState: evidence in, verdicts out.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controller/core/codes.h"
#include "controller/core/registry.h"
#include "controller/core/service_state.h"
#include "pointsman/v1/agent.pb.h"

namespace pointsman::controller {
namespace {

using common::MonotonicTime;

uint32_t Millis(absl::Duration duration) {
  return static_cast<uint32_t>(
      std::clamp<int64_t>(absl::ToInt64Milliseconds(duration), 0, UINT32_MAX));
}

uint32_t Micros(absl::Duration duration) {
  return static_cast<uint32_t>(
      std::clamp<int64_t>(absl::ToInt64Microseconds(duration), 0, UINT32_MAX));
}

CheckEvidence EvidenceFrom(const CheckSample& sample) {
  CheckEvidence check;
  check.status = sample.status;
  check.failure = sample.failure;
  check.consecutive = static_cast<uint16_t>(std::min<uint32_t>(sample.consecutive, UINT16_MAX));
  check.last_status = static_cast<uint16_t>(std::min<uint32_t>(sample.last_status, UINT16_MAX));
  check.since_ms = Millis(sample.since);
  check.latency_us = Micros(sample.last_latency);
  check.slow_after_us = Micros(sample.slow_after);
  check.age_ms = Millis(sample.age);
  return check;
}

bool Refused(v1::CheckFailure failure) {
  return failure == v1::CHECK_FAILURE_REFUSED || failure == v1::CHECK_FAILURE_RESET ||
         failure == v1::CHECK_FAILURE_UNREACHABLE;
}

// Fills what the checks say together.
void SummariseChecks(const EndpointState& endpoint, size_t configured, MonotonicTime now,
                     HealthEvidence& evidence) {
  evidence.checks = CheckSummary::kNone;
  if (configured == 0) return;
  evidence.checks = CheckSummary::kUnknown;
  if (!endpoint.checks_current || endpoint.checks.size() != configured) return;
  const absl::Duration report_age = now - endpoint.last_report;
  evidence.checks_passing_for = absl::InfiniteDuration();
  bool unknown = false, degraded = false, failing = false;
  for (const CheckEvidence& check : endpoint.checks) {
    if (check.status == v1::CHECK_STATUS_FAILING) {
      failing = true;
      evidence.check_refused = evidence.check_refused || Refused(check.failure);
    } else if (check.status == v1::CHECK_STATUS_UNSPECIFIED) {
      unknown = true;
    } else {
      if (check.status == v1::CHECK_STATUS_DEGRADED) degraded = true;
      evidence.checks_passing_for =
          std::min(evidence.checks_passing_for, absl::Milliseconds(check.since_ms) + report_age);
    }
    evidence.last_run_age =
        std::max(evidence.last_run_age, absl::Milliseconds(check.age_ms) + report_age);
    if (check.failure != v1::CHECK_FAILURE_UNSPECIFIED) evidence.last_runs_passed = false;
  }
  if (failing) {
    evidence.checks = CheckSummary::kFailing;
  } else if (!unknown) {
    evidence.checks = degraded ? CheckSummary::kDegraded : CheckSummary::kPassing;
  }
}

}  // namespace

uint32_t ServiceState::Counted() const {
  if (counted_) return *counted_;
  uint32_t counted = 0;
  for (const auto& [id, endpoint] : endpoints_) {
    const bool counts = endpoint.health.proven && !endpoint.taken_by_operator();
    if (counts && endpoint.health.verdict != v1::VERDICT_DRAINING) ++counted;
  }
  counted_ = counted;
  return counted;
}

uint16_t ServiceState::GatewaysWithTraffic(MonotonicTime now) const {
  uint16_t count = 0;
  for (const auto& [gateway, use] : gateways_) {
    if (use.last_request != MonotonicTime() && now - use.last_request <= kTrafficFresh) ++count;
  }
  return count;
}

void ServiceState::RefreshTotals(MonotonicTime now) {
  totals_ = {};
  totals_recent_ = {};
  answered_after_.reset();
  for (const auto& [id, endpoint] : endpoints_) {
    const TrafficCounts counts = endpoint.traffic.Counts(now);
    totals_.requests += counts.requests;
    totals_.failures += counts.failures;
    const RecentCounts recent = endpoint.traffic.Recent(now);
    totals_recent_.requests += recent.requests;
    totals_recent_.failures += recent.failures;
    totals_recent_.answers.all += recent.answers.all;
    totals_recent_.answers.nearly += recent.answers.nearly;
  }
  gateways_with_traffic_ = GatewaysWithTraffic(now);
  unanswered_shares_ = answers_.Shares(now);
  usual_share_ = answers_.FailureShare(now);
}

TrafficCounts ServiceState::OthersOf(const TrafficCounts& own) const {
  // Totals of another moment than `own` would be wrong by what came in between: Observe() and
  // EvaluateAll() keep them of the newest observation.
  return {totals_.requests - std::min(own.requests, totals_.requests),
          totals_.failures - std::min(own.failures, totals_.failures)};
}

double ServiceState::OthersShare(const EndpointState& endpoint, MonotonicTime now) const {
  const RecentCounts own = endpoint.traffic.Recent(now);
  const RecentCounts recent{std::max(0.0, totals_recent_.requests - own.requests),
                            std::max(0.0, totals_recent_.failures - own.failures)};
  const TrafficCounts window = OthersOf(endpoint.traffic.Counts(now));
  return std::max({usual_share_, CertainShare(recent.requests, recent.failures),
                   CertainShare(window.requests, window.failures)});
}

double ServiceState::OthersSlowShare(const EndpointState& endpoint, MonotonicTime now) const {
  constexpr double kAnswersMin = 10;
  const SlowCounts own = endpoint.traffic.Recent(now).answers;
  const double answers = totals_recent_.answers.all - own.all;
  if (answers < kAnswersMin) return 1;
  return CertainShare(answers, std::max(0.0, totals_recent_.answers.nearly - own.nearly));
}

const std::vector<MonotonicTime>& ServiceState::AnsweredAfter(MonotonicTime now) {
  if (answered_after_) return *answered_after_;
  std::vector<MonotonicTime>& times = answered_after_.emplace();
  for (const auto& [id, endpoint] : endpoints_) {
    if (endpoint.traffic.fresh(now)) times.push_back(endpoint.traffic.answered_after());
  }
  std::sort(times.begin(), times.end());
  return times;
}

float ServiceState::OthersAnswering(const EndpointState& endpoint, MonotonicTime since,
                                    MonotonicTime until, MonotonicTime now) {
  const std::vector<MonotonicTime>& times = AnsweredAfter(now);
  const bool counted = endpoint.traffic.fresh(now);
  const size_t others = times.size() - std::min<size_t>(counted, times.size());
  if (others == 0 || since == MonotonicTime::Infinite()) return 0;
  const MonotonicTime from =
      since + std::max(kOnsetSkew - policy_.try_timeout, absl::ZeroDuration());
  if (until < from) return 0;
  auto later = times.end() - std::upper_bound(times.begin(), times.end(), from);
  if (counted && endpoint.traffic.answered_after() > from) --later;
  return static_cast<float>(later) / static_cast<float>(others);
}

TrafficOpinion ServiceState::OpinionOf(const EndpointState& endpoint, bool agent_refused,
                                       MonotonicTime now) {
  TrafficOpinion opinion;
  if (!endpoint.traffic.seen()) return opinion;
  opinion.gateways_service = gateways_with_traffic_;
  opinion.shares = unanswered_shares_;
  endpoint.traffic.Describe(opinion, now);
  opinion.others = OthersOf(opinion.own);
  if (opinion.in_a_row.timeouts > 0) {
    opinion.others_answering =
        OthersAnswering(endpoint, opinion.in_a_row_since, opinion.in_a_row_until, now);
  }
  DecideTraffic(opinion, agent_refused);
  return opinion;
}

HealthEvidence ServiceState::EvidenceOf(const EndpointState& endpoint, const StepContext& context) {
  HealthEvidence evidence;
  evidence.override_kind = endpoint.override_kind();
  evidence.agent_draining = endpoint.draining;
  evidence.has_agent = !endpoint.agent.empty();
  evidence.is_static = endpoint.is_static;
  evidence.inherited = endpoint.inherited;
  evidence.reported = endpoint.reported;
  evidence.fresh = !endpoint.is_static && OwnerLives(endpoint, context);
  evidence.in_grace = context.now < endpoint.grace_until;
  evidence.process_gone = endpoint.process == v1::PROCESS_STATE_GONE ||
                          endpoint.process == v1::PROCESS_STATE_RESTARTING;
  evidence.restarts = endpoint.restarts;
  SummariseChecks(endpoint, policy_.checks.size(), context.now, evidence);
  evidence.traffic = OpinionOf(endpoint, evidence.fresh && evidence.check_refused, context.now);
  return evidence;
}

// Keeps a removal from happening where a guard says so. Returns true when the endpoint stays.
bool ServiceState::GuardRemoval(EndpointState& endpoint, HealthDecision& decision,
                                StepContext& context) {
  const bool removes = Serves(endpoint.health.verdict) &&
                       decision.verdict == v1::VERDICT_UNHEALTHY && !decision.confirmed &&
                       decision.reason != v1::REASON_OPERATOR;
  if (!removes || policy_.health.shadow) return false;
  if (context.silence_freeze && decision.reason == v1::REASON_AGENT_SILENT) {
    decision = {endpoint.health.verdict, v1::REASON_FROZEN, false, false};
    return true;
  }
  const uint32_t counted = Counted();
  const bool taken = removals_.Take(policy_.health, counted, context.now);
  endpoint.health_record.removals_allowed = RemovalBudget::Allowed(policy_.health, counted);
  endpoint.health_record.removals_used = removals_.Used(policy_.health, context.now);
  if (taken) return false;
  decision = {endpoint.health.verdict, v1::REASON_REMOVAL_CAPPED, false, false};
  return true;
}

void ServiceState::RecordHealth(EndpointState& endpoint, const HealthMemory& before,
                                const HealthEvidence& evidence, const HealthDecision& asked,
                                StepContext& context) {
  HealthRecord& record = endpoint.health_record;
  record.at = context.now;
  record.before = before;
  record.evidence = evidence;
  record.decision = asked;
  record.verdict = endpoint.health.verdict;
  record.reason = endpoint.health.reason;
  record.checks = endpoint.checks;
  record.silence = context.now - endpoint.heard;
  record.silence_limit =
      SilenceLimit(policy_.health.silent_after, endpoint.report_interval, endpoint.gaps);
  record.gaps = endpoint.gaps;
  record.flap_hold = endpoint.health.flap_hold;
}

// Remembers the weight at which its answers became slow: as it was before anything took from it.
void ServiceState::NoteSlow(EndpointState& endpoint, bool slow, MonotonicTime now) const {
  const bool degraded = endpoint.health.verdict == v1::VERDICT_DEGRADED;
  // Taken over, it keeps what it was sent until something is known of it.
  const bool inherited = endpoint.health.reason == v1::REASON_INHERITED;
  if (!degraded || (!slow && !inherited)) {
    if (endpoint.slow_from == 0) return;
    endpoint.slow_from_before = std::exchange(endpoint.slow_from, 0);
    endpoint.slow_ended = now;
  } else if (slow && endpoint.slow_from == 0) {
    const SentParts& parts = endpoint.sent_parts;
    const double blend = policy_.weights.blend;
    endpoint.slow_from = (blend * parts.base + (1 - blend) * parts.nominal) / parts.nominal;
    // Meanwhile its weight has become what it can carry: half of that would be too little.
    const bool again =
        endpoint.slow_ended != MonotonicTime() && now - endpoint.slow_ended < kSlowAgain;
    if (again) endpoint.slow_from = std::max(endpoint.slow_from, endpoint.slow_from_before);
  }
}

void ServiceState::Evaluate(EndpointState& endpoint, StepContext& context) {
  if (!configured_) return;
  const HealthEvidence evidence = EvidenceOf(endpoint, context);
  const HealthDecision asked = Judge(evidence, endpoint.health, context.now);
  HealthDecision decision = asked;
  const HealthMemory memory_before = endpoint.health;
  const v1::Verdict before = memory_before.verdict;
  const v1::Reason reason_before = memory_before.reason;
  if (context.frozen && decision.reason != v1::REASON_OPERATOR &&
      reason_before != v1::REASON_OPERATOR) {
    return;
  }
  const bool was_capped = reason_before == v1::REASON_REMOVAL_CAPPED;
  const bool kept = GuardRemoval(endpoint, decision, context);
  const bool changed = ApplyDecision(decision, evidence, context.now, endpoint.health);
  endpoint.health.capped = kept && decision.reason == v1::REASON_REMOVAL_CAPPED;
  if (asked.evidence && !kept && endpoint.inherited) Confirm(endpoint, context);
  NoteSlow(endpoint, evidence.traffic.slow, context.now);
  const bool told = changed || endpoint.health.reason != reason_before;
  if (!told && endpoint.health_record.at != MonotonicTime()) return;
  dirty_ = dirty_ || told;
  if (changed && (Serves(before) || !Serves(endpoint.health.verdict))) urgent_ = true;
  if (changed) counted_.reset();
  RecordHealth(endpoint, memory_before, evidence, asked, context);
  if (changed) {
    ++context.counters.verdict_changes;
    if (Serves(endpoint.health.verdict) && !Serves(before)) BeginServing(endpoint, context);
    RefreshWeight(endpoint, context);
    VerdictEvent(endpoint, before, context);
  } else if (endpoint.health.capped && !was_capped) {
    ++context.counters.removals_capped;
    context.effects.events.push_back(
        {kEventRemovalCapped,
         NameOf(endpoint),
         "controller",
         absl::StrCat(endpoint.info->id, " stays: ", endpoint.health_record.removals_used, " of ",
                      endpoint.health_record.removals_allowed, " removals of the window are used"),
         {{"reason", v1::Reason_Name(asked.reason)}}});
  }
}

void ServiceState::VerdictEvent(const EndpointState& endpoint, v1::Verdict before,
                                StepContext& context) {
  const HealthMemory& health = endpoint.health;
  std::string actor = "controller";
  if (health.reason == v1::REASON_OPERATOR && endpoint.override != nullptr) {
    actor = endpoint.override->author.empty() ? "operator" : endpoint.override->author;
  } else if (health.reason == v1::REASON_DEREGISTERING) {
    actor = absl::StrCat("agent:", endpoint.agent);
  }
  EventOut event{kEventEndpointVerdict,
                 NameOf(endpoint),
                 std::move(actor),
                 absl::StrCat(endpoint.info->id, " of ", id_, " went from ",
                              v1::Verdict_Name(before).substr(8), " to ",
                              v1::Verdict_Name(health.verdict).substr(8)),
                 {{"from", v1::Verdict_Name(before)},
                  {"to", v1::Verdict_Name(health.verdict)},
                  {"reason", v1::Reason_Name(health.reason)}}};
  if (health.confirmed) event.details.emplace_back("confirmed", "true");
  if (!endpoint.check_detail.empty()) event.details.emplace_back("check", endpoint.check_detail);
  context.effects.events.push_back(std::move(event));
}

void ServiceState::EvaluateAll(StepContext& context) {
  RefreshTotals(context.now);
  for (auto& [id, endpoint] : endpoints_) Evaluate(endpoint, context);
}

void ServiceState::Thaw(StepContext& context) {
  dirty_ = urgent_ = true;
  next_due_ = context.now;
  RestartWindows(context.now);
  for (auto& [id, endpoint] : endpoints_) endpoint.back_in_freeze = false;
  EvaluateAll(context);
}

void ServiceState::NoteRestartBudget(EndpointState& endpoint, bool spent, StepContext& context) {
  if (endpoint.restart_budget_spent == spent) return;
  endpoint.restart_budget_spent = spent;
  if (!spent) return;
  context.effects.events.push_back(
      {kEventRestartBudgetSpent,
       absl::StrCat("services/", id_, "/endpoints/", endpoint.info->id),
       absl::StrCat("agent:", endpoint.agent),
       "wants another restart, but its agent has used up the budget of this service on its host",
       {}});
}

ReportOutcome ServiceState::Report(const AgentReportInput& report, const InstanceSample& sample,
                                   absl::string_view id, StepContext& context) {
  const auto it = endpoints_.find(id);
  if (it == endpoints_.end() || it->second.agent != report.agent) {
    return ReportOutcome::kNotOwner;
  }
  EndpointState& endpoint = it->second;
  if (report.boot != endpoint.boot || report.sequence <= endpoint.sequence) {
    return ReportOutcome::kStale;
  }
  endpoint.sequence = report.sequence;
  endpoint.reported = true;
  if (endpoint.last_report != MonotonicTime()) {
    endpoint.gaps.Add(context.now - endpoint.last_report, policy_.health.silent_after);
  }
  endpoint.heard = context.now;
  endpoint.last_report = context.now;
  endpoint.report_interval = report.report_interval;
  endpoint.process = sample.process;
  endpoint.restarts = sample.restarts;
  NoteRestartBudget(endpoint, sample.restart_budget_spent, context);
  endpoint.checks_current = sample.checks_current;
  endpoint.checks.clear();
  endpoint.check_detail.clear();
  for (const CheckSample& check : sample.checks) {
    endpoint.checks.push_back(EvidenceFrom(check));
    if (endpoint.check_detail.empty() && check.status != v1::CHECK_STATUS_PASSING) {
      endpoint.check_detail = check.detail;
    }
  }
  endpoint.load = sample.load;
  if (!endpoint.load.cpu_utilisation) {
    endpoint.load.cpu_utilisation = report.host_cpu_utilisation;
  }
  // A sample counts when its window began after the last change was running (a tenth of it may
  // lie before).
  const bool counts =
      !awaiting_ && context.now - report.window * 0.9 >= window_start_ && !context.frozen;
  if (endpoint.window.AddReport(endpoint.load, report.boot, report.window, counts)) {
    ++context.counters.counters_reset;
  }
  Evaluate(endpoint, context);
  return ReportOutcome::kTaken;
}

void ServiceState::Observe(const ObservationsInput& input, uint32_t gateway, StepContext& context) {
  if (!table_.Knows(input.version)) {
    ++context.counters.observations_stale;
    return;
  }
  GatewayUse& use = gateways_[gateway];
  const bool counts =
      !awaiting_ && context.now - input.window * 0.9 >= window_start_ && !context.frozen;
  std::vector<std::pair<EndpointState*, TrafficDelta>> touched;
  uint64_t requests = 0;
  uint64_t usual_tries = 0;
  uint64_t usual_failures = 0;
  UnansweredCounts excused;
  for (const EndpointObservation& observation : input.endpoints) {
    const std::optional<size_t> index = table_.Find(observation.handle);
    const auto it = index ? endpoints_.find(table_.entries()[*index].info->id) : endpoints_.end();
    if (it == endpoints_.end()) {
      ++context.counters.handles_unknown;
      continue;
    }
    EndpointState& endpoint = it->second;
    const TrafficDelta delta =
        endpoint.traffic.Observe(gateway, input, observation, !endpoint.late_counters, context.now);
    if (delta.went_back) ++context.counters.counters_reset;
    if (counts) endpoint.window.AddObservation(delta, observation.in_flight, input.window);
    requests += delta.requests;
    // What is usual is learned from endpoints that were not suspected before.
    if (!endpoint.traffic.suspected()) {
      usual_tries += delta.requests;
      usual_failures += delta.failures;
    }
    excused.unreachable += delta.excused.unreachable;
    excused.timeouts += delta.excused.timeouts;
    touched.emplace_back(&endpoint, delta);
  }
  answers_.AddUnanswered(requests, excused, context.now);
  answers_.AddFailures(usual_tries, usual_failures, context.now);
  if (requests > 0) use.last_request = context.now;
  const double seconds = std::max(absl::ToDoubleSeconds(input.window), 0.001);
  use.requests_per_second = (use.requests_per_second + requests / seconds) / 2;
  RefreshTotals(context.now);
  for (const auto& [endpoint, delta] : touched) {
    // Where there is no suspicion, tries that succeed say nothing.
    if (delta.failures > 0 || endpoint->traffic.suspected()) {
      endpoint->traffic.Suspect(gateway, delta, OthersShare(*endpoint, context.now), context.now);
    }
    if (delta.answers.slow > 0 || endpoint->traffic.slowness().suspected()) {
      endpoint->traffic.SuspectSlow(delta, OthersSlowShare(*endpoint, context.now), context.now);
    }
    Evaluate(*endpoint, context);
  }
}

}  // namespace pointsman::controller
