#include "controller/rpc/agent_directory.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/core/names.h"
#include "common/core/proto_time.h"

namespace pointsman::controller {
namespace {

// The service of this bare ID; null: not configured. Services are sorted by name in a published
// configuration or few enough to walk.
const v1::Service* FindService(const v1::Config& config, const std::string& service) {
  const std::string name = absl::StrCat("services/", service);
  for (const v1::Service& candidate : config.services()) {
    if (candidate.name() == name) return &candidate;
  }
  return nullptr;
}

v1::Assignment AssignmentOf(const v1::Service* service, const std::string& id) {
  v1::Assignment assignment;
  assignment.set_service(id);
  if (service == nullptr) return assignment;
  assignment.set_configured(true);
  *assignment.mutable_checks() = service->checks();
  if (service->has_recovery()) *assignment.mutable_recovery() = service->recovery();
  return assignment;
}

v1::AgentState StateOf(AgentSession& session, common::MonotonicTime now) {
  v1::AgentState state;
  state.set_name(absl::StrCat("agents/", session.agent));
  state.set_connected(session.live());
  state.set_version(session.version);
  state.set_peer(session.peer);
  if (auto age = session.ReportAge(now)) common::ToProto(*age, state.mutable_report_age());
  common::ToProto(session.interval(), state.mutable_report_interval());
  for (const SessionInstance& instance : session.instances()) {
    state.add_instances(absl::StrCat(instance.service, "/", instance.endpoint));
  }
  state.set_reports(session.reports());
  for (const auto& [code, count] : session.refusals().counts()) {
    (*state.mutable_refused())[code] = count;
  }
  return state;
}

}  // namespace

absl::Status AgentDirectory::Add(const std::shared_ptr<AgentSession>& session) {
  std::shared_ptr<AgentSession> replaced;
  {
    common::MutexLock lock(mutex_);
    if (closed_) return absl::UnavailableError("CONTROLLER_STOPPING: this controller shuts down");
    auto it = agents_.find(session->agent);
    if (it == agents_.end()) {
      if (agents_.size() >= kAgentsMax) {
        if (const auto oldest = gone_.PopOldest()) agents_.erase(*oldest);
      }
      if (agents_.size() >= kAgentsMax) {
        return absl::ResourceExhaustedError(
            absl::StrCat("AGENTS_MAX: this controller carries ", kAgentsMax, " agents already"));
      }
      agents_.emplace(session->agent, session);
    } else if (it->second != session) {
      if (it->second->live() && it->second->boot != session->boot) {
        return absl::AlreadyExistsError(
            absl::StrCat("AGENT_CONNECTED: an agent called ", session->agent, " is connected from ",
                         it->second->peer, "; give each host's agent an id of its own"));
      }
      replaced = std::exchange(it->second, session);
    } else {
      return absl::OkStatus();
    }
    gone_.Erase(session->agent);
    ++connected_;
  }
  if (replaced != nullptr)
    replaced->Close(absl::AbortedError("STREAM_REPLACED: by a newer stream of the same process"));
  return absl::OkStatus();
}

void AgentDirectory::Remove(const std::shared_ptr<AgentSession>& session) {
  session->Detach();
  --connected_;
  const common::MonotonicTime now = clock_.Now();
  common::MutexLock lock(mutex_);
  auto it = agents_.find(session->agent);
  if (it != agents_.end() && it->second == session) gone_.Insert(session->agent, now);
  while (const auto due = gone_.PopDue(now)) agents_.erase(*due);
}

void AgentDirectory::Greet(AgentSession& session) {
  std::shared_ptr<const v1::Config> config;
  absl::Duration interval;
  {
    common::MutexLock lock(mutex_);
    config = config_;
    interval = interval_;
  }
  v1::AgentWelcome welcome;
  welcome.set_store_id(store_id_);
  common::ToProto(interval, welcome.mutable_report_interval());
  session.SendWelcome(welcome);
  Assign(session, *config);
}

void AgentDirectory::Assign(AgentSession& session, const v1::Config& config) const {
  std::set<std::string> services;
  for (const SessionInstance& instance : session.instances()) services.insert(instance.service);
  for (const std::string& service : services) {
    session.SendAssignment(AssignmentOf(FindService(config, service), service));
  }
}

void AgentDirectory::SetConfig(std::shared_ptr<const v1::Config> config) {
  {
    common::MutexLock lock(mutex_);
    config_ = config;
  }
  for (const auto& session : Live()) Assign(*session, *config);
}

void AgentDirectory::SetInterval(absl::Duration interval) {
  {
    common::MutexLock lock(mutex_);
    if (interval_ == interval) return;
    interval_ = interval;
  }
  for (const auto& session : Live()) session->SendPace(interval);
}

void AgentDirectory::Decide(const RestartDecisionOut& decision) {
  std::shared_ptr<AgentSession> session;
  {
    common::MutexLock lock(mutex_);
    auto it = agents_.find(decision.agent);
    if (it == agents_.end()) return;
    session = it->second;
  }
  if (session->session() != decision.session) return;
  v1::RestartDecision out;
  out.set_request_id(decision.request_id);
  out.set_granted(decision.granted);
  common::ToProto(decision.duration, out.mutable_duration());
  out.set_cause(decision.cause);
  session->SendDecision(std::move(out));
}

void AgentDirectory::CloseAll() {
  {
    common::MutexLock lock(mutex_);
    closed_ = true;
  }
  for (const auto& session : Live()) {
    session->Close(absl::UnavailableError("CONTROLLER_STOPPING: this controller shuts down"));
  }
}

std::vector<std::shared_ptr<AgentSession>> AgentDirectory::Live() const {
  std::vector<std::shared_ptr<AgentSession>> live;
  common::MutexLock lock(mutex_);
  for (const auto& [name, session] : agents_) {
    if (session->live()) live.push_back(session);
  }
  return live;
}

std::vector<v1::AgentState> AgentDirectory::States() const {
  std::vector<std::shared_ptr<AgentSession>> sessions;
  {
    common::MutexLock lock(mutex_);
    for (const auto& [name, session] : agents_) sessions.push_back(session);
  }
  const common::MonotonicTime now = clock_.Now();
  std::vector<v1::AgentState> states;
  for (const auto& session : sessions) states.push_back(StateOf(*session, now));
  return states;
}

}  // namespace pointsman::controller
