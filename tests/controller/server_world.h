#pragma once

// A whole controller on free ports with a folder of its own, and clients that speak to its doors
// over real streams. Every wait has a deadline; nothing sleeps. Thread-compatible.

#include <arpa/inet.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/rpc_method.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/rpc/status.h"
#include "controller/server.h"
#include "gtest/gtest.h"
#include "pointsman/v1/admin.grpc.pb.h"
#include "pointsman/v1/agent.grpc.pb.h"
#include "pointsman/v1/gateway.grpc.pb.h"
#include "tests/controller/store/temp_folder.h"

namespace pointsman::controller {

inline constexpr int kWaitSeconds = 20;

// One check that decides at once; nothing is held back by protections or slow start.
inline constexpr char kWebConfig[] = R"(
services:
- name: web
  checks:
  - name: http
    http: {path: /healthz}
  health: {removal_cap: 1, fail_open_below: 0}
  weights: {signal: LOAD_SIGNAL_NONE, slow_start: 0s}
routes:
- name: everything
  service: web
)";

// One bidirectional stream, in bytes, so that also what is no message can be sent.
template <typename Out, typename In>
class StreamClient {
 public:
  StreamClient(const std::shared_ptr<grpc::Channel>& channel, const char* method)
      : method_(method, grpc::internal::RpcMethod::BIDI_STREAMING, channel) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(kWaitSeconds));
    stream_.reset(
        grpc::internal::ClientReaderWriterFactory<grpc::ByteBuffer, grpc::ByteBuffer>::Create(
            channel.get(), method_, &context_));
  }
  ~StreamClient() {
    context_.TryCancel();
    if (!finished_) (void)Finish();
  }

  bool Send(const Out& message) { return SendBytes(message.SerializeAsString()); }
  bool SendBytes(const std::string& bytes) {
    grpc::Slice slice(bytes);
    return stream_->Write(grpc::ByteBuffer(&slice, 1));
  }
  // nullopt: the stream ended.
  std::optional<In> Read() {
    grpc::ByteBuffer buffer;
    In message;
    if (!stream_->Read(&buffer)) return std::nullopt;
    if (!grpc::SerializationTraits<In>::Deserialize(&buffer, &message).ok()) return std::nullopt;
    return message;
  }
  // The next message for which `wanted` holds.
  std::optional<In> ReadUntil(const std::function<bool(const In&)>& wanted) {
    while (std::optional<In> message = Read()) {
      if (wanted(*message)) return message;
    }
    return std::nullopt;
  }
  void HalfClose() { stream_->WritesDone(); }
  // Reads to the stream's end and returns how it ended.
  absl::Status Finish() {
    while (Read()) {
    }
    finished_ = true;
    return common::FromGrpcStatus(stream_->Finish());
  }

 private:
  grpc::ClientContext context_;
  grpc::internal::RpcMethod method_;
  std::unique_ptr<grpc::ClientReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>> stream_;
  bool finished_ = false;
};

// An agent of one host with instances of "web" and one check.
class TestAgent : public StreamClient<v1::AgentMessage, v1::AgentCommand> {
 public:
  explicit TestAgent(const std::shared_ptr<grpc::Channel>& channel)
      : StreamClient(channel, "/pointsman.v1.AgentService/Connect") {}

  static v1::AgentMessage Hello(const std::string& id, uint64_t boot, int instances = 1) {
    v1::AgentMessage message;
    v1::AgentHello& hello = *message.mutable_hello();
    hello.set_agent_id(id);
    hello.set_boot_id(boot);
    for (int i = 0; i < instances; ++i) {
      v1::Instance& instance = *hello.add_instances();
      instance.set_service("web");
      instance.mutable_endpoint()->set_id(absl::StrCat(id, "-", i));
      instance.mutable_endpoint()->set_address(absl::StrCat("127.0.0.1:", 9000 + i));
    }
    return message;
  }
  // Says hello and reads until the assignment of "web".
  bool Connect(const std::string& id, uint64_t boot, int instances = 1) {
    instances_ = instances;
    if (!Send(Hello(id, boot, instances))) return false;
    const auto command = ReadUntil([](const auto& c) { return c.has_assignment(); });
    if (command) assignment_ = command->assignment().version();
    return command.has_value();
  }
  v1::AgentMessage Report(v1::CheckStatus status) {
    v1::AgentMessage message;
    v1::AgentReport& report = *message.mutable_report();
    report.set_sequence(++sequence_);
    report.mutable_window()->set_seconds(1);
    for (int i = 0; i < instances_; ++i) {
      v1::InstanceReport& instance = *report.add_instances();
      instance.set_assignment_version(assignment_);
      instance.set_process(v1::PROCESS_STATE_RUNNING);
      v1::CheckState& check = *instance.add_checks();
      check.set_status(status);
      check.set_consecutive(3);
      check.mutable_age()->set_nanos(1'000'000);
      if (status == v1::CHECK_STATUS_FAILING) check.set_last_failure(v1::CHECK_FAILURE_STATUS);
    }
    return message;
  }
  bool Passes() { return Send(Report(v1::CHECK_STATUS_PASSING)); }
  bool Fails() { return Send(Report(v1::CHECK_STATUS_FAILING)); }
  std::string ReadRefusal() {
    const auto command = ReadUntil([](const auto& c) { return c.has_refusal(); });
    return command ? command->refusal().code() : "no refusal";
  }

 private:
  int instances_ = 0;
  uint64_t assignment_ = 0;
  uint64_t sequence_ = 0;
};

// The last frame of the bundle with an entry for which `wanted` holds; null: none.
inline const v1::SliceFrame* FrameWith(
    const v1::Bundle& bundle, const std::function<bool(const v1::EndpointEntry&)>& wanted) {
  const v1::SliceFrame* found = nullptr;
  for (const v1::SliceFrame& frame : bundle.frames()) {
    for (const v1::EndpointEntry& entry : frame.entries()) {
      if (wanted(entry)) found = &frame;
    }
  }
  return found;
}

// A gateway that holds what frames of "web" leave behind.
class TestGateway : public StreamClient<v1::GatewayMessage, v1::Bundle> {
 public:
  explicit TestGateway(const std::shared_ptr<grpc::Channel>& channel)
      : StreamClient(channel, "/pointsman.v1.GatewayService/Subscribe") {}

  static v1::GatewayMessage Hello(const std::string& id, uint64_t boot) {
    v1::GatewayMessage message;
    message.mutable_hello()->set_gateway_id(id);
    message.mutable_hello()->set_boot_id(boot);
    return message;
  }
  static void Hold(v1::GatewayMessage& hello, uint64_t epoch, uint64_t revision) {
    v1::HeldSlice& held = *hello.mutable_hello()->add_slices();
    held.set_service("web");
    held.mutable_version()->set_epoch(epoch);
    held.mutable_version()->set_revision(revision);
  }
  // Says what is true of the pairs running now.
  bool Ack(const v1::Bundle& bundle) {
    v1::GatewayMessage message;
    v1::Ack& ack = *message.mutable_ack();
    if (bundle.has_config()) *ack.mutable_config() = bundle.config().version();
    for (const v1::SliceFrame& frame : bundle.frames()) {
      v1::HeldSlice& held = *ack.add_slices();
      held.set_service(frame.service());
      held.mutable_version()->set_epoch(frame.epoch());
      held.mutable_version()->set_revision(frame.to());
    }
    return Send(message);
  }
  // Reads and acknowledges until a frame of "web" has an entry for which `wanted` holds; the
  // bundle with it stays unacknowledged.
  std::optional<v1::Bundle> ReadEntry(const std::function<bool(const v1::EndpointEntry&)>& wanted) {
    while (std::optional<v1::Bundle> bundle = Read()) {
      if (FrameWith(*bundle, wanted) != nullptr) return bundle;
      if (!Ack(*bundle)) break;
    }
    return std::nullopt;
  }
  std::optional<v1::Bundle> ReadVerdict(v1::Verdict verdict) {
    return ReadEntry([verdict](const auto& entry) { return entry.verdict() == verdict; });
  }
};

class ServerWorld : public testing::Test {
 protected:
  void SetUp() override {
    WriteConfig(kWebConfig);
    Start();
  }
  void TearDown() override { server_.reset(); }

  void WriteConfig(const std::string& text) { std::ofstream(folder_.file("config.yaml")) << text; }
  ServerOptions Options() const {
    ServerOptions options;
    options.listen = "127.0.0.1:0";
    options.admin = "127.0.0.1:0";
    options.data_dir = folder_.path();
    options.config_file = folder_.file("config.yaml");
    options.store_fault_file = folder_.file("fault");
    return options;
  }
  void Start() {
    auto server = Server::Start(Options());
    ASSERT_TRUE(server.ok()) << server.status().message();
    server_ = *std::move(server);
    channel_ = grpc::CreateChannel(server_->grpc_address(), grpc::InsecureChannelCredentials());
    admin_ = v1::AdminService::NewStub(channel_);
  }
  void Restart() {
    server_.reset();
    Start();
  }
  static std::unique_ptr<grpc::ClientContext> Context() {
    auto context = std::make_unique<grpc::ClientContext>();
    context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(kWaitSeconds));
    return context;
  }
  std::vector<v1::EndpointState> Endpoints() {
    v1::ListEndpointsResponse response;
    const grpc::Status status = admin_->ListEndpoints(Context().get(), {}, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return {response.endpoints().begin(), response.endpoints().end()};
  }
  std::vector<v1::Event> Events(const std::string& type) {
    v1::ListEventsRequest request;
    request.set_type_prefix(type);
    v1::ListEventsResponse response;
    (void)admin_->ListEvents(Context().get(), request, &response);
    return {response.events().begin(), response.events().end()};
  }
  // Asks again, with calls that are answered by the shards, until `condition` holds.
  static bool Eventually(const std::function<bool()>& condition) {
    const absl::Time deadline = absl::Now() + absl::Seconds(kWaitSeconds);
    while (absl::Now() < deadline) {
      if (condition()) return true;
    }
    return false;
  }

  // Everything at /metrics.
  std::string Scrape() const {
    const std::string address = server_->admin_address();
    sockaddr_in to{};
    to.sin_family = AF_INET;
    int port = 0;
    EXPECT_TRUE(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port));
    to.sin_port = htons(static_cast<uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
    const std::string request = "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    EXPECT_EQ(send(fd, request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
    std::string text;
    char chunk[4096];
    for (ssize_t n; (n = recv(fd, chunk, sizeof(chunk), 0)) > 0;) text.append(chunk, n);
    close(fd);
    return text;
  }
  // Value of the line that begins with `name`, labels included; 0: not there.
  double Metric(const std::string& name) const {
    const std::string text = Scrape();  // Outlives the views below.
    for (absl::string_view line : absl::StrSplit(text, '\n')) {
      if (!absl::StartsWith(line, absl::StrCat(name, " "))) continue;
      double value = 0;
      EXPECT_TRUE(absl::SimpleAtod(line.substr(name.size() + 1), &value)) << std::string(line);
      return value;
    }
    return 0;
  }
  double Refused(const std::string& code) const {
    return Metric(absl::StrCat("pointsman_controller_refused_total{code=\"", code, "\"}"));
  }

  TempFolder folder_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::AdminService::Stub> admin_;
};

}  // namespace pointsman::controller
