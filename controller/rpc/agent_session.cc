#include "controller/rpc/agent_session.h"

#include <set>
#include <utility>

#include "common/core/hashing.h"
#include "common/core/proto_time.h"
#include "common/core/utf8.h"
#include "controller/core/validate.h"

namespace pointsman::controller {
namespace {

constexpr size_t kDetailBytesMax = 255;

}  // namespace

void AgentSession::SetInstances(std::vector<SessionInstance> instances, uint64_t session) {
  common::MutexLock lock(mutex_);
  instances_ = std::move(instances);
  session_ = session;
  std::set<absl::string_view> named;
  for (const SessionInstance& instance : instances_) named.insert(instance.service);
  for (auto it = told_.begin(); it != told_.end();) {
    if (named.contains(it->first)) {
      ++it;
      continue;
    }
    assignments_.erase(it->first);
    it = told_.erase(it);
  }
}

std::vector<SessionInstance> AgentSession::instances() const {
  common::MutexLock lock(mutex_);
  return instances_;
}

void AgentSession::SendWelcome(const v1::AgentWelcome& welcome) {
  common::MutexLock lock(mutex_);
  interval_micros_ = absl::ToInt64Microseconds(common::FromProto(welcome.report_interval()));
  welcome_ = welcome;
  Pump();
}

void AgentSession::SendAssignment(v1::Assignment assignment) {
  assignment.clear_version();
  const uint64_t content = common::Hash64(assignment.SerializeAsString());
  common::MutexLock lock(mutex_);
  Told& told = told_[assignment.service()];
  if (told.version != 0 && told.content == content) return;
  told.version = ++last_assignment_;
  told.content = content;
  assignment.set_version(told.version);
  const std::string service = assignment.service();
  assignments_[service] = std::move(assignment);
  Pump();
}

uint64_t AgentSession::AssignmentVersion(absl::string_view service) const {
  common::MutexLock lock(mutex_);
  auto it = told_.find(service);
  return it == told_.end() ? 0 : it->second.version;
}

void AgentSession::SendPace(absl::Duration interval) {
  common::MutexLock lock(mutex_);
  interval_micros_ = absl::ToInt64Microseconds(interval);
  pace_ = interval;
  Pump();
}

void AgentSession::SendDecision(v1::RestartDecision decision) {
  common::MutexLock lock(mutex_);
  decisions_.push_back(std::move(decision));
  if (decisions_.size() > kDecisionsMax) decisions_.erase(decisions_.begin());
  Pump();
}

void AgentSession::SendRefusal(const absl::Status& status) {
  refusals_.Count(CodeOf(status));
  common::MutexLock lock(mutex_);
  v1::Refusal& refusal = refused_.emplace_back();
  refusal.set_code(std::string(CodeOf(status)));
  refusal.set_detail(std::string(common::CutUtf8(status.message(), kDetailBytesMax)));
  if (refused_.size() > kRefusalsMax) refused_.erase(refused_.begin());
  Pump();
}

void AgentSession::OnWritten() {
  common::MutexLock lock(mutex_);
  writing_ = false;
  Pump();
}

void AgentSession::Close(const absl::Status& status) {
  common::MutexLock lock(mutex_);
  if (writer_ != nullptr) writer_->Close(status);
}

void AgentSession::Detach() {
  common::MutexLock lock(mutex_);
  writer_ = nullptr;
}

bool AgentSession::live() const {
  common::MutexLock lock(mutex_);
  return writer_ != nullptr;
}

void AgentSession::CountReport(common::MonotonicTime now) {
  ++reports_;
  last_report_micros_ = now.micros();
}

std::optional<absl::Duration> AgentSession::ReportAge(common::MonotonicTime now) const {
  if (reports_ == 0) return std::nullopt;
  return now - common::MonotonicTime::FromMicros(last_report_micros_);
}

void AgentSession::Pump() {
  if (writing_ || writer_ == nullptr) return;
  v1::AgentCommand command;
  if (!Next(command)) return;
  writing_ = true;
  writer_->StartCommand(std::move(command));
}

bool AgentSession::Next(v1::AgentCommand& command) {
  if (welcome_) {
    *command.mutable_welcome() = *std::exchange(welcome_, std::nullopt);
  } else if (!decisions_.empty()) {
    *command.mutable_restart_decision() = std::move(decisions_.front());
    decisions_.erase(decisions_.begin());
  } else if (!assignments_.empty()) {
    auto first = assignments_.begin();
    *command.mutable_assignment() = std::move(first->second);
    assignments_.erase(first);
  } else if (pace_) {
    common::ToProto(*std::exchange(pace_, std::nullopt),
                    command.mutable_pace()->mutable_report_interval());
  } else if (!refused_.empty()) {
    *command.mutable_refusal() = std::move(refused_.front());
    refused_.erase(refused_.begin());
  } else {
    return false;
  }
  return true;
}

}  // namespace pointsman::controller
