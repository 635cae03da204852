#include "gateway/certificate_keeper.h"

#include <utility>

#include "common/log.h"

namespace pointsman::gateway {

CertificateKeeper::CertificateKeeper(std::string file, ListenerFile running, Engine* engine)
    : file_(std::move(file)),
      engine_(engine),
      limits_(file_, running.limits),
      listeners_(std::move(running.listeners)),
      thread_([this] { Run(); }) {}

CertificateKeeper::~CertificateKeeper() {
  {
    common::MutexLock lock(mutex_);
    ending_ = true;
  }
  wake_.NotifyAll();
  thread_.join();
}

void CertificateKeeper::ReadSoon() {
  {
    common::MutexLock lock(mutex_);
    soon_ = true;
  }
  wake_.NotifyAll();
}

void CertificateKeeper::Run() {
  common::MonotonicTime rotated = common::SystemClock().Now();
  while (true) {
    {
      common::MutexLock lock(mutex_);
      const common::MonotonicTime due = common::SystemClock().Now() + kReadEvery;
      while (!ending_ && !soon_) {
        const absl::Duration left = due - common::SystemClock().Now();
        if (left <= absl::ZeroDuration()) break;
        wake_.WaitFor(mutex_, left);
      }
      if (ending_) return;
      soon_ = false;
    }
    Read();
    if (common::SystemClock().Now() - rotated < kTicketRotation) continue;
    rotated = common::SystemClock().Now();
    engine_->RotateTickets();
  }
}

void CertificateKeeper::Read() {
  const auto next = ReadListenerFile(file_);
  if (next.ok()) {
    Replace(next->listeners);
    limits_.Look(next->limits);
    return;
  }
  // The same mistake is said once.
  if (std::exchange(last_error_, std::string(next.status().message())) == last_error_) return;
  common::LogError("gateway.listeners_refused", {{"error", last_error_}});
}

void CertificateKeeper::Replace(const std::vector<NamedListener>& next) {
  std::string error;
  bool same_shape = next.size() == listeners_.size();
  for (size_t i = 0; same_shape && i < next.size(); ++i) {
    const ListenerOptions& now = listeners_[i].options;
    const ListenerOptions& then = next[i].options;
    same_shape = now.address == then.address && now.tls.has_value() == then.tls.has_value();
    if (!same_shape || now.tls == then.tls) continue;
    const absl::Status status = engine_->ReplaceTls(i, *then.tls);
    if (!status.ok()) {
      error = std::string(status.message());
      continue;
    }
    listeners_[i] = next[i];
    common::LogInfo("gateway.certificates_replaced", {{"listener", next[i].name}});
  }
  if (!same_shape) {
    error = "listeners and their addresses change only with an upgrade or a restart";
  }
  if (std::exchange(last_error_, error) == error || error.empty()) return;
  common::LogError("gateway.listeners_refused", {{"error", error}});
}

}  // namespace pointsman::gateway
