// pointsman-controller: gathers reports, decides, publishes tables.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <thread>

#include "common/files.h"
#include "common/log.h"
#include "common/notify.h"
#include "common/rpc/lock_checks.h"
#include "common/signals.h"
#include "common/version.h"
#include "controller/server.h"

namespace pointsman::controller {
namespace {

struct Flags {
  ServerOptions server;
  std::string ready_file;
  std::string log_level = "info";
  std::string log_format = "text";
};

void AddFlags(CLI::App& app, Flags& flags) {
  ServerOptions& server = flags.server;
  app.add_option("--listen", server.listen, "gRPC address for agents, gateways and operators")
      ->capture_default_str();
  app.add_option("--admin", server.admin, "HTTP address of /metrics, /healthz, /readyz")
      ->capture_default_str();
  app.add_option("--data-dir", server.data_dir, "folder of the database pointsman.db")->required();
  app.add_option("--config", server.config_file,
                 "configuration (YAML or JSON), applied at a start when it has changed since");
  app.add_option("--shards", server.shards, "threads that decide")
      ->capture_default_str()
      ->check(CLI::Range(1, 64));
  app.add_option("--report-cores", server.report_cores,
                 "cores that agents' reports may use before they are paced")
      ->check(CLI::Range(0.01, 1024.0));
  app.add_option("--tls-cert", server.tls.cert, "PEM certificate of this controller");
  app.add_option("--tls-key", server.tls.key, "PEM key of the certificate");
  app.add_option("--tls-ca", server.tls.ca, "PEM authorities that clients must lead to");
  app.add_flag("--insecure", server.insecure, "allow plain text on other addresses than loopback");
  app.add_option("--store-fault-file", server.store_fault_file,
                 "test door: while this file exists every write of the store fails");
  app.add_option("--ready-file", flags.ready_file, "written when the controller serves");
  app.add_option("--log-level", flags.log_level, "debug, info, warning, error, off")
      ->capture_default_str();
  app.add_option("--log-format", flags.log_format, "text or json")->capture_default_str();
  app.set_version_flag("--version", std::string(common::Version()));
}

absl::Status ConfigureLog(const Flags& flags) {
  common::LogOptions log;
  absl::Status status = common::ParseLogLevel(flags.log_level, &log.level);
  if (status.ok()) status = common::ParseLogFormat(flags.log_format, &log.format);
  if (status.ok()) common::ProcessLogger().Configure(log);
  return status;
}

// Until a signal comes; tells the watchdog while the shards turn.
void Serve(Server& server, common::Signals& signals) {
  const auto watchdog = common::WatchdogInterval();
  for (;;) {
    const auto signal =
        watchdog ? signals.WaitFor(*watchdog / 2) : std::optional<common::Signal>(signals.Wait());
    if (signal == common::Signal::kTerminate) return;
    if (watchdog && server.Alive()) common::NotifyWatchdog();
  }
}

int Fail(const absl::Status& status) {
  std::cerr << "pointsman-controller: " << std::string(status.message()) << "\n";
  return status.code() == absl::StatusCode::kInvalidArgument ? 2 : 1;
}

int Run(const Flags& flags) {
  common::Signals signals;
  if (absl::Status status = ConfigureLog(flags); !status.ok()) return Fail(status);
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(flags.server);
  if (!server.ok()) return Fail(server.status());
  common::ReadyFile ready;
  ready.grpc = (*server)->grpc_address();
  ready.admin = (*server)->admin_address();
  if (absl::Status status = common::WriteReadyFile(flags.ready_file, ready); !status.ok()) {
    return Fail(status);
  }
  common::LogInfo("controller.serving", {{"grpc", ready.grpc}, {"admin", ready.admin}});
  common::NotifyReady();
  Serve(**server, signals);
  common::NotifyStopping();
  common::LogInfo("controller.stopping");
  (*server)->Stop(absl::Seconds(5));
  return 0;
}

}  // namespace
}  // namespace pointsman::controller

int main(int argc, char** argv) {
  pointsman::common::TurnOffLockOrderChecks();
  pointsman::controller::Flags flags;
  CLI::App app("The Pointsman controller: gathers reports, decides, publishes tables.");
  pointsman::controller::AddFlags(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return pointsman::controller::Run(flags);
}
