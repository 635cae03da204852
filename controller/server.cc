#include "controller/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/service_type.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/admin_http.h"
#include "common/core/check.h"
#include "common/core/config_load.h"
#include "common/core/hashing.h"
#include "common/core/status_macros.h"
#include "common/files.h"
#include "common/log.h"
#include "common/rpc/channel.h"
#include "controller/configuration.h"
#include "controller/core/frame_proto.h"
#include "controller/dispatcher.h"
#include "controller/housekeeper.h"
#include "controller/live_state.h"
#include "controller/rpc/admin_service.h"
#include "controller/rpc/agent_service.h"
#include "controller/rpc/gateway_service.h"
#include "controller/server_metrics.h"
#include "controller/store/await.h"
#include "controller/store/sqlite_store.h"
#include "pointsman/v1/gateway.pb.h"

namespace pointsman::controller {
namespace {

constexpr uint64_t kConfigFileBytesMax = common::kConfigTextBytesMax;
// Largest message read: a configuration of Apply, an uploaded slice.
constexpr int kReceiveBytesMax = 32 << 20;

// The part of a configuration that gateways need.
SharedBytes GatewayConfig(const ConfigSnapshot& snapshot, SliceVersion version) {
  v1::Bundle bundle;
  v1::ConfigFrame& frame = *bundle.mutable_config();
  frame.mutable_version()->set_epoch(version.epoch);
  frame.mutable_version()->set_revision(version.revision);
  *frame.mutable_config() = *snapshot.config;
  frame.mutable_config()->clear_overrides();
  for (v1::Service& service : *frame.mutable_config()->mutable_services()) service.clear_checks();
  return std::make_shared<const std::string>(bundle.SerializeAsString());
}

class LiveServer final : public Server {
 public:
  explicit LiveServer(const ServerOptions& options)
      : options_(options), clock_(common::SystemClock()), publisher_(clock_) {}
  ~LiveServer() override { Stop(absl::Seconds(2)); }

  absl::Status Init() {
    PM_RETURN_IF_ERROR(common::CheckBindAllowed(options_.listen, options_.tls, options_.insecure));
    PM_RETURN_IF_ERROR(common::CheckBindAllowed(options_.admin, {}, options_.insecure));
    PM_RETURN_IF_ERROR(OpenStore());
    StartShards();
    PM_RETURN_IF_ERROR(StartConfiguration());
    PM_RETURN_IF_ERROR(StartGrpc());
    PM_RETURN_IF_ERROR(StartAdmin());
    housekeeper_->Start();
    return absl::OkStatus();
  }

  std::string grpc_address() const override { return grpc_address_; }
  std::string admin_address() const override { return http_->address(); }

  // Asks every shard's thread to answer.
  bool Alive() override {
    auto answered = AwaitDone(
        [this](auto done) {
          shards_->CallAll([](const ShardCore&, size_t, common::MonotonicTime) {}, std::move(done));
        },
        absl::Seconds(5));
    return answered.ok();
  }

  void Stop(absl::Duration deadline) override {
    if (std::exchange(stopped_, true)) return;
    const absl::Time end = absl::Now() + deadline;
    if (housekeeper_ != nullptr) housekeeper_->Stop();
    if (agents_ != nullptr) agents_->CloseAll();
    gateways_.CloseAll();
    if (admin_ != nullptr) admin_->Shutdown();
    if (grpc_ != nullptr) grpc_->Shutdown(absl::ToChronoTime(end));
    if (epochs_ != nullptr) epochs_->Stop();
    configuration_.reset();
    // So that the next start continues this very table.
    if (http_ != nullptr) {
      housekeeper_->SaveAtEnd(std::max(end - absl::Now(), absl::Milliseconds(100)));
    }
    http_.reset();
    if (shards_ != nullptr) shards_->Stop();
  }

 private:
  absl::Status OpenStore() {
    SqliteStoreOptions store_options;
    store_options.folder = options_.data_dir;
    store_options.fault_file = options_.store_fault_file;
    PM_ASSIGN_OR_RETURN(store_, OpenSqliteStore(store_options));
    EventLog::Options log_options;
    log_options.store = &store_->local();
    log_options.clock = &clock_;
    events_ = std::make_unique<EventLog>(log_options);
    agents_ = std::make_unique<AgentDirectory>(clock_, store_->shared().store_id());
    epochs_ = std::make_unique<EpochKeeper>(store_->shared(), options_.listen,
                                            [this](uint64_t epoch) { OnEpoch(epoch); });
    PM_RETURN_IF_ERROR(epochs_->ClaimFirst());
    events_->Record({"controller.started",
                     "controller",
                     "controller",
                     absl::StrCat("started with epoch ", epochs_->epoch(),
                                  store_->created() ? " and a new store" : ""),
                     {{"store_id", store_->shared().store_id()}}});
    return absl::OkStatus();
  }

  void StartShards() {
    Dispatcher::Targets targets{&publisher_, events_.get(), agents_.get(), epochs_.get()};
    dispatcher_ = std::make_unique<Dispatcher>(targets);
    ShardOptions shard_options;
    shard_options.shards = options_.shards;
    shard_options.epoch = epochs_->epoch();
    shard_options.first_owner = store_->created();
    shards_ = std::make_unique<ShardSet>(shard_options, clock_, *dispatcher_);
    publisher_.SetShards(shards_.get());
    Housekeeper::Parts parts{&clock_, shards_.get(), agents_.get(), &store_->local(), {}};
    parts.pacer.cores = options_.report_cores;
    housekeeper_ = std::make_unique<Housekeeper>(parts);
    shards_->TimePublishing(&AddPublishTimes(registry_));
    shards_->Start();
  }

  // Tables of the last run; the cores take them for services that are configured, so they come
  // after the configuration, and publish nothing until these or gateways' slices are there.
  void InheritTables() {
    absl::StatusOr<std::string> blob = Await<std::string>(
        [this](auto done) { store_->local().GetSnapshot(kTablesSnapshot, std::move(done)); });
    v1::Bundle tables;
    if (!blob.ok() || !tables.ParseFromString(*blob)) {
      if (!absl::IsNotFound(blob.status())) {
        common::LogWarning("tables.not_inherited", {{"cause", blob.status().message()}});
      }
      return;
    }
    for (const v1::SliceFrame& message : tables.frames()) {
      absl::StatusOr<Frame> frame = FrameFromProto(message);
      if (!frame.ok()) continue;
      const std::string service = frame->service;
      (void)shards_->Post(service, Input(InheritedSliceInput{*std::move(frame), "snapshot"}));
    }
  }

  absl::Status StartConfiguration() {
    Configuration::Options configuration_options{&store_->shared(), events_.get(), &clock_};
    configuration_ = std::make_unique<Configuration>(configuration_options);
    configuration_->AddListener([this](const ConfigSnapshot& snapshot) { OnConfig(snapshot); });
    configuration_->AddFreezeListener([this](const FreezeState& freeze) {
      TellShards(Input(FreezeInput{freeze.frozen, freeze.actor, freeze.comment}));
    });
    PM_RETURN_IF_ERROR(configuration_->Start());
    if (!options_.config_file.empty()) PM_RETURN_IF_ERROR(ApplyFile());
    InheritTables();
    return absl::OkStatus();
  }

  // A bad file changes nothing: with an earlier configuration the controller serves that and says
  // so, without one it does not start.
  absl::Status ApplyFile() {
    absl::Status status = TryApplyFile();
    if (status.ok()) return status;
    if (configuration_->Current().revision == 0) return status;
    common::LogError("config.file_refused",
                     {{"file", options_.config_file},
                      {"cause", status.message()},
                      {"serving_revision", configuration_->Current().revision}});
    events_->Record({"config.refused",
                     "config",
                     "controller",
                     absl::StrCat(options_.config_file, " was refused; revision ",
                                  configuration_->Current().revision, " stays"),
                     {{"cause", std::string(status.message())}}});
    return absl::OkStatus();
  }

  absl::Status TryApplyFile() {
    PM_ASSIGN_OR_RETURN(const std::string text,
                        common::ReadFile(options_.config_file, kConfigFileBytesMax));
    v1::ApplyRequest request;
    PM_ASSIGN_OR_RETURN(*request.mutable_config(), common::LoadConfig(text, options_.config_file));
    request.set_comment(absl::StrCat("file ", options_.config_file));
    // The file that was applied last: what was applied otherwise since then stays.
    const std::string digest = absl::StrFormat("%016x", common::Hash64(text));
    PM_ASSIGN_OR_RETURN(const std::string last, configuration_->FileDigest());
    if (digest == last) {
      common::LogInfo("config.file_unchanged",
                      {{"file", options_.config_file},
                       {"serving_revision", configuration_->Current().revision}});
      return absl::OkStatus();
    }
    PM_RETURN_IF_ERROR(configuration_->ApplyNow(std::move(request), "controller").status());
    // It is applied; at worst it is again.
    if (const absl::Status kept = configuration_->SetFileDigest(digest); !kept.ok()) {
      common::LogWarning("config.file_not_noted",
                         {{"file", options_.config_file}, {"cause", kept.message()}});
    }
    return absl::OkStatus();
  }

  void OnConfig(const ConfigSnapshot& snapshot) {
    {
      common::MutexLock lock(config_mutex_);
      config_ = snapshot;
    }
    TellShards(Input(ConfigInput{snapshot.config, snapshot.revision, snapshot.actor}));
    agents_->SetConfig(snapshot.config);
    PublishConfig();
  }

  void OnEpoch(uint64_t epoch) {
    events_->Record({"epoch.raised",
                     "controller",
                     "controller",
                     absl::StrCat("epoch ", epoch, " is above every gateway's"),
                     {}});
    TellShards(Input(EpochInput{epoch}));
    PublishConfig();
  }

  // What every shard must hear. A mailbox keeps a reserve for it; a shard that does not even empty
  // that is stuck.
  void TellShards(const Input& input) {
    const absl::Status told = shards_->PostToAll(input);
    PM_CHECK(told.ok());
  }

  void PublishConfig() {
    common::MutexLock lock(config_mutex_);
    if (config_.revision == 0) return;
    const SliceVersion version{epochs_->epoch(), config_.revision};
    publisher_.SetConfig(version, GatewayConfig(config_, version));
  }

  absl::Status StartGrpc() {
    PM_ASSIGN_OR_RETURN(auto credentials, common::MakeServerCredentials(options_.tls));
    refusals_ = std::make_unique<RefusalCounts>(&registry_, RefusedMetric());
    admin_errors_ = std::make_unique<RefusalCounts>(&registry_, AdminErrorsMetric());
    live_ = std::make_unique<LiveState>(LiveState::Sources{&clock_, shards_.get(), &publisher_,
                                                           agents_.get(), &gateways_, epochs_.get(),
                                                           store_.get()});
    admin_ = MakeAdminService(
        {configuration_.get(), events_.get(), live_.get(), &clock_, admin_errors_.get()});
    agent_service_ = MakeAgentService({&clock_, shards_.get(), agents_.get(), refusals_.get()});
    gateway_service_ =
        MakeGatewayService({&clock_, shards_.get(), &publisher_, &gateways_, epochs_.get(),
                            refusals_.get(), store_->shared().store_id()});
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    builder.SetMaxReceiveMessageSize(kReceiveBytesMax);
    builder.SetMaxSendMessageSize(common::kMaxMessageBytes);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5'000);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    int port = 0;
    builder.AddListeningPort(options_.listen, credentials, &port);
    admin_->Register(builder);
    builder.RegisterService(agent_service_.get());
    builder.RegisterService(gateway_service_.get());
    grpc_ = builder.BuildAndStart();
    if (grpc_ == nullptr || port == 0) {
      return absl::UnavailableError(absl::StrCat("cannot listen on ", options_.listen,
                                                 ": is another controller running there?"));
    }
    const size_t colon = options_.listen.rfind(':');
    grpc_address_ = absl::StrCat(options_.listen.substr(0, colon), ":", port);
    return absl::OkStatus();
  }

  absl::Status StartAdmin() {
    RegisterServerMetrics(registry_, {shards_.get(), &publisher_, agents_.get(), &gateways_,
                                      events_.get(), store_.get(), housekeeper_.get()});
    common::AdminServerOptions http;
    http.listen = options_.admin;
    http.metrics = &registry_;
    http.ready = [this] { return configuration_ != nullptr; };
    PM_ASSIGN_OR_RETURN(http_, common::AdminServer::Start(std::move(http)));
    return absl::OkStatus();
  }

  const ServerOptions options_;
  const common::Clock& clock_;
  common::Registry registry_;
  Publisher publisher_;
  GatewayDirectory gateways_{clock_};
  std::unique_ptr<RefusalCounts> refusals_;
  std::unique_ptr<RefusalCounts> admin_errors_;
  // Declared so that what is used is destroyed after its users: the store first here, last there.
  std::unique_ptr<AgentDirectory> agents_;
  std::unique_ptr<EpochKeeper> epochs_;
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<EventLog> events_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<ShardSet> shards_;
  std::unique_ptr<Housekeeper> housekeeper_;
  common::Mutex config_mutex_;
  ConfigSnapshot config_ ABSL_GUARDED_BY(config_mutex_);
  std::unique_ptr<Configuration> configuration_;
  std::unique_ptr<LiveState> live_;
  std::unique_ptr<AdminService> admin_;
  std::unique_ptr<grpc::Service> agent_service_;
  std::unique_ptr<grpc::Service> gateway_service_;
  std::unique_ptr<grpc::Server> grpc_;
  std::unique_ptr<common::AdminServer> http_;
  std::string grpc_address_;
  bool stopped_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options) {
  auto server = std::make_unique<LiveServer>(options);
  PM_RETURN_IF_ERROR(server->Init());
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace pointsman::controller
