#pragma once

// One gateway process put together: control side, engine, admin pages. Start, then Run until told
// to end. Thread-compatible; owns all its threads.

#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/admin_http.h"
#include "common/core/config_load.h"
#include "common/metrics.h"
#include "common/mutex.h"
#include "common/rpc/tls.h"
#include "common/signals.h"
#include "gateway/certificate_keeper.h"
#include "gateway/control/control_loop.h"
#include "gateway/core/cells.h"
#include "gateway/file_watch.h"
#include "gateway/handover.h"
#include "gateway/proxy/access_log.h"
#include "gateway/proxy/engine.h"
#include "gateway/replacement.h"

namespace pointsman::gateway {

struct ServerOptions {
  // Plain; empty: 127.0.0.1:8080 unless there is a listener file.
  std::vector<std::string> listen;
  // Where else to listen, with certificates, and limits; empty: none.
  std::string listener_file;
  std::string admin = "127.0.0.1:7421";
  // "HOST:PORT", several separated by commas; empty: none.
  std::string controller;
  // Networks separated by commas; see ProxyLimits::trusted_proxies. Empty: nobody.
  std::string trusted_proxies;
  // See ProxyLimits::error_details_to and trace_sample.
  std::string error_details_to;
  std::optional<double> trace_sample;
  // See ProxyLimits::connections_per_source_max; goes before the files' word. Absent: theirs.
  std::optional<size_t> connections_per_source;
  // See ProxyLimits::proxy_header_from.
  std::string proxy_protocol_from;
  // Empty: the host's name.
  std::string id;
  std::string region;
  std::string zone;
  // Empty: no snapshot.
  std::string state_dir;
  // Configuration to run from without a controller; empty: none.
  std::string static_file;
  // See AccessLogOptions. Empty: no access log.
  std::string access_log;
  double access_log_sample = 1;
  // 0: as many as CPUs this process may use.
  size_t workers = 0;
  absl::Duration drain_grace = absl::Seconds(30);
  std::string ready_file;
  // Started anew by an upgrade; without a file there is none.
  ProgramStart program;
  common::TlsFiles tls;
  bool insecure = false;
};

class Server {
 public:
  // Serves when it returns. `predecessor`: whose place it takes; it is told, then this waits for
  // its word, and until then accepts nothing. InvalidArgument: an option or the static file;
  // FailedPrecondition: an address is not loopback and neither certificates nor `insecure` are
  // given; Unavailable: an address cannot be bound.
  static absl::StatusOr<std::unique_ptr<Server>> Start(
      ServerOptions options, std::optional<Predecessor> predecessor = std::nullopt);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Until a signal tells to end, or another process has taken over: then drains, at most
  // drain_grace. SIGUSR2, where `signals` watches it, starts that other process. SIGHUP reads the
  // static file and opens the access log again. Keeps systemd's watchdog content while the control
  // thread is alive.
  void Run(common::Signals& signals);

  const std::vector<std::string>& listen_addresses() const { return engine_->listen_addresses(); }
  const std::string& admin_address() const { return admin_->address(); }

 private:
  Server(ServerOptions options, std::optional<Predecessor> predecessor);
  absl::Status StartAll();
  absl::Status Prepare();
  absl::Status PrepareFiles();
  absl::Status PrepareListeners();
  absl::Status PrepareLimits();
  // Of whichever file has them.
  absl::Status ApplyFileLimits();
  absl::Status StartAccessLog();
  absl::Status StartControl();
  absl::Status StartEngine();
  absl::Status StartAdmin();
  // Of the predecessor, those that are listened on here too.
  std::vector<Engine::Sockets> InheritSockets();
  absl::Status TakeOver();
  absl::Status Announce();
  void AddOperatorPages(std::vector<common::AdminPage>* pages);
  // Waits until the upgrade has ended, well or not.
  common::AdminResponse AnswerUpgrade();
  absl::Status BeginUpgrade();
  // Whether another process has taken over.
  bool PollUpgrade();
  void EndUpgrade(const absl::Status& result);
  std::optional<common::Signal> AwaitSignal(common::Signals& signals, absl::Duration at_most) const;
  void Drain();
  void Reload();
  void ReloadStatic();
  bool Ready() const;

  const ServerOptions options_;
  std::optional<Predecessor> predecessor_;
  // By place in the predecessor's hand-over.
  std::vector<bool> taken_;
  ProxyLimits limits_;
  // Until the control side has its configuration. Absent: there is no such file.
  std::optional<common::StaticConfig> static_;
  std::unique_ptr<EndpointCells> cells_;
  std::unique_ptr<ControlLoop> control_;
  // Null: none. The workers use it.
  std::unique_ptr<AccessLog> access_log_;
  std::unique_ptr<Engine> engine_;
  // Until the keeper of certificates has it.
  ListenerFile listener_file_;
  // That file's, then those of the flags.
  std::vector<NamedListener> listeners_;
  std::unique_ptr<CertificateKeeper> certificates_;
  common::Registry registry_;
  std::unique_ptr<common::AdminServer> admin_;
  std::atomic<bool> draining_{false};
  // Of the thread in Run(), with a static file alone.
  std::optional<FileWatch> static_watch_;
  std::optional<LimitsWatch> static_limits_watch_;
  common::Counter* static_applied_ = nullptr;
  common::Counter* static_refused_ = nullptr;
  // The rest only while one is under way; of the thread in Run().
  std::unique_ptr<Replacement> replacement_;
  // By listener: whether a process that has taken over serves its sockets.
  std::vector<bool> handed_over_;
  common::Mutex upgrade_mutex_;
  // Of the page that waits for the upgrade's end.
  std::optional<std::promise<absl::Status>> upgrade_asked_ ABSL_GUARDED_BY(upgrade_mutex_);
};

}  // namespace pointsman::gateway
