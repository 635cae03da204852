#pragma once

// The access log: workers copy what is worth a line into rings of their own, one thread writes JSON
// lines to a file (docs/design/access_log.md). A slow or full disk loses lines, which are counted,
// and never holds up a worker. OnRequest() is for one thread for each worker; all else is
// thread-safe.

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/clock.h"
#include "common/mutex.h"
#include "gateway/net/fd.h"
#include "gateway/proxy/access_ring.h"
#include "gateway/proxy/access_sampler.h"
#include "gateway/proxy/options.h"

namespace pointsman::gateway {

struct AccessLogOptions {
  // "-": standard output.
  std::string path;
  // Of requests that went well, 0 to 1.
  double sample = 1;
  // Lines of failed requests a second and worker.
  uint32_t failures_per_second_max = 1000;
  // Entries a worker may be ahead of the writer; a power of two.
  size_t ring_entries = 2048;
  size_t workers = 1;
  // Outlives the log.
  const common::Clock* clock = nullptr;
  // Told on the writer's thread when writing begins to fail (or to reopen fails), and with OK when
  // it works again. May be empty.
  std::function<void(const absl::Status&)> on_change;
};

struct AccessLogStats {
  uint64_t lines = 0;
  uint64_t lost_ring_full = 0;
  uint64_t lost_failure_limit = 0;
  uint64_t lost_write = 0;  // The file took them not.
};

class AccessLog final : public RequestObserver {
 public:
  // Rings are looked at this often; half a ring in that time is 50,000 requests a second and
  // worker.
  static constexpr absl::Duration kPollInterval = absl::Milliseconds(20);

  // InvalidArgument: `path` cannot be opened for appending.
  static absl::StatusOr<std::unique_ptr<AccessLog>> Open(AccessLogOptions options);
  // Writes what is left. No worker may call OnRequest() any more.
  ~AccessLog() override;

  void OnRequest(const RequestRecord& record) override;
  // The writer opens the file again, after what it has: for rotation by renaming.
  void Reopen() { reopen_.store(true, std::memory_order_release); }
  AccessLogStats Stats() const;

 private:
  struct OfWorker {
    OfWorker(const AccessLogOptions& options)
        : ring(options.ring_entries), sampler(options.sample, options.failures_per_second_max) {}
    AccessRing ring;
    AccessSampler sampler;
    absl::InsecureBitGen random;
    Counter lost_ring_full;
    Counter lost_failure_limit;
  };

  explicit AccessLog(AccessLogOptions options);
  absl::Status OpenFile();
  void Run();
  // Lines of all rings, as far as one buffer takes them; false when there were none.
  bool Collect();
  void WriteBuffer();
  // 0 or an errno; `*written` bytes left.
  int Write(absl::string_view text, size_t* written);
  void Tell(const absl::Status& status);

  const AccessLogOptions options_;
  std::vector<std::unique_ptr<OfWorker>> workers_;
  std::atomic<bool> reopen_{false};

  // Of the writer's thread.
  Fd file_;
  bool regular_ = true;
  bool torn_ = false;  // The last line was cut.
  bool failing_ = false;
  std::string buffer_;
  Counter lines_;
  Counter lost_write_;

  common::Mutex mutex_;
  common::CondVar stopped_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread writer_;
};

}  // namespace pointsman::gateway
