#include "controller/rpc/gateway_service.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/core/proto_time.h"
#include "common/core/status_macros.h"
#include "common/log.h"
#include "common/rpc/identity.h"
#include "common/rpc/status.h"
#include "controller/core/codes.h"
#include "controller/core/frame_proto.h"
#include "controller/core/report_input.h"
#include "controller/core/validate.h"
#include "controller/rpc/ack_check.h"
#include "controller/rpc/role.h"
#include "controller/rpc/stream_end.h"
#include "pointsman/v1/gateway.grpc.pb.h"

namespace pointsman::controller {
namespace {

constexpr char kMethod[] = "/pointsman.v1.GatewayService/Subscribe";

// A revision that no owner counts to (kPresentedMax is below): the whole slice follows it.
constexpr uint64_t kContinuedByNothing = std::numeric_limits<uint64_t>::max();

using Reactor = grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;

// A slice that keeps the shared bytes alive until gRPC has sent them.
grpc::Slice ShareSlice(const SharedBytes& bytes) {
  auto* hold = new SharedBytes(bytes);
  return grpc::Slice(
      const_cast<char*>(bytes->data()), bytes->size(),
      [](void* held) { delete static_cast<SharedBytes*>(held); }, hold);
}

absl::Status Parse(grpc::ByteBuffer& buffer, v1::GatewayMessage& message) {
  grpc::Slice slice;
  if (!buffer.DumpToSingleSlice(&slice).ok() ||
      !message.ParseFromArray(slice.begin(), static_cast<int>(slice.size()))) {
    return absl::InvalidArgumentError("MESSAGE_MALFORMED: not a GatewayMessage");
  }
  return absl::OkStatus();
}

// The stream's part that outlives it: the publisher may still call it.
class GatewayLink final : public BundleSink {
 public:
  // `refusals` must outlive the reactor.
  GatewayLink(Reactor* reactor, std::string peer, RefusalCounts* refusals)
      : reactor_(reactor), peer_(std::move(peer)), refusals_(refusals) {}
  // The gateway as it calls itself, verified or not.
  void Claim(absl::string_view name) {
    common::MutexLock lock(mutex_);
    name_ = std::string(name.substr(0, kClaimedBytesMax));
  }

  void Send(std::vector<SharedBytes> parts) override {
    common::MutexLock lock(mutex_);
    // The publisher waits for an acknowledgement, so this one was of a bundle not sent yet.
    if (next_) {
      EndStream(absl::InvalidArgumentError("ACK_INVALID: of a bundle that was not sent yet"));
      return;
    }
    next_ = std::move(parts);
    Pump();
  }
  // An acknowledgement can overtake this, so the next bundle may be waiting already.
  void OnWritten() {
    common::MutexLock lock(mutex_);
    writing_ = false;
    Pump();
  }
  void Finish(const absl::Status& status) {
    common::MutexLock lock(mutex_);
    EndStream(status);
  }
  void Detach() {
    common::MutexLock lock(mutex_);
    reactor_ = nullptr;
  }
  bool detached() {
    common::MutexLock lock(mutex_);
    return reactor_ == nullptr;
  }

 private:
  void EndStream(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (reactor_ == nullptr || finished_) return;
    finished_ = true;
    const StreamPeer who{"gateway.stream_ended", "gateway", name_, peer_};
    reactor_->Finish(common::ToGrpcStatus(TellStreamEnd(who, status, *refusals_)));
  }
  void Pump() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (reactor_ == nullptr || finished_ || writing_ || !next_) return;
    std::vector<grpc::Slice> slices;
    for (const SharedBytes& part : *next_) slices.push_back(ShareSlice(part));
    next_.reset();
    buffer_ = grpc::ByteBuffer(slices.data(), slices.size());
    writing_ = true;
    reactor_->StartWrite(&buffer_);
  }

  common::Mutex mutex_;
  Reactor* reactor_ ABSL_GUARDED_BY(mutex_);
  const std::string peer_;
  RefusalCounts* const refusals_;
  std::string name_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<std::vector<SharedBytes>> next_ ABSL_GUARDED_BY(mutex_);
  grpc::ByteBuffer buffer_ ABSL_GUARDED_BY(mutex_);
};

// Collects, shard by shard, from which pairs the gateway can be led on.
struct Greeting {
  common::Mutex mutex;
  std::map<std::string, SliceVersion> held ABSL_GUARDED_BY(mutex);  // As presented.
  std::map<std::string, SliceVersion> start ABSL_GUARDED_BY(mutex);

  void Collect(const ShardCore& core) {
    common::MutexLock lock(mutex);
    for (const std::string& service : core.Services()) {
      auto it = held.find(service);
      if (it == held.end()) continue;
      const SliceVersion newest = core.NewestVersion(service);
      const bool ours = it->second.epoch == core.epoch() && it->second <= newest;
      if (ours || core.Continues(service, it->second)) start[service] = it->second;
    }
  }
};

class GatewayStream final : public Reactor {
 public:
  GatewayStream(const GatewayServiceOptions& options, grpc::CallbackServerContext& context,
                absl::StatusOr<common::Identity> identity)
      : options_(options),
        peer_(context.peer()),
        link_(std::make_shared<GatewayLink>(this, peer_, options.refusals)) {
    if (!identity.ok()) {
      link_->Finish(identity.status());
      return;
    }
    identity_ = *std::move(identity);
    StartRead(&buffer_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      link_->Finish(absl::OkStatus());
      return;
    }
    absl::Status status = Parse(buffer_, message_);
    if (status.ok()) status = Handle();
    if (!status.ok()) {
      link_->Finish(status);
      return;
    }
    StartRead(&buffer_);
  }

  void OnWriteDone(bool ok) override {
    if (ok) link_->OnWritten();
  }

  void OnDone() override {
    link_->Detach();
    if (session_ != 0) {
      options_.publisher->Detach(gateway_, session_);
      options_.directory->Remove(gateway_, session_);
      GatewayGoneInput gone{gateway_, session_};
      (void)options_.shards->PostToAll(Input(std::move(gone)));
      common::LogInfo("gateway.gone", {{"gateway", gateway_}, {"peer", peer_}});
    }
    delete this;
  }

 private:
  absl::Status Handle() {
    if (message_.has_hello()) return OnHello(message_.hello());
    if (session_ == 0) {
      return absl::FailedPreconditionError("HELLO_FIRST: the first message must be Hello");
    }
    if (message_.has_ack()) return OnAck(message_.ack());
    if (message_.has_observations()) return OnObservations(message_.observations());
    if (message_.has_uploaded_slice()) return OnUpload(message_.uploaded_slice());
    return absl::InvalidArgumentError("MESSAGE_EMPTY: a message must hold one of its kinds");
  }

  absl::Status OnHello(const v1::GatewayHello& hello) {
    if (session_ != 0) {
      return absl::InvalidArgumentError("HELLO_INVALID: a second Hello on a stream");
    }
    link_->Claim(hello.gateway_id());
    PM_RETURN_IF_ERROR(ValidateGatewayHello(hello));
    PM_RETURN_IF_ERROR(ValidateHeld(hello));
    if (!identity_.MaySpeakFor(common::Role::kGateway, hello.gateway_id())) {
      return absl::PermissionDeniedError(absl::StrCat("IDENTITY_MISMATCH: ", identity_.ToString(),
                                                      " may not speak for gateway ",
                                                      hello.gateway_id()));
    }
    const uint64_t session = options_.directory->NewSession();
    PM_RETURN_IF_ERROR(options_.directory->Add(Record(hello, session)));
    gateway_ = hello.gateway_id();
    boot_ = hello.boot_id();
    session_ = session;
    common::LogInfo("gateway.connected", {{"gateway", gateway_}, {"peer", peer_}});
    Attach(hello);
    return absl::OkStatus();
  }

  GatewayRecord Record(const v1::GatewayHello& hello, uint64_t session) const {
    GatewayRecord record;
    record.gateway = hello.gateway_id();
    record.boot = hello.boot_id();
    record.session = session;
    record.version = hello.version();
    record.peer = peer_;
    record.locality = hello.locality();
    record.config = {hello.config().epoch(), hello.config().revision()};
    record.close = [link = link_](const absl::Status& status) { link->Finish(status); };
    return record;
  }

  // A gateway on its way to its first bundle.
  struct Arrival {
    GatewayHelloInput input;
    Publisher::Attachment attachment;
    std::shared_ptr<GatewayLink> link;
    // Its pairs come from another store: they count other changes, however much they look like
    // ours.
    bool foreign = false;
  };

  Arrival ArrivalOf(const v1::GatewayHello& hello) const {
    Arrival arrival;
    arrival.foreign = !hello.store_id().empty() && hello.store_id() != options_.store_id;
    arrival.input = GatewayInput(hello, session_);
    arrival.link = link_;
    Publisher::Attachment& attachment = arrival.attachment;
    attachment.gateway = gateway_;
    attachment.session = session_;
    attachment.sink = link_;
    attachment.config = {hello.config().epoch(), hello.config().revision()};
    v1::Bundle first;
    first.set_store_id(options_.store_id);
    attachment.greeting = std::make_shared<const std::string>(first.SerializeAsString());
    return arrival;
  }

  // First the epoch is made to be above what the gateway holds, then every shard says how far the
  // gateway is, then bundles flow.
  void Attach(const v1::GatewayHello& hello) {
    uint64_t highest = hello.config().epoch();
    for (const v1::HeldSlice& held : hello.slices()) {
      highest = std::max<uint64_t>(highest, held.version().epoch());
    }
    Arrival arrival = ArrivalOf(hello);
    const bool foreign = arrival.foreign;
    if (foreign) {
      common::LogWarning("gateway.of_another_store",
                         {{"gateway", gateway_}, {"store_id", hello.store_id()}});
    }
    const GatewayServiceOptions& options = options_;
    auto greet = [&options, arrival = std::move(arrival)](const absl::Status& raised) mutable {
      if (!raised.ok()) {
        arrival.link->Finish(absl::UnavailableError(
            absl::StrCat("EPOCH_NOT_RAISED: the store does not take it: ", raised.message())));
        return;
      }
      GreetShards(options, std::move(arrival));
    };
    // An epoch of our own is not above ours; of another store also the same one is.
    const bool above = foreign || highest > options_.epochs->epoch();
    options_.epochs->RaiseAbove(above ? highest : 0, std::move(greet));
  }

  static void GreetShards(const GatewayServiceOptions& options, Arrival arrival) {
    // Should the stream break before every slice is replaced, the gateway comes back with this
    // store's name and the other's pairs: no kept frame may fit them.
    if (arrival.foreign) options.publisher->ForgetFrames();
    if (absl::Status full = options.shards->PostToAll(Input(arrival.input)); !full.ok()) {
      arrival.link->Finish(full);
      return;
    }
    auto greeting = std::make_shared<Greeting>();
    {
      common::MutexLock lock(greeting->mutex);
      for (const HeldSlice& held : arrival.input.held) {
        SliceVersion& version = greeting->held[held.service];
        version = held.version;
        if (arrival.foreign) version.revision = kContinuedByNothing;
      }
    }
    Publisher::Attachment attachment = std::move(arrival.attachment);
    std::shared_ptr<GatewayLink> link = std::move(arrival.link);
    options.shards->CallAll(
        [greeting](const ShardCore& core, size_t, auto) { greeting->Collect(core); },
        [greeting, attachment = std::move(attachment), link = std::move(link),
         publisher = options.publisher,
         shards = options.shards](const absl::Status& asked) mutable {
          if (!asked.ok()) {
            link->Finish(asked);
            return;
          }
          {
            common::MutexLock lock(greeting->mutex);
            // A pair that nothing continues stays as presented: the core is asked for what follows
            // it, and gives nothing while the slice is being inherited. Without it the gateway
            // would be sent what this owner had before it knew of the earlier one.
            attachment.held = greeting->start;
            attachment.held.insert(greeting->held.begin(), greeting->held.end());
          }
          const std::string gateway = attachment.gateway;
          const uint64_t session = attachment.session;
          publisher->Attach(std::move(attachment));
          if (!link->detached()) return;
          // The stream ended meanwhile, and said so before it was attached.
          publisher->Detach(gateway, session);
          (void)shards->PostToAll(Input(GatewayGoneInput{gateway, session}));
        });
  }

  absl::Status OnAck(const v1::Ack& ack) {
    PM_RETURN_IF_ERROR(ValidateAck(ack));
    AckIn acked;
    std::map<size_t, AckInput> by_shard;
    for (const v1::HeldSlice& held : ack.slices()) {
      HeldSlice slice{held.service(), {held.version().epoch(), held.version().revision()}};
      const size_t shard = ShardOf(slice.service, static_cast<uint32_t>(options_.shards->size()));
      by_shard[shard].slices.push_back(slice);
      acked.slices.push_back(std::move(slice));
    }
    for (const v1::Nack& nack : ack.nacks()) {
      common::LogWarning("gateway.nack", {{"gateway", gateway_},
                                          {"service", nack.service()},
                                          {"code", nack.code()},
                                          {"detail", nack.detail().substr(0, kDetailBytesMax)}});
      acked.nacks.push_back({nack.service(), nack.code()});
    }
    for (auto& [shard, input] : by_shard) {
      input.gateway = gateway_;
      input.session = session_;
      input.apply_duration = common::FromProto(ack.apply_duration());
      PM_RETURN_IF_ERROR(options_.shards->shard(shard).Post(Input(std::move(input))));
    }
    options_.directory->OnAck(gateway_, session_, ack);
    options_.publisher->OnAck(gateway_, session_, acked);
    return absl::OkStatus();
  }

  // Bad observations are dropped and counted; the stream goes on.
  absl::Status OnObservations(const v1::Observations& observations) {
    if (absl::Status status = ValidateObservations(observations); !status.ok()) {
      return RefuseObservations(status);
    }
    options_.directory->OnObservations(gateway_, session_);
    for (ObservationsInput& input :
         ObservationInputs(observations, Sender{gateway_, boot_, session_})) {
      const std::string service = input.service;
      absl::Status status = options_.shards->Post(service, Input(std::move(input)));
      // No slot: counters are cumulative, the next message makes up for it.
      if (!status.ok()) return RefuseObservations(status);
    }
    return absl::OkStatus();
  }
  absl::Status RefuseObservations(const absl::Status& status) {
    options_.refusals->Count(CodeOf(status));
    common::LogWarning("gateway.observations_refused",
                       {{"gateway", gateway_}, {"cause", status.message()}});
    return absl::OkStatus();
  }

  absl::Status OnUpload(const v1::UploadedSlice& upload) {
    // It said in its Hello that it held one, but does no longer: nothing to inherit from it.
    if (upload.slice().epoch() == 0 && upload.slice().entries().empty()) return absl::OkStatus();
    absl::StatusOr<Frame> frame = FrameFromProto(upload.slice());
    if (frame.ok() && frame->epoch > kPresentedMax) {
      frame =
          absl::InvalidArgumentError(absl::StrCat(kFrameInvalid, ": epoch above ", kPresentedMax));
    }
    if (!frame.ok()) {
      options_.refusals->Count(CodeOf(frame.status()));
      common::LogWarning("gateway.upload_refused",
                         {{"gateway", gateway_}, {"cause", frame.status().message()}});
      return absl::OkStatus();
    }
    const std::string service = frame->service;
    InheritedSliceInput input{*std::move(frame), absl::StrCat("gateway:", gateway_)};
    return options_.shards->Post(service, Input(std::move(input)));
  }

  const GatewayServiceOptions& options_;
  const std::string peer_;
  const std::shared_ptr<GatewayLink> link_;
  common::Identity identity_;
  grpc::ByteBuffer buffer_;
  v1::GatewayMessage message_;
  std::string gateway_;
  uint64_t boot_ = 0;
  uint64_t session_ = 0;
};

class Service final
    : public v1::GatewayService::WithRawCallbackMethod_Subscribe<v1::GatewayService::Service> {
 public:
  explicit Service(const GatewayServiceOptions& options) : options_(options) {}

  Reactor* Subscribe(grpc::CallbackServerContext* context) override {
    return new GatewayStream(options_, *context, CheckRole(*context, kMethod));
  }

 private:
  const GatewayServiceOptions options_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeGatewayService(const GatewayServiceOptions& options) {
  return std::make_unique<Service>(options);
}

}  // namespace pointsman::controller
