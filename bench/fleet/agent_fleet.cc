#include "bench/fleet/agent_fleet.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "bench/fleet/agent_messages.h"
#include "common/clock.h"
#include "pointsman/v1/agent.grpc.pb.h"

namespace pointsman::bench {
namespace {

absl::Duration ToAbsl(const google::protobuf::Duration& d) {
  return absl::Seconds(d.seconds()) + absl::Nanoseconds(d.nanos());
}

}  // namespace

// One agent's stream. Reports are written in place: one message, reused, one write at a time.
class SimulatedAgent final : public grpc::ClientBidiReactor<v1::AgentMessage, v1::AgentCommand> {
 public:
  SimulatedAgent(uint32_t index, const FleetOptions& options,
                 const std::shared_ptr<grpc::Channel>& channel)
      : stub_(v1::AgentService::NewStub(channel)),
        hello_(HelloOfAgent(index, options.services)),
        report_(HealthyReport()),
        interval_(options.interval) {
    stub_->async()->Connect(&context_, this);
    AddHold();
    StartRead(&command_);
    {
      common::MutexLock lock(mutex_);
      writing_ = true;
    }
    StartWrite(&hello_);
    StartCall();
  }

  // Sends a report unless a write is under way; `passing` changes the check's state first.
  void Report(const bool* passing) {
    common::MutexLock lock(mutex_);
    if (reads_ended_ || closing_) return;
    if (passing != nullptr) SetCheck(*passing, &report_);
    if (writing_) {
      if (passing != nullptr) {
        urgent_ = true;
      } else {
        ++skipped_;
      }
      return;
    }
    WriteReport();
  }

  void Close() {
    common::MutexLock lock(mutex_);
    if (closing_) return;
    closing_ = true;
    context_.TryCancel();
  }

  void WaitDone() {
    common::MutexLock lock(mutex_);
    while (!done_) changed_.Wait(mutex_);
  }

  void OnWriteDone(bool ok) override {
    common::MutexLock lock(mutex_);
    writing_ = false;
    if (!ok || closing_ || reads_ended_) return;
    if (urgent_) {
      urgent_ = false;
      WriteReport();
    }
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      {
        common::MutexLock lock(mutex_);
        reads_ended_ = true;  // No write starts after this, so the hold may go.
      }
      RemoveHold();
      return;
    }
    {
      common::MutexLock lock(mutex_);
      if (command_.has_welcome()) {
        welcomed_ = true;
        SetInterval(command_.welcome().report_interval());
      } else if (command_.has_pace()) {
        SetInterval(command_.pace().report_interval());
      } else if (command_.has_assignment()) {
        assignment_ = command_.assignment().version();
        InstanceReport()->set_assignment_version(assignment_);
      } else if (command_.has_refusal()) {
        error_ = absl::StrCat(command_.refusal().code(), ": ", command_.refusal().detail());
      }
    }
    StartRead(&command_);
  }

  void OnDone(const grpc::Status& status) override {
    common::MutexLock lock(mutex_);
    done_ = true;
    if (!closing_) error_ = status.error_message();
    changed_.NotifyAll();
  }

  struct View {
    uint64_t sent, skipped;
    bool welcomed, assigned, ended;
    absl::Duration interval;
    std::string error;
  };
  View Look() {
    common::MutexLock lock(mutex_);
    return {sequence_, skipped_, welcomed_, assignment_ > 0, done_ && !closing_, interval_, error_};
  }

 private:
  v1::InstanceReport* InstanceReport() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return report_.mutable_report()->mutable_instances(0);
  }

  void SetInterval(const google::protobuf::Duration& told) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (const absl::Duration d = ToAbsl(told); d > absl::ZeroDuration()) interval_ = d;
  }

  void WriteReport() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    writing_ = true;
    NumberReport(++sequence_, &report_);
    StartWrite(&report_);
  }

  const std::unique_ptr<v1::AgentService::Stub> stub_;
  grpc::ClientContext context_;
  v1::AgentMessage hello_;
  v1::AgentCommand command_;
  common::Mutex mutex_;
  common::CondVar changed_;
  v1::AgentMessage report_ ABSL_GUARDED_BY(mutex_);
  uint64_t sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t skipped_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t assignment_ ABSL_GUARDED_BY(mutex_) = 0;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool urgent_ ABSL_GUARDED_BY(mutex_) = false;
  bool welcomed_ ABSL_GUARDED_BY(mutex_) = false;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  bool reads_ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Duration interval_ ABSL_GUARDED_BY(mutex_);
  std::string error_ ABSL_GUARDED_BY(mutex_);
};

AgentFleet::AgentFleet(const FleetOptions& options) : options_(options) {
  std::vector<std::shared_ptr<grpc::Channel>> shared;
  for (uint32_t i = 0; i < options.connections; ++i) {
    grpc::ChannelArguments args;
    args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    shared.push_back(
        grpc::CreateCustomChannel(options.target, grpc::InsecureChannelCredentials(), args));
  }
  for (uint32_t i = 0; i < options.agents; ++i) {
    std::shared_ptr<grpc::Channel> channel;
    if (shared.empty()) {
      grpc::ChannelArguments args;
      args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
      channel = grpc::CreateCustomChannel(options.target, grpc::InsecureChannelCredentials(), args);
    } else {
      channel = shared[i % shared.size()];
    }
    agents_.push_back(std::make_unique<SimulatedAgent>(i, options_, channel));
    // At most 128 unanswered at once, so that connecting does not overflow the listen queue.
    if (i % 64 == 63) WaitWelcomed(i - 63, absl::Seconds(10));
  }
  pacer_ = std::thread([this] { Pace(); });
}

AgentFleet::~AgentFleet() {
  stopping_ = true;
  if (pacer_.joinable()) pacer_.join();
  for (auto& agent : agents_) agent->Close();
  for (auto& agent : agents_) agent->WaitDone();
}

// Every agent has its own due time; a turn of 10 ms sends those that are due.
void AgentFleet::Pace() {
  const common::Clock& clock = common::SystemClock();
  const common::MonotonicTime start = clock.Now();
  std::vector<common::MonotonicTime> due(agents_.size());
  for (size_t i = 0; i < due.size(); ++i) {
    due[i] = start + options_.interval * static_cast<double>(i) / static_cast<double>(due.size());
  }
  common::Mutex mutex;
  common::CondVar turn;
  while (!stopping_) {
    const common::MonotonicTime now = clock.Now();
    for (size_t i = 0; i < due.size(); ++i) {
      if (due[i] > now) continue;
      agents_[i]->Report(nullptr);
      due[i] = std::max(due[i] + interval(static_cast<uint32_t>(i)), now - absl::Seconds(1));
    }
    common::MutexLock lock(mutex);
    turn.WaitFor(mutex, absl::Milliseconds(10));
  }
}

namespace {

template <typename Condition>
bool WaitUntil(absl::Duration timeout, Condition condition) {
  const common::Clock& clock = common::SystemClock();
  const common::MonotonicTime deadline = clock.Now() + timeout;
  common::Mutex mutex;
  common::CondVar turn;
  while (!condition()) {
    if (clock.Now() > deadline) return false;
    common::MutexLock lock(mutex);
    turn.WaitFor(mutex, absl::Milliseconds(5));
  }
  return true;
}

}  // namespace

bool AgentFleet::WaitWelcomed(uint32_t count, absl::Duration timeout) {
  return WaitUntil(timeout, [&] { return welcomed() >= count; });
}

bool AgentFleet::WaitAssigned(uint32_t count, absl::Duration timeout) {
  return WaitUntil(timeout, [&] {
    uint32_t assigned = 0;
    for (auto& agent : agents_) assigned += agent->Look().assigned;
    return assigned >= count;
  });
}

common::MonotonicTime AgentFleet::ReportCheck(uint32_t index, bool passing) {
  const common::MonotonicTime now = common::SystemClock().Now();
  agents_[index]->Report(&passing);
  return now;
}

uint64_t AgentFleet::reports_sent() const {
  uint64_t sum = 0;
  for (auto& agent : agents_) sum += agent->Look().sent;
  return sum;
}

uint64_t AgentFleet::reports_skipped() const {
  uint64_t sum = 0;
  for (auto& agent : agents_) sum += agent->Look().skipped;
  return sum;
}

uint32_t AgentFleet::welcomed() const {
  uint32_t sum = 0;
  for (auto& agent : agents_) sum += agent->Look().welcomed;
  return sum;
}

uint32_t AgentFleet::ended() const {
  uint32_t sum = 0;
  for (auto& agent : agents_) sum += agent->Look().ended;
  return sum;
}

std::string AgentFleet::last_error() const {
  for (auto& agent : agents_) {
    if (std::string error = agent->Look().error; !error.empty()) return error;
  }
  return "";
}

absl::Duration AgentFleet::interval(uint32_t index) const {
  return agents_[index]->Look().interval;
}

std::string FleetConfig(uint32_t services) {
  std::string yaml = "services:\n";
  for (uint32_t i = 0; i < services; ++i) {
    absl::StrAppend(&yaml, "- name: s", i, "\n  checks: [{http: {path: /healthz}}]\n");
  }
  return yaml;
}

}  // namespace pointsman::bench
