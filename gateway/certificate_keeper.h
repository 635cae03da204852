#pragma once

// Keeps a gateway's TLS fresh: reads the listener file and its certificates again, gives the engine
// those that changed, and rotates the keys of session tickets. Says when the file's limits changed.
// A thread of its own; methods are for one thread.

#include <string>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "common/mutex.h"
#include "gateway/listener_file.h"
#include "gateway/process_limits.h"

namespace pointsman::gateway {

class CertificateKeeper {
 public:
  static constexpr absl::Duration kReadEvery = absl::Seconds(10);

  // `running`: the file as the engine runs it, whose first places are its listeners. `engine`
  // outlives this.
  CertificateKeeper(std::string file, ListenerFile running, Engine* engine);
  ~CertificateKeeper();
  CertificateKeeper(const CertificateKeeper&) = delete;
  CertificateKeeper& operator=(const CertificateKeeper&) = delete;

  // Reads now. Thread-safe.
  void ReadSoon();

 private:
  void Run();
  void Read();
  void Replace(const std::vector<NamedListener>& next);

  const std::string file_;
  Engine* const engine_;
  // Of the thread.
  LimitsWatch limits_;
  std::vector<NamedListener> listeners_;
  std::string last_error_;
  common::Mutex mutex_;
  common::CondVar wake_;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  bool soon_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace pointsman::gateway
