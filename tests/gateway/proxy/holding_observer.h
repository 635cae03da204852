#pragma once

// Holds a worker after its first finished request until the test lets it go: what comes meanwhile
// waits in sockets and timers. Thread-safe; one worker.

#include <atomic>
#include <future>

#include "gateway/proxy/options.h"

namespace pointsman::gateway {

class HoldingObserver final : public RequestObserver {
 public:
  void OnRequest(const RequestRecord& /*record*/) override {
    if (held_.exchange(true)) return;
    holding_.set_value();
    go_.get_future().wait();
  }
  void WaitUntilHolding() { holding_.get_future().wait(); }
  void Go() { go_.set_value(); }

 private:
  std::atomic<bool> held_{false};
  std::promise<void> holding_;
  std::promise<void> go_;
};

}  // namespace pointsman::gateway
