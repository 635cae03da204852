#include "sim/world/controller.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/core/check.h"
#include "common/core/proto_time.h"
#include "controller/core/frame_proto.h"
#include "controller/core/report_input.h"
#include "controller/core/validate.h"

namespace pointsman::sim {
namespace {

using controller::Frame;
using controller::ShardOptions;
using controller::SliceVersion;

// As controller/shard/shard.cc and housekeeper.h have them.
constexpr absl::Duration kTickPeriod = absl::Seconds(1);
constexpr absl::Duration kFleetPeriod = absl::Seconds(1);

constexpr char kStoreId[] = "simulated";

ShardOptions OptionsOf(const ControllerOptions& options) {
  ShardOptions shard;
  shard.epoch = options.epoch;
  shard.first_owner = options.first_owner;
  return shard;
}

SliceVersion VersionOf(const v1::Version& version) { return {version.epoch(), version.revision()}; }

}  // namespace

Controller::Controller(EventQueue& queue, ControlWires& wires, Onlooker& onlooker,
                       const ControllerOptions& options)
    : queue_(queue),
      wires_(wires),
      onlooker_(onlooker),
      options_(options),
      core_(OptionsOf(options)),
      wake_at_(queue.now() + kTickPeriod) {
  Step(controller::ConfigInput{options_.config, 1, "simulation"});
  fleet_ = queue_.After(kFleetPeriod, [this] { TellFleet(); });
}

Controller::~Controller() {
  queue_.Cancel(tick_);
  queue_.Cancel(fleet_);
}

void Controller::Step(const controller::Input& input) {
  const controller::Effects effects = core_.Step(input, queue_.now());
  PM_CHECK(effects.epoch_seen == 0);  // Each controller is given a higher epoch than the last.
  for (const controller::EventOut& event : effects.events) onlooker_.OnEvent(event);
  for (const Frame& frame : effects.frames) onlooker_.OnFrame(frame);
  for (const controller::RestartDecisionOut& decision : effects.restarts) Decide(decision);
  for (const controller::UploadWanted& wanted : effects.uploads) {
    for (auto& [index, gateway] : gateways_) gateway.upload |= gateway.name == wanted.gateway;
  }
  wake_at_ = std::min(wake_at_, effects.wake_at);
  ArmTick();
  const bool news =
      !effects.frames.empty() || !effects.released_services.empty() || !effects.uploads.empty();
  if (!news) return;
  for (auto& [index, gateway] : gateways_) Flush(index, gateway);
}

void Controller::ArmTick() {
  queue_.Cancel(tick_);
  tick_ = queue_.At(std::max(wake_at_, queue_.now()), [this] { Tick(); });
}

void Controller::Tick() {
  wake_at_ = queue_.now() + kTickPeriod;
  Step(controller::TickInput{});
}

void Controller::TellFleet() {
  const controller::AgentCounts counts = core_.CountAgents(queue_.now());
  controller::FleetInput fleet;
  fleet.agents = counts.agents;
  fleet.agents_silent = counts.silent;
  Step(fleet);
  fleet_ = queue_.After(kFleetPeriod, [this] { TellFleet(); });
}

// ---- Agents.

void Controller::OnAgentMessage(size_t agent, const v1::AgentMessage& message) {
  if (message.has_hello()) return OnHello(agent, message.hello());
  const auto it = agents_.find(agent);
  PM_CHECK(it != agents_.end());
  if (message.has_report()) return OnReport(message.report(), it->second);
  if (message.has_restart_request()) {
    return OnRestartRequest(message.restart_request(), it->second);
  }
  PM_CHECK(message.has_restart_result());
  OnRestartResult(message.restart_result(), it->second);
}

void Controller::OnRestartRequest(const v1::RestartRequest& request, const Agent& agent) {
  PM_CHECK(controller::ValidateRestartRequest(request, agent.instances).ok());
  Step(controller::RestartRequestInput{agent.name, agent.session, request.request_id(),
                                       request.instance(), request.cause()});
}

void Controller::OnRestartResult(const v1::RestartResult& result, const Agent& agent) {
  PM_CHECK(controller::ValidateRestartResult(result).ok());
  Step(controller::RestartResultInput{agent.name, agent.session, result.request_id(),
                                      result.succeeded(), result.detail()});
}

void Controller::Decide(const controller::RestartDecisionOut& decision) {
  v1::AgentCommand command;
  v1::RestartDecision& out = *command.mutable_restart_decision();
  out.set_request_id(decision.request_id);
  out.set_granted(decision.granted);
  common::ToProto(decision.duration, out.mutable_duration());
  out.set_cause(decision.cause);
  for (const auto& [index, agent] : agents_) {
    if (agent.session == decision.session) return wires_.CommandAgent(index, std::move(command));
  }
}

void Controller::OnHello(size_t index, const v1::AgentHello& hello) {
  PM_CHECK(controller::ValidateHello(hello).ok());
  Agent& agent = agents_[index];
  agent = {hello.agent_id(), hello.boot_id(), ++sessions_, 0, 0, 0};
  agent.instances = static_cast<uint32_t>(hello.instances_size());
  agent.assigned = agent.session;  // Any number that ascends.
  Step(controller::HelloInput(hello, agent.session, absl::StrCat("agent:", agent.name)));
  v1::AgentCommand welcome;
  welcome.mutable_welcome()->set_store_id(kStoreId);
  common::ToProto(kReportInterval, welcome.mutable_welcome()->mutable_report_interval());
  wires_.CommandAgent(index, std::move(welcome));
  v1::AgentCommand command;
  v1::Assignment& assignment = *command.mutable_assignment();
  assignment.set_service(kService);
  assignment.set_version(agent.assigned);
  assignment.set_configured(true);
  *assignment.mutable_checks() = options_.config->services(0).checks();
  wires_.CommandAgent(index, std::move(command));
}

void Controller::OnReport(const v1::AgentReport& report, Agent& agent) {
  PM_CHECK(controller::ValidateReport(report, agent.instances).ok());
  if (report.sequence() <= agent.sequence) return;
  agent.sequence = report.sequence();
  const controller::Sender sender{agent.name, agent.boot, agent.session};
  controller::AgentReportInput input = controller::ReportHeader(report, sender, kReportInterval);
  input.service = kService;
  for (int i = 0; i < report.instances_size(); ++i) {
    const v1::InstanceReport& instance = report.instances(i);
    const bool current = instance.assignment_version() == agent.assigned;
    input.instances.push_back(controller::SampleOf(instance, static_cast<uint32_t>(i), current));
  }
  Step(input);
}

// ---- Gateways.

void Controller::OnGatewayMessage(size_t gateway, const v1::GatewayMessage& message) {
  if (message.has_hello()) return OnHello(gateway, message.hello());
  const auto it = gateways_.find(gateway);
  PM_CHECK(it != gateways_.end());
  if (message.has_ack()) {
    OnAck(message.ack(), it->second);
    Flush(gateway, it->second);
  } else if (message.has_observations()) {
    PM_CHECK(controller::ValidateObservations(message.observations()).ok());
    const controller::Sender sender{it->second.name, it->second.boot, it->second.session};
    for (auto& input : controller::ObservationInputs(message.observations(), sender)) Step(input);
  } else {
    auto frame = controller::FrameFromProto(message.uploaded_slice().slice());
    PM_CHECK(frame.ok());
    Step(controller::InheritedSliceInput{*std::move(frame),
                                         absl::StrCat("gateway:", it->second.name)});
  }
}

void Controller::OnHello(size_t index, const v1::GatewayHello& hello) {
  PM_CHECK(controller::ValidateGatewayHello(hello).ok());
  Gateway& gateway = gateways_[index];
  gateway = {};
  gateway.name = hello.gateway_id();
  gateway.boot = hello.boot_id();
  gateway.session = ++sessions_;
  // Nothing is sent before the core knows what the gateway holds.
  gateway.outstanding = true;
  for (const v1::HeldSlice& held : hello.slices()) gateway.sent = VersionOf(held.version());
  Step(controller::GatewayInput(hello, gateway.session));
  gateway.outstanding = false;
  Flush(index, gateway);
}

void Controller::OnAck(const v1::Ack& ack, Gateway& gateway) {
  // What is refused is sent whole once more; the world tells of it as a broken rule.
  for (const v1::Nack& nack : ack.nacks()) {
    onlooker_.OnViolation(
        absl::StrCat(gateway.name, " refused ", nack.code(), ": ", nack.detail()));
    gateway.sent = {};
  }
  controller::AckInput input;
  input.gateway = gateway.name;
  input.session = gateway.session;
  input.apply_duration = common::FromProto(ack.apply_duration());
  for (const v1::HeldSlice& held : ack.slices()) {
    input.slices.push_back({held.service(), VersionOf(held.version())});
  }
  gateway.outstanding = true;  // The step's own news wait until it is over.
  Step(input);
  gateway.outstanding = false;
}

void Controller::Flush(size_t index, Gateway& gateway) {
  if (gateway.outstanding) return;
  v1::Bundle bundle;
  if (!gateway.configured) {
    v1::ConfigFrame& frame = *bundle.mutable_config();
    frame.mutable_version()->set_epoch(options_.epoch);
    frame.mutable_version()->set_revision(1);
    *frame.mutable_config() = *options_.config;
    for (v1::Service& service : *frame.mutable_config()->mutable_services()) service.clear_checks();
  }
  if (gateway.upload) bundle.add_upload(kService);
  AddSlice(gateway, bundle);
  const bool empty = gateway.configured && !gateway.upload && bundle.frames().empty();
  if (empty && gateway.greeted) return;
  if (!gateway.greeted) bundle.set_store_id(kStoreId);
  gateway.greeted = gateway.configured = gateway.outstanding = true;
  gateway.upload = false;
  wires_.SendBundle(index, std::move(bundle));
}

// As Publisher::Ask: a delta where the core has one that follows, else the whole slice, else
// nothing yet.
void Controller::AddSlice(Gateway& gateway, v1::Bundle& bundle) {
  if (core_.NewestVersion(kService) == gateway.sent) return;
  std::optional<Frame> frame;
  if (gateway.sent.epoch == core_.epoch() || core_.Continues(kService, gateway.sent)) {
    frame = core_.DeltaFrame(kService, gateway.sent.revision);
  }
  if (!frame) frame = core_.FullFrame(kService);
  if (!frame) return;
  controller::FrameToProto(*frame, *bundle.add_frames());
  gateway.sent = {frame->epoch, frame->to};
}

}  // namespace pointsman::sim
