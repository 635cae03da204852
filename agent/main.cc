// pointsman-agent: checks, samples and restarts the services of its host and reports to a
// controller. See docs/agent.md.

#include <malloc.h>
#include <pthread.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <string>
#include <vector>

#include "agent/agent.h"
#include "agent/config_file.h"
#include "common/admin_http.h"
#include "common/clock.h"
#include "common/core/status_macros.h"
#include "common/files.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/notify.h"
#include "common/rpc/channel.h"
#include "common/rpc/lock_checks.h"
#include "common/rpc/tls.h"
#include "common/signals.h"
#include "common/version.h"

namespace pointsman::agent {
namespace {

constexpr size_t kThreadStackBytes = 256 << 10;

struct Flags {
  std::string config = "/etc/pointsman/agent.yaml";
  std::vector<std::string> controllers;
  std::string id;
  std::string admin = "127.0.0.1:7411";
  std::string state_dir = "/var/lib/pointsman-agent";
  std::string proc_root = "/proc";
  std::string cgroup_root = "/sys/fs/cgroup";
  std::string ready_file;
  std::string log_level = "info";
  std::string log_format = "text";
  common::TlsFiles tls;
  bool insecure = false;
};

void Declare(CLI::App& app, Flags& flags) {
  app.set_version_flag("--version", std::string(common::Version()));
  app.add_option("--config", flags.config, "The agent's own file")->capture_default_str();
  app.add_option("--controller", flags.controllers,
                 "HOST:PORT of a controller (repeatable); counts more than the file's");
  app.add_option("--id", flags.id, "Name of the agent; default: the file's, else the host's");
  app.add_option("--admin", flags.admin, "Address of /metrics, /healthz, /readyz")
      ->capture_default_str();
  app.add_option("--state-dir", flags.state_dir, "Folder that this agent alone writes")
      ->capture_default_str();
  app.add_option("--proc-root", flags.proc_root, "Where proc is mounted")->capture_default_str();
  app.add_option("--cgroup-root", flags.cgroup_root, "Where cgroup v2 is mounted")
      ->capture_default_str();
  app.add_option("--ready-file", flags.ready_file, "Written when the agent runs");
  app.add_option("--log-level", flags.log_level, "debug, info, warning, error, off")
      ->capture_default_str();
  app.add_option("--log-format", flags.log_format, "text or json")->capture_default_str();
  app.add_option("--tls-cert", flags.tls.cert, "This agent's certificate (PEM)");
  app.add_option("--tls-key", flags.tls.key, "Its private key (PEM)");
  app.add_option("--tls-ca", flags.tls.ca, "Authorities of controllers (PEM)");
  app.add_flag("--insecure", flags.insecure,
               "Speak plain text with a controller that is not on this host");
}

absl::Status SetUpLog(const Flags& flags) {
  common::LogOptions options;
  PM_RETURN_IF_ERROR(common::ParseLogLevel(flags.log_level, &options.level));
  PM_RETURN_IF_ERROR(common::ParseLogFormat(flags.log_format, &options.format));
  common::ProcessLogger().Configure(options);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeControllerChannel(const Flags& flags,
                                                                     const AgentConfig& config) {
  common::ChannelOptions options;
  options.targets = flags.controllers.empty() ? config.controllers : flags.controllers;
  options.tls = flags.tls.empty() ? common::TlsFiles{config.tls_cert, config.tls_key, config.tls_ca}
                                  : flags.tls;
  options.insecure = flags.insecure;
  options.backoff_max = absl::Seconds(2);
  return common::MakeChannel(options);
}

absl::Status RunAgent(const Flags& flags) {
  PM_RETURN_IF_ERROR(SetUpLog(flags));
  common::Signals signals;
  PM_RETURN_IF_ERROR(common::CheckBindAllowed(flags.admin, {}, flags.insecure));
  AgentOptions options;
  PM_ASSIGN_OR_RETURN(options.config, LoadAgentFile(flags.config));
  PM_ASSIGN_OR_RETURN(options.channel, MakeControllerChannel(flags, options.config));
  options.config_path = flags.config;
  options.id_override = flags.id;
  options.state_dir = flags.state_dir;
  options.sampler = {.proc_root = flags.proc_root, .cgroup_root = flags.cgroup_root};
  options.signals = &signals;
  common::Registry registry;
  PM_ASSIGN_OR_RETURN(const std::unique_ptr<Agent> agent,
                      Agent::Create(std::move(options), common::SystemClock(), registry));
  PM_ASSIGN_OR_RETURN(const std::unique_ptr<common::AdminServer> admin,
                      common::AdminServer::Start({.listen = flags.admin,
                                                  .threads = 1,
                                                  .metrics = &registry,
                                                  .ready = [&] { return agent->alive(); },
                                                  .pages = {}}));
  PM_RETURN_IF_ERROR(common::WriteReadyFile(
      flags.ready_file, {.grpc = "", .admin = admin->address(), .listen = "", .listeners = {}}));
  common::LogInfo("agent.started",
                  {{"version", std::string(common::Version())}, {"admin", admin->address()}});
  common::NotifyReady();
  agent->Run();
  common::NotifyStopping();
  common::LogInfo("agent.stopped", {});
  return absl::OkStatus();
}

// Many small threads and few bytes: one heap for all, small stacks.
void KeepSmall() {
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_TRIM_THRESHOLD, 128 << 10);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kThreadStackBytes);
  pthread_setattr_default_np(&attributes);
  pthread_attr_destroy(&attributes);
}

}  // namespace
}  // namespace pointsman::agent

int main(int argc, char** argv) {
  pointsman::common::TurnOffLockOrderChecks();
  pointsman::agent::KeepSmall();
  CLI::App app("Pointsman's agent: checks, samples and restarts the services of its host.");
  pointsman::agent::Flags flags;
  pointsman::agent::Declare(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const absl::Status status = pointsman::agent::RunAgent(flags);
  if (status.ok()) return 0;
  std::cerr << "pointsman-agent: " << std::string(status.message()) << "\n";
  return absl::IsInvalidArgument(status) ? 2 : 1;
}
