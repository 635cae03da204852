#pragma once

// One request with its response: routes it, tries endpoints one after another within the rules of
// docs/design/retries.md, forwards bodies with back-pressure both ways, and ends every phase by a
// timeout. A stream sees events only; both sides are behind exchange.h. It keeps no pointer into a
// table: what it needs of a policy it copies, so that it can outlive the table it started with.
// Thread-compatible; owned by its worker's StreamPool, used again for later requests.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "common/core/ip_address.h"
#include "gateway/core/cells.h"
#include "gateway/core/concurrency_limit.h"
#include "gateway/core/picker.h"
#include "gateway/core/router.h"
#include "gateway/core/routing_table.h"
#include "gateway/core/waiting_line.h"
#include "gateway/grpc/message_frames.h"
#include "gateway/http/message.h"
#include "gateway/http/trace_context.h"
#include "gateway/net/timer_wheel.h"
#include "gateway/proxy/exchange.h"
#include "gateway/proxy/grpc_web_side.h"
#include "gateway/proxy/mirror_side.h"
#include "gateway/proxy/worker_context.h"

namespace pointsman::gateway {

struct ServiceLoad;

class Stream final : public TimerEntry {
 public:
  Stream(WorkerContext* context, StreamHandle handle) : context_(context), handle_(handle) {}

  StreamHandle handle() const { return handle_; }
  RequestHead& request() { return request_; }
  // Where the answer to one of its tries goes, for as long as the try lasts.
  ResponseHead& response(uint8_t attempt) {
    return hedge_ != nullptr && hedge_->attempt == attempt ? hedge_->response : own_response_;
  }
  // The sender waits for room in the other side's queue.
  bool waits_for_client() const { return waits_for_client_; }
  bool waits_for_upstream() const { return waits_for_upstream_; }

  void OnEvent(StreamEvent event);
  void OnTimer() override;
  // It is the first of its line, and may try whether its service takes it now.
  void OnTurn() { PushResume(); }

 private:
  friend class StreamPool;

  enum class Phase : uint8_t {
    kReceivingHead,
    kWaiting,       // A filter suspended it, or it is in its service's line.
    kAwaitingBody,  // Its body decides where it goes, or a filter asks for it.
    kConnecting,
    kSending,     // Request (body) under way, no response byte yet.
    kAwaiting,    // Request sent, no response byte yet.
    kResponding,  // The response head was forwarded.
    kOver,
  };

  // Request events.
  void OnRequestHead(bool end);
  void OnRequestData(Slice data, bool end);
  void ForwardData(Slice data, bool end);
  void OnRequestEnd();
  void OnRequestReset(Reason reason);
  void KeepForReplay(const Slice& data);
  void BoundReplay();
  void UpdateRequestCredit();
  void UpdateResponseCredit();

  // What the sender says of the client, before anything is decided by it.
  void TakeClaimsOfSender();
  // The trace it belongs to; begins one if there is none and traces are begun here.
  void PrepareTrace();
  absl::string_view ClientHost() const;

  // Routing.
  void ChooseRoute();
  // `use` is called with what the request is matched by.
  template <typename Use>
  auto WithRouteRequest(bool body_known, JsonBody* json, Use use) const {
    const auto header = [this](absl::string_view name) -> std::optional<absl::string_view> {
      const absl::string_view value = request_.block.Value(name);
      if (value.data() == nullptr) return std::nullopt;
      return value;
    };
    const auto cookie = [this](absl::string_view name) { return Cookie(name); };
    const auto client = [this] { return ClientAddress(); };
    const auto query = [this] { return Query(); };
    const auto scheme = [this] { return ClientScheme(); };
    return use(RouteRequest{
        .host = request_.block.At(request_.authority),
        .path = request_.block.At(request_.path),
        .method = request_.block.At(request_.method_text),
        .header = header,
        .body_known = body_known,
        .json = json,
        .query = query,
        .cookie = cookie,
        .client = client,
        .scheme = scheme,
    });
  }
  // The service that this request goes to by the route.
  void DrawTarget(const RouteEntry& route);
  // kNone, or why the request may not go to the route its path leads to.
  Reason CheckPath(const RouteEntry& route);
  Reason Admit(const ServiceTable& service) const;
  // What the route does with the request.
  void Act(const RouteEntry& route);
  void SendToService(const RouteEntry& route);
  // Its service takes it: what is done once for a request, before its first try. False: it is over.
  bool TakeUp(const RouteEntry& route);
  // The route's own answer.
  void AnswerDirectly(const RouteEntry& route);

  // Rewriting (stream_rewrite.cc).
  // Of the request as it came; null data: it has none.
  absl::string_view Query() const;
  std::optional<common::IpAddress> ClientAddress() const;
  std::optional<absl::string_view> Cookie(absl::string_view name) const;
  // False: the path would be none.
  bool ApplyRewrite(const RouteEntry& route);
  void AnswerRedirect(const RouteEntry& route);

  // "http" or "https", of the client's connection: of its first, where a trusted proxy says so.
  absl::string_view ClientScheme() const;

  // Which endpoint (stream_affinity.cc).
  // Absent: the request does not have it.
  std::optional<uint64_t> HashOf(const HashPart& part) const;
  // What of the request the service picks by.
  void ReadPickKey(const ServiceTable& service);
  // The answer tells a client that does not know it which endpoint it is to stay with.
  void IssueAffinity();

  // Copies (stream_mirror.cc).
  // Another service gets a copy of this request by the share that is its.
  void MirrorTo(const MirrorTarget& target);
  // Of a copy; false: it could not begin, and is over.
  bool BeginMirror(const Stream& original, uint32_t index, const ServiceTable& service);
  // Passes a part of the body on to the copy, if there is one.
  void FeedMirror(Slice data, bool end);
  // The copy will not get the whole request.
  void EndMirror();
  // The service in the table of now, which may be another than the one the request began with.
  const ServiceTable* FindService() const;
  // False: it is at its limit.
  bool EnterService(const PolicyOverrides& overrides, const ServiceTable& service);
  void LeaveService();
  // What was taken over from it.
  void ForgetService();

  // The body before its endpoint (stream_body.cc).
  // kNeedsBody only while more of the body is to come.
  RouteChoice FindRoute();
  RouteChoice MatchRoute(bool body_known, JsonBody* json) const;
  enum class BodyType : uint8_t { kOther, kJson, kAmbiguous };
  BodyType TypeOfBody() const;
  // Without an encoding.
  bool BodyIsPlain() const;
  // There is a body, and waiting tells more of it.
  bool BodyToCome() const;
  // Null: routes cannot match on it. Until Forget().
  JsonBody* ReadBody();
  // Once for each request.
  void CountUnread(Counter* counter);
  // OnBodyKept() follows when it is here, or as much as is kept.
  void AwaitBody();
  void OnBodyKept();

  // Its service at a limit (stream_queue.cc).
  // It would come before others that wait, or the service is known to take no more.
  bool MustQueue(const ServiceTable& service, Criticality criticality) const {
    return service.policy.watches_load() && IsBehind(service, criticality);
  }
  bool IsBehind(const ServiceTable& service, Criticality criticality) const;
  // It waits in the line of its service from now on, or is refused.
  void Queue(const RouteEntry& route, const ServiceTable& service);
  bool JoinLine(const RouteEntry& route, const ServiceTable& service);
  void LeaveLine();
  // By the route as it is now, it goes where it was in line for.
  bool KeepTarget(const RouteEntry& route);
  ConcurrencyLimit::Bounds AdaptiveBounds(const ServicePolicy& policy) const;
  // What a try tells of the service's load.
  void TellLoad(TryOutcome outcome, absl::Duration latency);

  // Filters (stream_filters.cc).
  // Runs those of the route from this one on, then Act().
  void RunFilters(const RouteEntry& route, size_t next);
  // The gateway's, for what no service answers.
  static const ServicePolicy& OwnPolicy();
  const ServicePolicy& TargetPolicy() const;
  static common::Micros RequestTimeout(const RouteEntry& route, const ServicePolicy& policy) {
    return route.overrides.request_timeout.value_or(policy.request_timeout);
  }
  // As Admit(); the gateway's own answers are always given.
  Reason AdmitToTarget() const;
  // Resume() will go on with this filter of the route.
  void GoOnLater(const RouteEntry& route, size_t next);
  void Suspend(common::MonotonicTime until);
  // Of kWaiting and kAwaitingBody.
  void EndWait();
  // What the route says now of a request that it was chosen for under another configuration.
  Reason CheckAgain(const RouteEntry& route);
  // The filter of the chain at which it goes on: behind the one that held it, at the one that asked
  // for its body; the first when that is not there.
  size_t WhereToGoOn(const FilterChain& chain) const;
  // The wait is over: Resume() follows by way of the ready list.
  void PushResume();
  void Resume();

  // Tries.
  // An endpoint for its next try, where a try is begun then: BeginPicked() or its cell's EndTry()
  // follows.
  PickResult PickNext(const ServiceTable& service);
  static Reason WhyNone(const PickResult& pick) {
    return pick.status == PickResult::Status::kAtLimit ? Reason::kTooManyRequests
                                                       : Reason::kNoEndpoint;
  }
  // Further tries go elsewhere.
  void Remember(const Endpoint& tried) {
    tried_.push_back(tried.cell);
    if (tried.locality != 0) localities_tried_.push_back(tried.locality);
  }
  // A try that was started at the endpoint picked.
  void BeginPicked(const PickResult& pick);
  // A connection for a try; `address` and `other` live as long as that.
  UpstreamSide* Acquire(uint8_t attempt, CellRef cell, const common::Address& address,
                        const std::optional<common::IpAddress>& other, bool fresh);
  // The same at cell_; `fresh`: not on an idle connection.
  void BeginTry(bool fresh);
  void SendRequest();
  // The request, as far as it has come.
  void SendOn(UpstreamSide* upstream);
  void OnTryFailed(Reason reason, TryOutcome outcome);
  // The same request goes to another endpoint when there is one and the budget allows; `ended`: how
  // this try ended, `clean`: as in EndTry(). False: nothing changed.
  bool TryElsewhere(TryOutcome ended, bool clean);
  // An answer has one of the statuses that are tried again; true: another try was begun.
  bool RetryOnStatus(bool end);
  // An endpoint that wants to be left alone is.
  void HonourRetryAfter(const ResponseHead& answer, CellRef endpoint);
  // Ends the current try's counting and lets its connection go.
  void EndTry(TryOutcome outcome, bool clean);
  void CountTry(TryOutcome outcome, absl::Duration latency);
  // What became of the request for its service, whatever tries it took.
  TryOutcome Outcome() const;
  // The request may be sent again without the risk of doing its work twice.
  bool SafeToRepeat() const;
  bool TakeRetry();

  // A second try beside the first (stream_hedge.cc).
  struct Hedge {
    uint8_t attempt = 0;               // Which try it is.
    UpstreamSide* upstream = nullptr;  // Null: it is over, or became the request's only try.
    CellRef cell;
    common::Address address;
    std::optional<common::IpAddress> other;
    uint64_t affinity = 0;
    common::MonotonicTime begun;
    common::MonotonicTime sent;        // 0: it has no connection yet.
    common::MonotonicTime first_sent;  // When the first try was.
    ResponseHead response;
  };
  bool hedging() const { return hedge_ != nullptr && hedge_->upstream != nullptr; }
  // The first try may have company when it is over its time.
  bool MayHedge() const;
  void BeginHedge();
  void OnHedgeEvent(StreamEvent event);
  void OnHedgeAnswer(bool end);
  // Of the first try, when the second answered before it.
  void CountLost();
  void EndHedge(TryOutcome outcome);
  // The second try is the only one from now on; `ended`: how the first one did.
  void PromoteHedge(TryOutcome ended, bool clean);
  void SendHedge();

  // Response events.
  void OnInterim(const ResponseHead& head);
  void OnResponseHead(bool end);
  void OnResponseData(Slice data, bool end);
  void OnResponseEnd();
  // The answer was passed on whole.
  void EndExchange();
  void OnResponseReset(Reason reason);

  // Upgrades (stream_tunnel.cc).
  // The request asks for a change of protocol that has not happened (yet).
  bool wants_upgrade() const { return request_.upgrade != Upgrade::kNone && !tunnel_; }
  // Chooses what the request may change to on its route; kNone, or why it is refused.
  Reason TakeUpgrade(const RouteEntry& route);
  void GiveKey();
  // Before the change: what the client sends is kept, and goes nowhere.
  void HoldEarly(const Slice& data);
  // The head of an answer to an upgrade; true: it was dealt with.
  bool OnUpgradeAnswer();
  void BeginTunnel();
  // Called when a direction ended, and while its last bytes leave.
  void FinishTunnelIfDone();

  // gRPC (stream_grpc.cc).
  void RecogniseGrpc();
  Reason PrepareGrpc();
  bool BeginGrpcWeb(GrpcWebKind kind);
  void OnGrpcWebData(Slice data, bool end);
  bool TellGrpcTimeout(common::MonotonicTime now);
  bool GrpcUnavailable(bool end) const;
  bool AnswerForHttp();
  bool EndGrpcAnswer(Reason reason);

  // Endings.
  void Answer(const OwnResponse& response);
  void Fail(Reason reason);
  void Finish();
  // What a trusted client is told besides the reason (stream_record.cc).
  bool WantsDetails() const;
  // Where the last try is or was; without a connection, the address that was asked last.
  common::Address LastEndpoint() const;
  std::string Details(Reason reason) const;
  void Record();
  // stream_record.cc; only when somebody wants to know.
  void Tell();
  int ToldGrpcStatus() const;

  // When the current phase, the try or the request as a whole is over; and why.
  struct Deadline {
    common::MonotonicTime at;
    Reason reason = Reason::kNone;
    enum class Of : uint8_t {
      kPhase,
      kTry,    // Only worth ending it for when another can begin.
      kHedge,  // It begins, or has no connection in time.
    };
    Of of = Of::kPhase;
  };
  Deadline NextDeadline() const;
  void ConsiderHedge(Deadline* deadline) const;
  // In its service: how old it becomes, if it is of a kind that may last.
  void DrawStreamAge();
  // Of a gRPC call or a tunnel.
  common::MonotonicTime AgedAt() const;
  void OnAged();
  void OnTryTooSlow();
  void OnHedgeDue();
  void ArmDeadline();
  void Reset();

  WorkerContext* const context_;
  StreamHandle handle_;
  ClientSide* client_ = nullptr;
  std::unique_ptr<GrpcWebSide> web_;         // Null: the client speaks something else.
  std::unique_ptr<MirrorSide> mirror_side_;  // Of a copy; null: this is none.
  StreamHandle mirror_;                      // This request's copy, perhaps over.
  UpstreamSide* upstream_ = nullptr;
  RequestHead request_;
  TextRef claimed_client_;  // In request_; empty: the sender is the client.
  ResponseHead own_response_;
  ResponseHead* response_ = &own_response_;  // Of the try that counts.
  std::unique_ptr<Hedge> hedge_;

  Phase phase_ = Phase::kReceivingHead;
  Reason reason_ = Reason::kNone;
  int status_ = 0;
  bool request_ended_ = false;
  bool replayable_ = true;
  bool counted_ = false;     // Its head was complete.
  bool in_service_ = false;  // Counted in the service's cell.
  bool in_try_ = false;      // Counted in the endpoint's cell.
  bool outcome_counted_ = false;
  bool stale_retried_ = false;
  bool per_try_waived_ = false;  // There is nowhere else to go: the try may take its time.
  bool waits_for_client_ = false;
  bool waits_for_upstream_ = false;
  bool tunnel_ = false;          // Opaque bytes both ways.
  bool early_end_ = false;       // The client's direction ended before the tunnel began.
  bool response_ended_ = false;  // Of a tunnel.
  bool grpc_ = false;
  bool ends_at_border_ = false;  // Its age is over, but not the message it is in.
  bool earned_ = false;          // Its part of the budget of retries.
  uint8_t attempt_ = 0;          // The try that counts,
  uint8_t tries_ = 0;            // of so many.
  uint32_t retries_ = 0;

  std::string service_name_;
  std::string route_name_;  // Only kept for an observer, and while a filter suspends it.
  uint32_t service_index_ = 0;
  uint32_t target_ = RouteEntry::kNoService;  // By the route, once it is chosen.
  std::shared_ptr<const Rewrite> rewrite_;    // Null: the answer stays as it is.
  CellRef service_cell_;
  ServiceLoad* load_ = nullptr;  // It is counted there; null: nobody asks.
  LineTicket ticket_ = 0;        // In the line of `line_`; 0: it is in none.
  CellRef line_;
  common::MonotonicTime queue_until_;
  absl::Duration hedge_after_ = absl::InfiniteDuration();  // From the first try's sending.
  ServicePolicy policy_;
  // Of the current try.
  CellRef cell_;
  common::Address address_;
  std::optional<common::IpAddress> other_;
  bool at_other_ = false;  // The try that ended last was there.
  absl::InlinedVector<CellRef, 6> tried_;
  absl::InlinedVector<uint32_t, 6> localities_tried_;  // Those that are known.
  uint64_t affinity_ = 0;                              // Of the endpoint, if `keeps_affinity_`.
  PickKey pick_key_;
  bool keeps_affinity_ = false;  // The service's clients stay with an endpoint.

  // Request body, kept until the response begins or it grew too large. Small pieces are copied
  // together: a sender of single bytes must not pin a chunk with each.
  OutQueue replay_{&context_->chunks};
  uint64_t body_bytes_ = 0;
  uint64_t answer_bytes_ = 0;

  common::MonotonicTime started_;
  common::MonotonicTime phase_started_;
  common::MonotonicTime progress_;
  common::MonotonicTime try_begun_;
  common::MonotonicTime try_sent_;    // 0 until then.
  common::MonotonicTime first_byte_;  // Of the answer; 0 until then.
  // What the client still waits for, and where in its messages the answer is.
  common::MonotonicTime grpc_deadline_ = common::MonotonicTime::Infinite();
  MessageFrames grpc_frames_;
  char request_id_[16];
  bool trace_begun_ = false;
  char traceparent_[kTraceParentBytes];  // When it has begun here.

  // While a filter suspends it or asked for its body: what it goes on with, when, and which wait it
  // is. Null: it waits for its body to choose a route by it.
  std::shared_ptr<const FilterChain> filters_;
  size_t next_filter_ = 0;
  VersionPair filters_config_;
  common::MonotonicTime resume_at_;
  uint8_t wait_ = 0;
  bool body_awaited_ = false;  // As much of it as is kept was waited for.
  bool body_unread_ = false;   // Counted as too large or unreadable.
  int64_t retry_after_ = 0;    // Seconds; for the answer.
};

// The worker's streams. Those that are over are used again, and freed when a while did not need
// them. Thread-compatible; owns them.
class StreamPool {
 public:
  explicit StreamPool(WorkerContext* context) : context_(context) {}

  // A stream for a request that `client` begins to receive. O(1).
  Stream* New(ClientSide* client);
  // The stream, or null when it is over.
  Stream* Find(StreamHandle handle) const {
    if (handle.index >= places_.size()) return nullptr;
    Stream* stream = places_[handle.index].get();
    const bool same = stream != nullptr && stream->handle_.generation == handle.generation;
    return same ? stream : nullptr;
  }
  // Frees the streams that were not needed since the last call. REQUIRES: not from a stream.
  void Trim();

 private:
  friend class Stream;
  void Free(Stream* stream);
  void AddPlace();
  // The places at the end that hold no stream.
  void ForgetPlaces();

  WorkerContext* const context_;
  // Null: there is no stream.
  std::vector<std::unique_ptr<Stream>> places_;
  // Places whose stream is over, the one that was used last behind the others.
  std::vector<uint32_t> free_;
  // Places without a stream.
  std::vector<uint32_t> empty_;
  // Of streams that are made from now on.
  uint32_t first_generation_ = 1;
  // The fewest in free_ since the last Trim().
  size_t free_least_ = 0;
};

}  // namespace pointsman::gateway
