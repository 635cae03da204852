#include "gateway/server.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/clock.h"
#include "common/core/address.h"
#include "common/core/config_load.h"
#include "common/core/names.h"
#include "common/core/status_macros.h"
#include "common/files.h"
#include "common/log.h"
#include "common/notify.h"
#include "common/rpc/channel.h"
#include "common/version.h"
#include "gateway/descriptor_limit.h"
#include "gateway/gateway_metrics.h"
#include "gateway/table_dump.h"

namespace pointsman::gateway {
namespace {

constexpr size_t kWorkersMax = 256;
constexpr char kDefaultListen[] = "127.0.0.1:8080";
// The control thread comes round every second; this late it is taken for dead.
constexpr absl::Duration kControlStuckAfter = absl::Seconds(15);
// From one look at the static file to the next; a change counts when it has lasted for one.
constexpr absl::Duration kStaticLookInterval = absl::Seconds(1);

size_t UsableCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

std::string HostName() {
  char name[256] = {};
  if (gethostname(name, sizeof(name) - 1) != 0) return "gateway";
  return std::string(name).substr(0, 63);
}

uint64_t RandomBootId() {
  std::random_device device;
  const uint64_t id = uint64_t{device()} << 32 | device();
  return id == 0 ? 1 : id;
}

absl::StatusOr<common::StaticConfig> ReadStatic(const std::string& path) {
  PM_ASSIGN_OR_RETURN(const std::string text, common::ReadFile(path, common::kConfigTextBytesMax));
  return common::LoadStaticConfig(text, path);
}

// Null: no networks.
absl::StatusOr<std::shared_ptr<const common::CidrSet>> NetworksOf(absl::string_view flag,
                                                                  const std::string& text) {
  auto networks = common::CidrSet::Parse(text);
  if (!networks.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(flag, " ", networks.status().message()));
  }
  if (networks->empty()) return nullptr;
  return std::make_shared<const common::CidrSet>(*std::move(networks));
}

}  // namespace

Server::Server(ServerOptions options, std::optional<Predecessor> predecessor)
    : options_(std::move(options)), predecessor_(std::move(predecessor)) {}

Server::~Server() {
  // The admin pages and the control thread use the engine, whose workers call the control side.
  admin_.reset();
  certificates_.reset();
  if (control_ != nullptr) control_->Stop();
  engine_.reset();
  control_.reset();
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(ServerOptions options,
                                                      std::optional<Predecessor> predecessor) {
  if (options.id.empty()) options.id = HostName();
  std::unique_ptr<Server> server(new Server(std::move(options), std::move(predecessor)));
  absl::Status status = server->StartAll();
  if (status.ok()) return server;
  if (server->predecessor_.has_value()) {
    // Nothing is lost: that process goes on, and shows why.
    static_cast<void>(SendFailed(server->predecessor_->socket.get(), status.message()));
  }
  return status;
}

absl::Status Server::StartAll() {
  PM_RETURN_IF_ERROR(Prepare());
  PM_RETURN_IF_ERROR(StartAccessLog());
  PM_RETURN_IF_ERROR(StartControl());
  PM_RETURN_IF_ERROR(StartEngine());
  control_->Start();
  if (predecessor_.has_value()) PM_RETURN_IF_ERROR(TakeOver());
  PM_RETURN_IF_ERROR(StartAdmin());
  return Announce();
}

absl::Status Server::Announce() {
  common::ReadyFile ready;
  ready.admin = admin_address();
  ready.listeners = listen_addresses();
  absl::Status written = common::WriteReadyFile(options_.ready_file, ready);
  if (!written.ok()) {
    // Nobody else serves any more after a hand-over.
    if (taken_.empty()) return written;
    common::LogError("gateway.ready_file_failed", {{"error", written.ToString()}});
  }
  common::NotifyReady();
  common::LogInfo("gateway.started", {{"id", options_.id},
                                      {"listen", absl::StrJoin(listen_addresses(), ",")},
                                      {"admin", admin_address()},
                                      {"controller", options_.controller},
                                      {"workers", engine_->workers()},
                                      {"version", common::Version()}});
  return absl::OkStatus();
}

absl::Status Server::Prepare() {
  if (!common::IsEndpointId(options_.id)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--id \"", options_.id, "\": must be 1 to 63 bytes of letters, digits, '.', '_', '-'"));
  }
  if (options_.region.size() > 63 || options_.zone.size() > 63) {
    return absl::InvalidArgumentError("--region and --zone have at most 63 bytes");
  }
  if (!options_.static_file.empty() && !options_.controller.empty()) {
    return absl::InvalidArgumentError("--static and --controller exclude each other");
  }
  if (options_.static_file.empty() && options_.controller.empty()) {
    return absl::InvalidArgumentError(
        "give the controller's address with --controller HOST:PORT, or a configuration to run from "
        "without one with --static FILE");
  }
  if (options_.workers > kWorkersMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("--workers ", options_.workers, ": at most ", kWorkersMax));
  }
  PM_RETURN_IF_ERROR(common::CheckTlsFiles(options_.tls));
  PM_RETURN_IF_ERROR(common::CheckBindAllowed(options_.admin, {}, options_.insecure));
  PM_RETURN_IF_ERROR(PrepareFiles());
  PM_RETURN_IF_ERROR(PrepareListeners());
  PM_RETURN_IF_ERROR(PrepareLimits());
  WarnOfFewDescriptors(limits_);
  cells_ = std::make_unique<EndpointCells>(options_.workers == 0 ? UsableCpus() : options_.workers);
  return absl::OkStatus();
}

absl::Status Server::PrepareLimits() {
  PM_ASSIGN_OR_RETURN(limits_.trusted_proxies,
                      NetworksOf("--trusted-proxies", options_.trusted_proxies));
  PM_ASSIGN_OR_RETURN(limits_.proxy_header_from,
                      NetworksOf("--proxy-protocol-from", options_.proxy_protocol_from));
  PM_ASSIGN_OR_RETURN(limits_.error_details_to,
                      NetworksOf("--error-details-to", options_.error_details_to));
  limits_.trace_sample = options_.trace_sample;
  PM_RETURN_IF_ERROR(ApplyFileLimits());
  if (options_.connections_per_source.has_value()) {
    limits_.connections_per_source_max = *options_.connections_per_source;
  }
  return absl::OkStatus();
}

absl::Status Server::ApplyFileLimits() {
  const bool of_static = static_.has_value() && static_->limits.has_value();
  if (listener_file_.limits.has_value() && of_static) {
    return absl::InvalidArgumentError(absl::StrCat("limits are in ", options_.listener_file,
                                                   " and in ", options_.static_file,
                                                   ": they belong in one of the two"));
  }
  if (listener_file_.limits.has_value()) ApplyLimits(*listener_file_.limits, &limits_);
  if (of_static) ApplyLimits(*static_->limits, &limits_);
  return absl::OkStatus();
}

absl::Status Server::PrepareFiles() {
  if (!options_.listener_file.empty()) {
    PM_ASSIGN_OR_RETURN(listener_file_, ReadListenerFile(options_.listener_file));
  }
  if (!options_.static_file.empty()) {
    // First: what changes while it is read is seen later.
    static_watch_.emplace(options_.static_file);
    PM_ASSIGN_OR_RETURN(static_, ReadStatic(options_.static_file));
    static_limits_watch_.emplace(options_.static_file, static_->limits);
  }
  return absl::OkStatus();
}

absl::Status Server::PrepareListeners() {
  listeners_ = listener_file_.listeners;
  for (const NamedListener& listener : listeners_) {
    if (listener.options.tls.has_value()) continue;
    PM_RETURN_IF_ERROR(common::CheckBindAllowed(common::ToString(listener.options.address),
                                                options_.tls, options_.insecure));
  }
  std::vector<std::string> listen = options_.listen;
  if (listen.empty() && listeners_.empty()) listen = {kDefaultListen};
  for (const std::string& text : listen) {
    NamedListener listener;
    listener.name = text;
    auto address = ParseListenAddress(text);
    if (!address.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("--listen ", address.status().message()));
    }
    listener.options.address = *address;
    listeners_.push_back(std::move(listener));
    // Clients' traffic is plain whatever certificates the controller connection has.
    PM_RETURN_IF_ERROR(common::CheckBindAllowed(text, options_.tls, options_.insecure));
  }
  return absl::OkStatus();
}

absl::Status Server::StartAccessLog() {
  if (options_.access_log.empty()) return absl::OkStatus();
  AccessLogOptions log;
  log.path = options_.access_log;
  log.sample = options_.access_log_sample;
  log.workers = cells_->workers();
  log.clock = &common::SystemClock();
  log.on_change = [](const absl::Status& status) {
    if (status.ok()) return common::LogInfo("gateway.access_log_written");
    common::LogError("gateway.access_log_failed", {{"error", status.ToString()}});
  };
  PM_ASSIGN_OR_RETURN(access_log_, AccessLog::Open(std::move(log)));
  return absl::OkStatus();
}

absl::Status Server::StartControl() {
  ControlOptions control;
  control.gateway_id = options_.id;
  control.place = {options_.region, options_.zone};
  control.boot_id = RandomBootId();
  control.state_dir = options_.state_dir;
  if (static_.has_value()) {
    control.static_config = std::move(static_->config);
    control.state_dir.clear();
  }
  if (predecessor_.has_value()) {
    control.handed_table = std::move(predecessor_->handover.table);
    control.active = false;
  }
  if (!options_.controller.empty()) {
    common::ChannelOptions channel;
    channel.targets = absl::StrSplit(options_.controller, ',');
    channel.tls = options_.tls;
    channel.insecure = options_.insecure;
    PM_ASSIGN_OR_RETURN(control.channel, common::MakeChannel(channel));
  }
  control.publish = [this](std::shared_ptr<const RoutingTable> table,
                           std::function<void()> adopted) {
    engine_->PublishTable(std::move(table), std::move(adopted));
  };
  control.free_retired = [this] { engine_->FreeRetired(); };
  control_ = std::make_unique<ControlLoop>(common::SystemClock(), *cells_, std::move(control));
  return control_->Load();
}

absl::Status Server::StartEngine() {
  EngineOptions engine;
  for (const NamedListener& listener : listeners_) engine.listeners.push_back(listener.options);
  engine.limits = limits_;
  engine.cells = cells_.get();
  engine.clock = &common::SystemClock();
  engine.observer = access_log_.get();
  engine.hold_listeners = predecessor_.has_value();
  if (predecessor_.has_value()) engine.tickets = std::move(predecessor_->handover.tickets);
  PM_ASSIGN_OR_RETURN(engine_, Engine::Start(std::move(engine), InheritSockets()));
  if (!options_.listener_file.empty()) {
    certificates_ = std::make_unique<CertificateKeeper>(options_.listener_file,
                                                        std::move(listener_file_), engine_.get());
  }
  return absl::OkStatus();
}

absl::Status Server::StartAdmin() {
  RegisterMetrics(*engine_, *control_, &registry_);
  if (access_log_ != nullptr) RegisterMetrics(*access_log_, &registry_);
  if (static_watch_.has_value()) {
    static_applied_ = &registry_.AddCounter(
        {"pointsman_gateway_static_applied_total", "Times the changed static file was applied."});
    static_refused_ = &registry_.AddCounter(
        {"pointsman_gateway_static_refused_total", "Times the changed static file was refused."});
  }
  common::AdminServerOptions admin;
  admin.listen = options_.admin;
  admin.metrics = &registry_;
  if (predecessor_.has_value() && !predecessor_->handover.admin.sockets.empty() &&
      predecessor_->handover.admin.wanted == options_.admin) {
    admin.inherited_fd = predecessor_->handover.admin.sockets[0].Release();
  }
  predecessor_.reset();
  // One for a page that waits.
  admin.threads = 2;
  admin.any_host_paths = {"/ready"};
  admin.ready = [this] { return Ready(); };
  admin.pages.push_back({"/ready", [this](const common::AdminRequest&) {
                           const bool ready = Ready();
                           return common::AdminResponse{.status = ready ? 200 : 503,
                                                        .body = ready ? "ready\n" : "not ready\n"};
                         }});
  admin.pages.push_back({"/table", [this](const common::AdminRequest& request) {
                           const auto it = request.query.find("service");
                           common::AdminResponse response{.content_type = "application/json"};
                           const auto table = control_->CurrentTable();
                           control_->WithCells([&](const EndpointCells& cells) {
                             response.body = DumpTable(*table, cells,
                                                       it == request.query.end() ? "" : it->second);
                           });
                           return response;
                         }});
  AddOperatorPages(&admin.pages);
  PM_ASSIGN_OR_RETURN(admin_, common::AdminServer::Start(std::move(admin)));
  return absl::OkStatus();
}

bool Server::Ready() const {
  return !draining_.load(std::memory_order_relaxed) && control_->status().has_config;
}

void Server::Reload() {
  if (access_log_ != nullptr) access_log_->Reopen();
  if (certificates_ != nullptr) certificates_->ReadSoon();
  if (static_watch_.has_value()) ReloadStatic();
}

void Server::ReloadStatic() {
  static_watch_->Know();
  auto file = ReadStatic(options_.static_file);
  const absl::Status status = file.ok() ? control_->ReplaceStatic(file->config) : file.status();
  if (status.ok()) static_limits_watch_->Look(file->limits);
  (status.ok() ? static_applied_ : static_refused_)->Add();
  if (status.ok()) {
    common::LogInfo("gateway.reloaded", {{"file", options_.static_file}});
  } else {
    common::LogError("gateway.reload_refused", {{"error", status.message()}});
  }
}

void Server::Run(common::Signals& signals) {
  const auto watchdog = common::WatchdogInterval();
  absl::Duration wait = watchdog.has_value() ? *watchdog / 2 : absl::Hours(1);
  if (static_watch_.has_value()) wait = std::min(wait, kStaticLookInterval);
  while (true) {
    const std::optional<common::Signal> signal = AwaitSignal(signals, wait);
    const bool alive = common::SystemClock().Now() - control_->last_turn() < kControlStuckAfter;
    if (watchdog.has_value() && alive) common::NotifyWatchdog();
    if (signal == common::Signal::kReload) Reload();
    // Not at a signal: two looks right after each other would see half a file twice.
    if (!signal.has_value() && static_watch_.has_value() && static_watch_->Changed()) {
      ReloadStatic();
    }
    if (signal == common::Signal::kTerminate) break;
    if (signal == common::Signal::kUpgrade) {
      if (absl::Status status = BeginUpgrade(); !status.ok()) EndUpgrade(status);
    }
    if (replacement_ != nullptr && PollUpgrade()) return Drain();
  }
  if (replacement_ != nullptr) EndUpgrade(absl::AbortedError("this process was told to end"));
  common::NotifyStopping();
  Drain();
}

void Server::Drain() {
  draining_.store(true, std::memory_order_relaxed);
  common::LogInfo("gateway.draining", {{"grace", options_.drain_grace}});
  engine_->Drain({.grace = options_.drain_grace, .handed_over = handed_over_});
  common::LogInfo("gateway.stopped");
}

}  // namespace pointsman::gateway
