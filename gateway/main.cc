// pointsman-gateway: forwards HTTP by the table it gets from a controller, from its last snapshot,
// or from a file.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "common/core/status_macros.h"
#include "common/log.h"
#include "common/rpc/lock_checks.h"
#include "common/signals.h"
#include "common/version.h"
#include "gateway/descriptor_limit.h"
#include "gateway/handover.h"
#include "gateway/replacement.h"
#include "gateway/server.h"

namespace {

using pointsman::common::LogOptions;
using pointsman::gateway::Server;
using pointsman::gateway::ServerOptions;

// It was sent before this process was started.
constexpr absl::Duration kHandoverWait = absl::Seconds(5);

struct Flags {
  ServerOptions server;
  std::string log_level = "info";
  std::string log_format = "text";
  double drain_seconds = 30;
};

void Describe(Flags* flags, CLI::App* app) {
  ServerOptions& server = flags->server;
  app->set_version_flag("--version", std::string(pointsman::common::Version()));
  app->add_option("--listen", server.listen,
                  "Address for plain HTTP; repeatable; 127.0.0.1:8080 if nothing else is given")
      ->type_name("HOST:PORT");
  app->add_option("--listeners", server.listener_file,
                  "Listeners with certificates, and limits, in YAML")
      ->type_name("FILE");
  app->add_option("--admin", server.admin, "Address of /metrics, /readyz, /table")
      ->type_name("HOST:PORT")
      ->capture_default_str();
  app->add_option("--controller", server.controller, "Controllers, separated by commas")
      ->type_name("HOST:PORT");
  app->add_option("--trusted-proxies", server.trusted_proxies,
                  "Networks of proxies that are believed in X-Forwarded-* and Forwarded")
      ->type_name("CIDR,...");
  app->add_option("--error-details-to", server.error_details_to,
                  "Networks of clients that error pages tell the service, endpoint and tries")
      ->type_name("CIDR,...");
  app->add_option("--trace-sample", server.trace_sample,
                  "Begin a trace for requests without one; share of those that are sampled")
      ->check(CLI::Range(0.0, 1.0));
  app->add_option(
      "--connections-per-source", server.connections_per_source,
      "Connections of one client address (IPv6: /64), trusted proxies excepted; 0: any; "
      "default: what a file's limits say, or 16384");
  app->add_option("--proxy-protocol-from", server.proxy_protocol_from,
                  "Networks whose connections begin with a PROXY header, version 1 or 2")
      ->type_name("CIDR,...");
  app->add_option("--id", server.id, "Stable name of this gateway; default: the host's name");
  app->add_option("--region", server.region, "Where this gateway is");
  app->add_option("--zone", server.zone, "Where this gateway is");
  app->add_option("--state-dir", server.state_dir, "Folder for the last good table")
      ->type_name("DIR");
  app->add_option("--static", server.static_file, "Run from this file, without a controller")
      ->type_name("FILE");
  app->add_option("--access-log", server.access_log,
                  "Finished requests as JSON lines; - is standard output; opened again at SIGHUP")
      ->type_name("FILE");
  app->add_option("--access-log-sample", server.access_log_sample,
                  "Share of requests that went well to log; those that failed always are")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app->add_option("--workers", server.workers, "Worker threads; 0: one for each CPU")
      ->capture_default_str();
  app->add_option("--drain-seconds", flags->drain_seconds,
                  "At SIGTERM, time for requests in progress")
      ->check(CLI::Range(0.0, 86400.0))
      ->capture_default_str();
  app->add_option("--ready-file", server.ready_file, "Written when this gateway serves")
      ->type_name("FILE");
  app->add_option("--tls-cert", server.tls.cert, "PEM certificate for the controller connection")
      ->type_name("FILE");
  app->add_option("--tls-key", server.tls.key, "Its private key")->type_name("FILE");
  app->add_option("--tls-ca", server.tls.ca, "Authorities of the controllers")->type_name("FILE");
  app->add_flag("--insecure", server.insecure,
                "Allow addresses that are not loopback without certificates");
  app->add_option("--log-level", flags->log_level, "debug, info, warning, error, off")
      ->capture_default_str();
  app->add_option("--log-format", flags->log_format, "text or json")->capture_default_str();
}

absl::Status SetUpLog(const Flags& flags) {
  LogOptions log;
  absl::Status status = pointsman::common::ParseLogLevel(flags.log_level, &log.level);
  if (status.ok()) status = pointsman::common::ParseLogFormat(flags.log_format, &log.format);
  if (status.ok()) pointsman::common::ProcessLogger().Configure(log);
  return status;
}

// In the place of another process, when that started this one.
absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options) {
  PM_ASSIGN_OR_RETURN(pointsman::gateway::Fd socket, pointsman::gateway::HandoverFromEnvironment());
  if (!socket.valid()) return Server::Start(options);
  pointsman::gateway::Predecessor predecessor;
  PM_ASSIGN_OR_RETURN(predecessor.handover,
                      pointsman::gateway::ReceiveHandover(socket.get(), kHandoverWait));
  predecessor.socket = std::move(socket);
  return Server::Start(options, std::move(predecessor));
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "pointsman-gateway: %s\n", std::string(status.message()).c_str());
  return status.code() == absl::StatusCode::kInvalidArgument ? 2 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  pointsman::common::TurnOffLockOrderChecks();
  // Before any thread.
  pointsman::common::Signals signals(/*upgrades=*/true);
  Flags flags;
  CLI::App app("Forwards HTTP traffic to the endpoints of services.", "pointsman-gateway");
  Describe(&flags, &app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : 2;
  }
  if (absl::Status status = SetUpLog(flags); !status.ok()) return Fail(status);
  if (const auto raised = pointsman::gateway::RaiseDescriptorLimit(); !raised.ok()) {
    pointsman::common::LogWarning("gateway.descriptors_not_raised",
                                  {{"error", raised.status().ToString()}});
  }
  flags.server.drain_grace = absl::Seconds(flags.drain_seconds);
  flags.server.program = pointsman::gateway::ProgramStartOf(argc, argv);
  auto server = Start(flags.server);
  if (!server.ok()) return Fail(server.status());
  (*server)->Run(signals);
  return 0;
}
