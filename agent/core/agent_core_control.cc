// The part of AgentCore that speaks with the controller: commands, restarts, Hello.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "agent/core/agent_core.h"
#include "agent/core/schedule.h"
#include "common/core/proto_time.h"

namespace pointsman::agent {

using common::MonotonicTime;

namespace {

constexpr absl::Duration kPaceMin = absl::Milliseconds(100);
constexpr absl::Duration kPaceMax = absl::Minutes(5);
constexpr absl::Duration kLeaseMax = absl::Hours(1);

bool IsBad(v1::CheckStatus status) { return status == v1::CHECK_STATUS_FAILING; }

bool IsGood(v1::CheckStatus status) {
  return status == v1::CHECK_STATUS_PASSING || status == v1::CHECK_STATUS_DEGRADED;
}

v1::AgentMessage ResultMessage(uint64_t request_id, bool succeeded, absl::string_view detail) {
  v1::AgentMessage message;
  v1::RestartResult* result = message.mutable_restart_result();
  result->set_request_id(request_id);
  result->set_succeeded(succeeded);
  result->set_detail(ShownText(detail, kDetailBytesMax));
  return message;
}

}  // namespace

void AgentCore::On(const StreamUpInput&, MonotonicTime now, absl::BitGenRef, AgentEffects& out) {
  stream_up_ = true;
  welcomed_ = false;
  for (auto& [name, service] : services_) service.stream_version = 0;
  SendHello(now, out);
}

void AgentCore::On(const StreamDownInput&, MonotonicTime now, absl::BitGenRef, AgentEffects& out) {
  if (welcomed_) {
    alone_since_ = now;
    out.events.push_back({"controller.lost", store_id_, ""});
  }
  stream_up_ = false;
  welcomed_ = false;
  for (InstanceSlot& slot : instances_) slot.restart.OnDisconnected();
}

void AgentCore::SendHello(MonotonicTime now, AgentEffects& out) {
  v1::AgentHello* hello = out.messages.emplace_back().mutable_hello();
  hello->set_agent_id(config_.id);
  hello->set_boot_id(boot_id_);
  hello->set_version(options_.version);
  for (const InstanceSlot& slot : instances_) {
    v1::Instance* instance = hello->add_instances();
    instance->set_service(slot.config.service);
    instance->set_restartable(slot.config.restart.has_value());
    instance->set_draining(slot.config.draining);
    v1::Endpoint* endpoint = instance->mutable_endpoint();
    endpoint->set_id(slot.config.id);
    endpoint->set_address(slot.config.address);
    endpoint->mutable_locality()->set_region(config_.region);
    endpoint->mutable_locality()->set_zone(config_.zone);
    for (const auto& [key, value] : slot.config.labels) (*endpoint->mutable_labels())[key] = value;
    endpoint->set_capacity(slot.config.capacity);
    endpoint->set_priority(slot.config.priority);
    if (!slot.restart.Leased(now)) continue;
    v1::RestartLease* lease = hello->add_leases();
    lease->set_request_id(slot.restart.request_id());
    lease->set_service(slot.config.service);
    lease->set_endpoint(slot.config.id);
    common::ToProto(slot.restart.LeaseLeft(now), lease->mutable_remaining());
  }
}

void AgentCore::On(const CommandInput& input, MonotonicTime now, absl::BitGenRef random,
                   AgentEffects& out) {
  const v1::AgentCommand& command = input.command;
  switch (command.command_case()) {
    case v1::AgentCommand::kWelcome:
      return OnWelcome(command.welcome(), now, out);
    case v1::AgentCommand::kAssignment:
      return OnAssignment(command.assignment(), now, random, out);
    case v1::AgentCommand::kPace:
      SetPace(command.pace().report_interval());
      report_due_ = std::min(report_due_, NextRun(now, report_interval_, random));
      return;
    case v1::AgentCommand::kRestartDecision:
      return OnDecision(command.restart_decision(), now, out);
    case v1::AgentCommand::kRefusal:
      ++counters_.messages_refused;
      out.events.push_back({"controller.refusal", command.refusal().code(),
                            ShownText(command.refusal().detail(), 255)});
      return;
    case v1::AgentCommand::COMMAND_NOT_SET:
      // A newer controller's command.
      ++counters_.commands_refused;
      return;
  }
}

void AgentCore::OnWelcome(const v1::AgentWelcome& welcome, MonotonicTime now, AgentEffects& out) {
  if (welcome.has_report_interval()) SetPace(welcome.report_interval());
  const std::string store_id = ShownText(welcome.store_id(), 255);
  if (!store_id_.empty() && store_id != store_id_) {
    out.events.push_back({"controller.store_changed", store_id, ""});
  }
  store_id_ = store_id;
  if (!welcomed_) out.events.push_back({"controller.welcome", store_id_, ""});
  welcomed_ = true;
  report_due_ = std::min(report_due_, now + report_interval_);
  report_now_ = true;
}

void AgentCore::SetPace(const google::protobuf::Duration& interval) {
  report_interval_ = std::clamp(common::FromProto(interval), kPaceMin, kPaceMax);
}

void AgentCore::OnAssignment(const v1::Assignment& assignment, MonotonicTime now,
                             absl::BitGenRef random, AgentEffects& out) {
  const auto at = services_.find(assignment.service());
  if (at == services_.end() ||
      static_cast<size_t>(assignment.checks_size()) > kChecksPerServiceMax) {
    ++counters_.commands_refused;
    out.events.push_back({"assignment.refused", ShownText(assignment.service(), 63),
                          at == services_.end() ? "no such service here" : "too many checks"});
    return;
  }
  at->second.assignment = assignment;
  at->second.stream_version = assignment.version();
  for (InstanceSlot& slot : instances_) {
    if (slot.config.service == assignment.service()) AssignChecks(slot, now, random);
  }
  report_now_ = persist_now_ = true;
}

void AgentCore::OnDecision(const v1::RestartDecision& decision, MonotonicTime now,
                           AgentEffects& out) {
  for (InstanceSlot& slot : instances_) {
    if (slot.restart.state() != RestartPolicy::State::kAsked ||
        slot.restart.request_id() != decision.request_id()) {
      continue;
    }
    const absl::Duration duration = common::FromProto(decision.duration());
    out.events.push_back({decision.granted() ? "restart.granted" : "restart.refused", slot.name(),
                          ShownText(decision.cause(), kDetailBytesMax)});
    if (decision.granted()) {
      slot.restart.OnGranted(decision.request_id(),
                             std::clamp(duration, absl::ZeroDuration(), kLeaseMax), now);
      persist_now_ = true;
    } else {
      slot.restart.OnRefused(decision.request_id(), duration, now);
    }
    return;
  }
  // Asked for once, not wanted any longer: give the lease back at once.
  if (decision.granted()) {
    out.messages.push_back(ResultMessage(decision.request_id(), false, "not wanted any longer"));
  }
}

RestartView AgentCore::ViewOf(const InstanceSlot& slot, MonotonicTime now) const {
  RestartView view;
  const v1::Assignment& assignment = services_.at(slot.config.service).assignment;
  // Without any assignment the agent's own file decides alone.
  const bool unassigned = assignment.service().empty();
  view.allowed = slot.config.restart.has_value() && !slot.config.draining &&
                 (unassigned || assignment.configured()) && !assignment.recovery().disabled();
  view.gone = slot.sight == ProcessInput::Sight::kGone;
  view.good = !view.gone;
  MonotonicTime failing_since = now;
  for (const CheckSlot& check : slot.checks) {
    const CheckMachine& machine = check.machine;
    view.good = view.good && IsGood(machine.status());
    if (!IsBad(machine.status())) continue;
    view.failing = true;
    failing_since = std::min(failing_since, MonotonicTime::FromMicros(machine.Save().since_micros));
  }
  view.failing_for = now - failing_since;
  view.connected = welcomed_;
  view.alone_for = welcomed_ ? absl::ZeroDuration() : now - alone_since_;
  return view;
}

void AgentCore::DecideRestarts(MonotonicTime now, absl::BitGenRef random, AgentEffects& out) {
  last_step_ = now;
  for (size_t i = 0; i < instances_.size(); ++i) {
    InstanceSlot& slot = instances_[i];
    RestartBudget& budget = services_.at(slot.config.service).budget;
    // A granted restart starts in the same step; three moves are the longest way.
    for (int move = 0; move < 3; ++move) {
      const RestartPolicy::Act act =
          slot.restart.Decide(ViewOf(slot, now), last_id_ + 1, budget, now);
      if (act == RestartPolicy::Act::kNone) break;
      if (act == RestartPolicy::Act::kFinish) {
        FinishRestart(slot, now, random, out);
      } else if (act == RestartPolicy::Act::kAsk) {
        v1::RestartRequest* request = out.messages.emplace_back().mutable_restart_request();
        request->set_request_id(NextId());
        request->set_instance(static_cast<uint32_t>(i));
        request->set_cause(ShownText(slot.restart.cause(), kDetailBytesMax));
        out.events.push_back({"restart.asked", slot.name(), slot.restart.cause()});
      } else {
        ++slot.restarts;
        ++counters_.restarts_started;
        report_now_ = persist_now_ = true;
        out.restarts.push_back({i, *slot.config.restart, slot.restart.cause()});
        out.events.push_back({"restart.started", slot.name(), slot.restart.cause()});
      }
    }
    TellBudget(slot, budget, now, out);
  }
}

void AgentCore::TellBudget(InstanceSlot& slot, const RestartBudget& budget, MonotonicTime now,
                           AgentEffects& out) {
  const bool spent = slot.restart.Exhausted(ViewOf(slot, now), budget, now);
  if (spent == slot.budget_spent) return;
  slot.budget_spent = spent;
  report_now_ = true;
  if (spent) {
    out.events.push_back({"restart.budget_spent", slot.name(),
                          absl::StrCat(budget.starts_micros().size(), " restarts in ",
                                       absl::FormatDuration(RestartLimits().budget_window))});
  }
}

void AgentCore::FinishRestart(InstanceSlot& slot, MonotonicTime now, absl::BitGenRef random,
                              AgentEffects& out) {
  const RestartPolicy& restart = slot.restart;
  if (restart.OwesResult() && welcomed_) {
    out.messages.push_back(
        ResultMessage(restart.request_id(), restart.succeeded(), restart.detail()));
  }
  if (!restart.succeeded()) ++counters_.restarts_failed;
  out.events.push_back({restart.succeeded() ? "restart.succeeded" : "restart.failed", slot.name(),
                        restart.detail()});
  slot.restart.Close(random, now);
  report_now_ = persist_now_ = true;
}

void AgentCore::On(const RestartDoneInput& input, MonotonicTime now, absl::BitGenRef,
                   AgentEffects& out) {
  if (input.instance >= instances_.size()) return;
  InstanceSlot& slot = instances_[input.instance];
  if (slot.restart.state() != RestartPolicy::State::kRunning) return;
  slot.restart.OnDone(input.ok, input.detail, now);
  if (input.ok) VoidChecks(slot, now);
  report_now_ = persist_now_ = true;
}

}  // namespace pointsman::agent
