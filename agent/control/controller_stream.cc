#include "agent/control/controller_stream.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <deque>
#include <utility>

#include "common/mutex.h"
#include "pointsman/v1/agent.grpc.pb.h"

namespace pointsman::agent {
namespace {

using common::MonotonicTime;
using common::Mutex;
using common::MutexLock;

// A stream that stood so long was a good one.
constexpr absl::Duration kCalm = absl::Seconds(10);

absl::Status FromGrpc(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

// What a stream and its owner share; outlives neither.
struct Mailbox {
  Mutex mutex;
  common::CondVar done;
  std::vector<StreamNotice> notices ABSL_GUARDED_BY(mutex);
  bool open ABSL_GUARDED_BY(mutex) = false;  // A call exists and gRPC holds it.
  std::function<void()> wake;

  void Notify(StreamNotice notice) {
    {
      MutexLock lock(mutex);
      notices.push_back(std::move(notice));
    }
    wake();
  }
};

// One call. Freed by its owner after OnDone.
class Call final : public grpc::ClientBidiReactor<v1::AgentMessage, v1::AgentCommand> {
 public:
  explicit Call(Mailbox& mailbox) : mailbox_(mailbox) {}

  void Begin(v1::AgentService::Stub& stub) {
    stub.async()->Connect(&context_, this);
    StartRead(&command_);
    // Writes come from the owner's thread, too: the hold keeps the call until Close().
    AddHold();
    StartCall();
  }

  // The owner lets go; OnDone follows.
  void Close() {
    context_.TryCancel();
    LetGo();
  }

  // False: too much waits.
  bool Send(const v1::AgentMessage& message) {
    MutexLock lock(mutex_);
    if (closed_) return true;
    if (queue_.size() >= kStreamMessagesMax) return false;
    // Reports name instances by the Hello before them.
    if (message.has_hello()) has_report_ = false;
    queue_.push_back(message);
    WriteNext();
    return true;
  }

  // True: an older one was replaced.
  bool SendReport(const v1::AgentReport& report) {
    MutexLock lock(mutex_);
    if (closed_) return false;
    const bool replaced = std::exchange(has_report_, true);
    *report_.mutable_report() = report;
    WriteNext();
    return replaced;
  }

  void OnReadInitialMetadataDone(bool) override {}

  void OnReadDone(bool ok) override {
    if (!ok) return LetGo();
    bool full;
    {
      MutexLock lock(mailbox_.mutex);
      full = mailbox_.notices.size() >= kStreamCommandsMax;
    }
    if (full) {
      context_.TryCancel();
      return LetGo();
    }
    mailbox_.Notify({CommandInput{std::exchange(command_, {})}, absl::OkStatus()});
    StartRead(&command_);
  }

  void OnWriteDone(bool ok) override {
    MutexLock lock(mutex_);
    writing_ = false;
    failed_ = failed_ || !ok;
    WriteNext();
  }

  void OnDone(const grpc::Status& status) override {
    Mailbox& mailbox = mailbox_;
    const absl::Status reason = FromGrpc(status);
    mailbox.Notify({StreamDownInput{}, reason});
    MutexLock lock(mailbox.mutex);
    mailbox.open = false;
    mailbox.done.NotifyAll();
    // `this` may be gone from here on.
  }

 private:
  // No further write begins; OnDone follows once what is under way has ended.
  void LetGo() {
    {
      MutexLock lock(mutex_);
      if (std::exchange(closed_, true)) return;
    }
    RemoveHold();
  }

  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || failed_ || closed_) return;
    if (!queue_.empty()) {
      outgoing_ = std::move(queue_.front());
      queue_.pop_front();
    } else if (has_report_) {
      has_report_ = false;
      outgoing_.Swap(&report_);
    } else {
      return;
    }
    writing_ = true;
    StartWrite(&outgoing_);
  }

  Mailbox& mailbox_;
  grpc::ClientContext context_;
  v1::AgentCommand command_;
  Mutex mutex_;
  std::deque<v1::AgentMessage> queue_ ABSL_GUARDED_BY(mutex_);
  v1::AgentMessage report_ ABSL_GUARDED_BY(mutex_);
  v1::AgentMessage outgoing_ ABSL_GUARDED_BY(mutex_);
  bool has_report_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool failed_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

class GrpcStream final : public ControllerStream {
 public:
  explicit GrpcStream(Options options)
      : stub_(v1::AgentService::NewStub(options.channel)), backoff_(options.backoff) {
    mailbox_.wake = std::move(options.wake);
  }

  ~GrpcStream() override {
    if (call_ == nullptr) return;
    call_->Close();
    AwaitDone();
  }

  void Drive(MonotonicTime now, absl::BitGenRef random) override {
    if (call_ != nullptr) return;
    if (std::exchange(ended_, false)) {
      // Also after a long time: many agents lose a controller in the same moment.
      if (now - opened_at_ >= kCalm) backoff_.Reset();
      next_open_ = now + backoff_.Next(random);
    }
    if (now < next_open_) return;
    opened_at_ = now;
    ++streams_;
    {
      MutexLock lock(mailbox_.mutex);
      mailbox_.open = true;
    }
    call_ = std::make_unique<Call>(mailbox_);
    call_->Begin(*stub_);
    up_pending_ = true;
  }

  MonotonicTime NextDue() const override {
    if (up_pending_ || ended_) return MonotonicTime();
    return call_ == nullptr ? next_open_ : MonotonicTime::Infinite();
  }

  std::vector<StreamNotice> TakeNotices() override {
    std::vector<StreamNotice> notices;
    if (std::exchange(up_pending_, false)) notices.push_back({StreamUpInput{}, absl::OkStatus()});
    {
      MutexLock lock(mailbox_.mutex);
      for (StreamNotice& notice : mailbox_.notices) notices.push_back(std::move(notice));
      mailbox_.notices.clear();
    }
    for (const StreamNotice& notice : notices) {
      if (!std::holds_alternative<StreamDownInput>(notice.input)) continue;
      AwaitDone();
      ended_ = true;
    }
    return notices;
  }

  void Send(const v1::AgentMessage& message) override {
    if (call_ != nullptr && !call_->Send(message)) call_->Close();
  }

  void SendReport(const v1::AgentReport& report) override {
    if (call_ != nullptr && call_->SendReport(report)) ++conflated_;
  }

  uint64_t reports_conflated() const override { return conflated_; }
  uint64_t streams() const override { return streams_; }

 private:
  // Frees the call once gRPC holds it no longer.
  void AwaitDone() {
    {
      MutexLock lock(mailbox_.mutex);
      while (mailbox_.open) mailbox_.done.Wait(mailbox_.mutex);
    }
    call_.reset();
  }

  Mailbox mailbox_;
  std::unique_ptr<v1::AgentService::Stub> stub_;
  common::Backoff backoff_;
  std::unique_ptr<Call> call_;
  MonotonicTime next_open_;
  MonotonicTime opened_at_;
  bool ended_ = false;
  bool up_pending_ = false;
  uint64_t conflated_ = 0;
  uint64_t streams_ = 0;
};

}  // namespace

std::unique_ptr<ControllerStream> ControllerStream::Create(Options options) {
  return std::make_unique<GrpcStream>(std::move(options));
}

}  // namespace pointsman::agent
