#include "agent/core/agent_core.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/core/schedule.h"
#include "common/core/check.h"
#include "common/core/proto_time.h"

namespace pointsman::agent {

using common::MonotonicTime;

namespace {

// The state file also holds what changes with every report; it is written this often for that.
constexpr absl::Duration kPersistPeriod = absl::Seconds(10);
// How often restarts are looked at while something is wrong.
constexpr absl::Duration kRestartPeriod = absl::Milliseconds(250);
// A service's metrics are asked for this long before the report that carries them.
constexpr absl::Duration kMetricsLead = absl::Milliseconds(100);
constexpr uint64_t kReservedIds = 1000;

const char* ShortName(v1::CheckStatus status) {
  switch (status) {
    case v1::CHECK_STATUS_PASSING:
      return "passing";
    case v1::CHECK_STATUS_DEGRADED:
      return "degraded";
    case v1::CHECK_STATUS_FAILING:
      return "failing";
    default:
      return "open";
  }
}

}  // namespace

AgentCore::AgentCore(Options options, AgentConfig config, std::optional<SavedState> saved,
                     MonotonicTime now, absl::BitGenRef random)
    : options_(std::move(options)),
      boot_id_(saved.has_value() ? saved->boot_id : options_.boot_id),
      alone_since_(now),
      report_interval_(options_.report_interval),
      report_due_(FirstRun(now, options_.report_interval, 0, 1, random)),
      metrics_due_(now),
      last_report_(now),
      persist_due_(now + kPersistPeriod) {
  PM_CHECK(boot_id_ != 0);
  if (saved.has_value()) {
    last_id_ = reserved_id_ = saved->reserved_id;
    for (SavedService& service : saved->services) {
      ServiceSlot& slot = services_[service.service];
      slot.assignment.ParseFromString(service.assignment);
      slot.budget.Restore(std::move(service.restart_starts_micros));
    }
  }
  reserved_id_ += kReservedIds;
  persist_now_ = true;
  AgentEffects unused;
  On(ConfigInput{std::move(config)}, now, random, unused);
  if (!saved.has_value()) return;
  for (const SavedInstance& instance : saved->instances) {
    for (InstanceSlot& slot : instances_) {
      if (slot.config.service == instance.service && slot.config.id == instance.id) {
        RestoreInstance(instance, slot, now, random);
      }
    }
  }
}

AgentEffects AgentCore::Step(const AgentInput& input, MonotonicTime now, absl::BitGenRef random) {
  AgentEffects out;
  std::visit([&](const auto& in) { On(in, now, random, out); }, input);
  StartChecks(now, random, out);
  StartMetrics(now, out);
  DecideRestarts(now, random, out);
  if (now >= report_due_) {
    report_due_ = NextRun(now, report_interval_, random);
    metrics_due_ = report_due_ - std::min(kMetricsLead, report_interval_ / 4);
    report_now_ = true;
  }
  out.sample = std::exchange(report_now_, false);
  if (now >= persist_due_) {
    persist_due_ = now + kPersistPeriod;
    persist_now_ = true;
  }
  out.persist = std::exchange(persist_now_, false);
  return out;
}

MonotonicTime AgentCore::NextDue() const {
  MonotonicTime due = std::min(report_due_, persist_due_);
  bool attention = false;
  for (const InstanceSlot& slot : instances_) {
    for (const CheckSlot& check : slot.checks) {
      if (check.token == 0) due = std::min(due, check.due);
      attention = attention || check.machine.status() == v1::CHECK_STATUS_FAILING;
    }
    if (!slot.config.metrics_url.empty() && slot.metrics_token == 0) {
      due = std::min(due, metrics_due_);
    }
    attention = attention || slot.sight == ProcessInput::Sight::kGone ||
                slot.restart.state() != RestartPolicy::State::kIdle;
  }
  return attention ? std::min(due, last_step_ + kRestartPeriod) : due;
}

void AgentCore::On(const TickInput&, MonotonicTime, absl::BitGenRef, AgentEffects&) {}

void AgentCore::On(const ConfigInput& input, MonotonicTime now, absl::BitGenRef random,
                   AgentEffects& out) {
  PM_CHECK(input.config.instances.size() <= kInstancesMax);
  config_ = input.config;
  std::vector<InstanceSlot> before = std::exchange(instances_, {});
  std::map<std::string, ServiceSlot> services_before = std::exchange(services_, {});
  for (const InstanceConfig& config : config_.instances) {
    services_.try_emplace(config.service, std::move(services_before[config.service]));
    const auto same = std::find_if(before.begin(), before.end(), [&](const InstanceSlot& slot) {
      return slot.config.service == config.service && slot.config.id == config.id;
    });
    const bool moved = same == before.end() || same->config.address != config.address;
    InstanceSlot& slot = instances_.emplace_back();
    if (same != before.end()) {
      slot = std::move(*same);
    } else {
      slot.restart = RestartPolicy(options_.restart);
    }
    slot.config = config;
    if (moved) {
      slot.checks.clear();  // What answered elsewhere says nothing about this address.
      AssignChecks(slot, now, random);
    }
  }
  persist_now_ = true;
  if (stream_up_) SendHello(now, out);
}

void AgentCore::AssignChecks(InstanceSlot& slot, MonotonicTime now, absl::BitGenRef random) {
  const v1::Assignment& assignment = services_[slot.config.service].assignment;
  std::vector<CheckSlot> before = std::exchange(slot.checks, {});
  if (!assignment.configured()) return;
  const size_t count = static_cast<size_t>(assignment.checks_size());
  for (size_t i = 0; i < count; ++i) {
    CheckSpec spec = MakeCheckSpec(assignment.checks(static_cast<int>(i)));
    const auto same = std::find_if(before.begin(), before.end(), [&](const CheckSlot& check) {
      return check.spec.name == spec.name;
    });
    const bool kept = same != before.end();
    CheckSlot check;
    check.spec = std::move(spec);
    check.machine = kept ? same->machine : CheckMachine(now);
    if (kept && same->spec.what->SerializeAsString() == check.spec.what->SerializeAsString()) {
      check.due = same->due;
      check.started = same->started;
      check.token = same->token;
    } else {
      // What another question used to take says nothing of this one.
      check.machine.ForgetUsual();
      const absl::Duration span = check.spec.transition_interval;
      check.due = FirstRun(now, span, i, count, random);
    }
    slot.checks.push_back(std::move(check));
  }
}

void AgentCore::RestoreInstance(const SavedInstance& saved, InstanceSlot& slot, MonotonicTime now,
                                absl::BitGenRef random) {
  slot.restarts = saved.restarts;
  slot.metrics.requests() = CarriedCounter(saved.requests);
  slot.metrics.errors() = CarriedCounter(saved.errors);
  slot.restart.Restore(saved.restart, now);
  slot.pid = saved.pid;
  slot.process_start = saved.process_start;
  if (saved.process_seen) {
    slot.sight = saved.process_gone ? ProcessInput::Sight::kGone : ProcessInput::Sight::kRunning;
    slot.gone_at = now;
  }
  for (CheckSlot& check : slot.checks) {
    for (const SavedCheck& saved_check : saved.checks) {
      if (saved_check.name == check.spec.name) {
        check.machine = CheckMachine(saved_check.machine, now);
      }
    }
  }
}

void AgentCore::StartChecks(MonotonicTime now, absl::BitGenRef random, AgentEffects& out) {
  for (InstanceSlot& slot : instances_) {
    for (CheckSlot& check : slot.checks) {
      if (check.token != 0 || now < check.due) continue;
      check.token = ++last_token_;
      check.started = now;
      check.due = NextRun(now, check.spec.interval, random);
      out.probes.push_back({.token = check.token,
                            .address = slot.config.address,
                            .what = check.spec.what,
                            .timeout = check.spec.timeout});
    }
  }
}

void AgentCore::StartMetrics(MonotonicTime now, AgentEffects& out) {
  if (now < metrics_due_) return;
  metrics_due_ = MonotonicTime::Infinite();  // Set again with the next report.
  for (InstanceSlot& slot : instances_) {
    if (slot.config.metrics_url.empty() || slot.metrics_token != 0) continue;
    slot.metrics_token = ++last_token_;
    out.metrics.push_back({.token = slot.metrics_token,
                           .url = slot.config.metrics_url,
                           .timeout = std::max(report_interval_, absl::Milliseconds(200))});
  }
}

void AgentCore::On(const ProbeDoneInput& input, MonotonicTime now, absl::BitGenRef random,
                   AgentEffects& out) {
  for (InstanceSlot& slot : instances_) {
    for (CheckSlot& check : slot.checks) {
      if (input.token == 0 || check.token != input.token) continue;
      check.token = 0;
      const v1::CheckStatus before = check.machine.status();
      const bool changed = check.machine.Observe(check.spec, input.run, now);
      ++(input.run.passed() ? counters_.checks_passed : counters_.checks_failed);
      if (check.machine.Changing()) {
        check.due =
            std::min(check.due, NextRun(check.started, check.spec.transition_interval, random));
      }
      // Something answers although the known process is gone: the pid file is stale.
      if (input.run.passed() && slot.sight == ProcessInput::Sight::kGone &&
          check.started > slot.gone_at) {
        slot.sight = ProcessInput::Sight::kUnknown;
        report_now_ = true;
      }
      if (!changed) return;
      ++counters_.check_changes;
      report_now_ = persist_now_ = true;
      out.events.push_back(
          {"check.status", absl::StrCat(slot.name(), "/", check.spec.name),
           absl::StrCat(ShortName(before), " to ", ShortName(check.machine.status()),
                        input.run.passed() ? "" : ": ", ShownText(input.run.detail, 127))});
      return;
    }
  }
}

void AgentCore::On(const MetricsDoneInput& input, MonotonicTime, absl::BitGenRef,
                   AgentEffects& out) {
  for (InstanceSlot& slot : instances_) {
    if (input.token == 0 || slot.metrics_token != input.token) continue;
    slot.metrics_token = 0;
    const bool was_bad = std::exchange(slot.metrics_bad, !input.metrics.ok());
    if (input.metrics.ok()) {
      slot.metrics.Take(*input.metrics);
      if (was_bad) out.events.push_back({"metrics.accepted", slot.name(), ""});
      return;
    }
    ++counters_.metrics_refused;
    if (was_bad) return;
    out.events.push_back({"metrics.refused", slot.name(),
                          ShownText(std::string(input.metrics.status().message()), 255)});
    return;
  }
}

void AgentCore::VoidChecks(InstanceSlot& slot, MonotonicTime now) {
  for (CheckSlot& check : slot.checks) {
    check.machine.Void(now);
    check.token = 0;  // A run under way began before and proves nothing.
    check.due = now;
  }
}

void AgentCore::On(const ProcessInput& input, MonotonicTime now, absl::BitGenRef,
                   AgentEffects& out) {
  if (input.instance >= instances_.size()) return;
  InstanceSlot& slot = instances_[input.instance];
  using Sight = ProcessInput::Sight;
  const bool other = input.sight == Sight::kRunning && slot.pid != 0 &&
                     (slot.pid != input.pid || slot.process_start != input.start);
  if (input.sight == slot.sight && !other) return;
  // Gone means seen before and gone: a stale pid file alone proves nothing.
  if (input.sight == Sight::kGone && slot.sight == Sight::kUnknown) return;
  slot.sight = input.sight;
  if (input.sight == Sight::kRunning) {
    slot.pid = input.pid;
    slot.process_start = input.start;
  }
  if (input.sight == Sight::kGone) slot.gone_at = now;
  if (input.sight == Sight::kGone || other) VoidChecks(slot, now);
  report_now_ = persist_now_ = true;
  out.events.push_back({input.sight == Sight::kGone ? "process.gone" : "process.seen", slot.name(),
                        absl::StrCat("pid ", slot.pid)});
}

std::vector<size_t> AgentCore::CheckCounts() const {
  std::vector<size_t> counts(v1::CheckStatus_ARRAYSIZE, 0);
  for (const InstanceSlot& slot : instances_) {
    for (const CheckSlot& check : slot.checks) ++counts[check.machine.status()];
  }
  return counts;
}

uint64_t AgentCore::NextId() {
  if (++last_id_ + kReservedIds / 2 >= reserved_id_) {
    reserved_id_ = last_id_ + kReservedIds;
    persist_now_ = true;
  }
  return last_id_;
}

SavedState AgentCore::Save() const {
  SavedState saved;
  saved.boot_id = boot_id_;
  saved.reserved_id = reserved_id_;
  for (const auto& [name, service] : services_) {
    saved.services.push_back({.service = name,
                              .assignment = service.assignment.SerializeAsString(),
                              .restart_starts_micros = service.budget.starts_micros()});
  }
  for (const InstanceSlot& slot : instances_) {
    SavedInstance& instance = saved.instances.emplace_back();
    instance.service = slot.config.service;
    instance.id = slot.config.id;
    instance.restarts = slot.restarts;
    instance.process_seen = slot.sight != ProcessInput::Sight::kUnknown;
    instance.process_gone = slot.sight == ProcessInput::Sight::kGone;
    instance.pid = slot.pid;
    instance.process_start = slot.process_start;
    instance.requests = slot.metrics.requests().Save();
    instance.errors = slot.metrics.errors().Save();
    instance.restart = slot.restart.Save();
    for (const CheckSlot& check : slot.checks) {
      instance.checks.push_back({check.spec.name, check.machine.Save()});
    }
  }
  return saved;
}

}  // namespace pointsman::agent
