// What becomes of a request whose first endpoint fails, as a table of faults and requests, through
// the engine over real sockets (docs/design/retries.md). A request is tried again when the endpoint
// got no byte of it or says that it did not look at it; an idempotent one also when no byte of an
// answer came; never when its body is larger than what is kept of it. No cell delivers a POST
// twice.

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/gateway/proxy/engine_fixture.h"
#include "tests/gateway/proxy/http2_peer.h"

namespace pointsman::gateway {
namespace {

constexpr size_t kReplayBytes = 8 * 1024;
constexpr absl::Duration kPerTry = absl::Milliseconds(200);
constexpr int kSlowMillis = 400;  // Clearly above kPerTry.
constexpr absl::Duration kFirstByte = absl::Milliseconds(250);

// ---- Requests.

struct Kind {
  const char* name;
  const char* method;
  size_t body_bytes = 0;
  bool streamed = false;  // In chunks, the last of them when the try may have begun.

  bool idempotent() const { return absl::string_view(method) != "POST"; }
};

constexpr size_t kSmall = 1024;
constexpr size_t kLarge = 3 * kReplayBytes;
constexpr std::array<Kind, 7> kKinds = {{{"GET", "GET"},
                                         {"PUT", "PUT", kSmall},
                                         {"PUT large", "PUT", kLarge},
                                         {"PUT streamed", "PUT", kSmall, true},
                                         {"POST", "POST", kSmall},
                                         {"POST large", "POST", kLarge},
                                         {"POST streamed", "POST", kSmall, true}}};

// ---- What endpoints and clients saw. Thread-safe.

// A connection on which at least a request's head came, and the endpoint did not say that it did
// not look at it.
struct Sighting {
  int endpoint = 0;
  std::string id;
  bool whole = false;  // A delivery.
};

class Ledger {
 public:
  void Add(Sighting one) {
    if (one.id.empty()) return;
    std::lock_guard<std::mutex> lock(mutex_);
    sightings_.push_back(std::move(one));
  }
  std::vector<Sighting> Of(const std::string& id) const {
    std::vector<Sighting> found;
    std::lock_guard<std::mutex> lock(mutex_);
    for (const Sighting& one : sightings_) {
      if (one.id == id) found.push_back(one);
    }
    return found;
  }
  // The client has the head of this request's answer.
  void HeadCame(const std::string& id) {
    std::lock_guard<std::mutex> lock(mutex_);
    answered_.insert(id);
    changed_.notify_all();
  }
  void AwaitHead(const std::string& id) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(kPatienceMillis),
                      [&] { return answered_.contains(id); });
  }

  // Bytes that come of the present request at least, also where it is streamed: more than its body.
  std::atomic<int> unread{1};

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Sighting> sightings_;
  std::set<std::string> answered_;
};

// A connection of an endpoint over HTTP/1.
struct Http1 {
  Ledger& ledger;
  Peer& peer;
  int endpoint;

  // The next whole request's ID; "" at the end.
  std::string Take() {
    const TestMessage request = peer.ReadMessage();
    ledger.Add({endpoint, request.Field("x-id"), request.complete});
    return request.complete ? request.Field("x-id") : "";
  }
};

// The same over HTTP/2.
struct Http2 {
  Ledger& ledger;
  Peer& peer;
  int endpoint;
  Http2Peer http2{Http2Peer::Side::kServer, &peer};

  // The next whole request's stream; 0 at the end.
  int32_t Take() {
    const int32_t stream = http2.AwaitRequest();
    if (stream != 0) ledger.Add({endpoint, Id(stream), true});
    return stream;
  }
  std::string Id(int32_t stream) { return http2.message(stream).Field("x-id"); }
  void Respond(int32_t stream) {
    http2.Respond(stream, {{":status", "200"}, {"content-length", "4"}}, "fine");
  }
  void PumpToEnd() {
    while (http2.Pump()) {
    }
  }
};

// ---- Faults: what an endpoint does with a connection.

void Serves(Http1 at) {
  while (!at.Take().empty()) at.peer.Write(Ok("fine"));
}
void ResetsAtOnce(Http1 at) { at.peer.Reset(); }
// The kernel has the request.
void ResetsUnread(Http1 at) {
  pollfd wait{at.peer.fd(), POLLIN, 0};
  poll(&wait, 1, kPatienceMillis);
  // Of the request that begins to come.
  const int bytes = at.ledger.unread;
  setsockopt(at.peer.fd(), SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
  poll(&wait, 1, kPatienceMillis);
  at.peer.Reset();
}
void ResetsAfterHead(Http1 at) {
  const TestMessage head = at.peer.ReadHead();
  const bool whole = !head.Has("content-length") && !head.Has("transfer-encoding");
  at.ledger.Add({at.endpoint, head.Field("x-id"), whole});
  at.peer.Reset();
}
void ResetsAfterRequest(Http1 at) {
  at.Take();
  at.peer.Reset();
}
void ClosesWithinHead(Http1 at) {
  at.Take();
  at.peer.Write("HTTP/1.1 2");
}
void ResetsWithinAnswer(Http1 at) {
  const std::string id = at.Take();
  if (id.empty()) return;
  at.peer.Write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
  at.ledger.AwaitHead(id);  // Or the reset could overtake it.
  at.peer.Reset();
}
void NeverAnswers(Http1 at) {
  at.Take();
  std::string rest;
  at.peer.ReadToEnd(&rest);
}
void AnswersLate(Http1 at) {
  while (!at.Take().empty()) {
    pollfd given_up{at.peer.fd(), POLLIN, 0};
    poll(&given_up, 1, kSlowMillis);
    at.peer.Write(Ok("fine"));
  }
}
void IsBusy(Http1 at) {
  while (!at.Take().empty()) {
    at.peer.Write("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy");
  }
}
// Serves one request, and lets the connection die when the next is in the kernel.
void DiesIdle(Http1 at) {
  if (at.Take().empty()) return;
  at.peer.Write(Ok("fine"));
  ResetsUnread(at);
}
void DiesIdleAfterRequest(Http1 at) {
  if (at.Take().empty()) return;
  at.peer.Write(Ok("fine"));
  ResetsAfterRequest(at);
}

void Serves2(Http2& at) {
  while (const int32_t stream = at.Take()) at.Respond(stream);
}
// What is refused was not looked at: no sighting.
void RefusesStreams(Http2& at) {
  while (const int32_t stream = at.http2.AwaitRequest()) {
    at.http2.Reset(stream, NGHTTP2_REFUSED_STREAM);
  }
}
void GoesAwayBelow(Http2& at) {
  const int32_t stream = at.http2.AwaitRequest();
  if (stream == 0) return;
  at.http2.Goaway(std::max(stream - 2, 0));
  at.PumpToEnd();
}
void GoesAwayAboveAndResets(Http2& at) {
  const int32_t stream = at.Take();
  if (stream == 0) return;
  at.http2.Goaway(stream + 2);
  // What comes behind is acknowledged: the reset does not overtake it.
  constexpr uint32_t kWindow = 70'000;
  const nghttp2_settings_entry entry = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindow};
  nghttp2_submit_settings(at.http2.session(), NGHTTP2_FLAG_NONE, &entry, 1);
  EXPECT_TRUE(at.http2.Until([&] {
    return nghttp2_session_get_local_settings(at.http2.session(),
                                              NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE) == kWindow;
  }));
  at.peer.Reset();
}
void BreaksStreams(Http2& at) {
  while (const int32_t stream = at.Take()) at.http2.Reset(stream, NGHTTP2_INTERNAL_ERROR);
}
void BreaksWithinAnswer(Http2& at) {
  while (const int32_t stream = at.Take()) {
    at.http2.RespondOpen(stream, {{":status", "200"}, {"content-length", "100"}});
    at.http2.Send(stream, "half", /*end=*/false);
    at.ledger.AwaitHead(at.Id(stream));
    at.http2.Reset(stream, NGHTTP2_INTERNAL_ERROR);
  }
}
void DiesIdle2(Http2& at) {
  if (const int32_t stream = at.Take()) at.Respond(stream);
  at.Take();
  at.peer.Reset();
}

struct Fault {
  const char* name;
  void (*http1)(Http1) = nullptr;
  void (*http2)(Http2&) = nullptr;  // Neither: nobody listens.
  bool primed = false;              // Another request has left an idle connection.
  bool retries_503 = false;
  bool per_try = false;
};

constexpr Fault kRefused = {"Refused"};
constexpr Fault kResetAtOnce = {"ResetAtOnce", &ResetsAtOnce};
constexpr Fault kResetUnread = {"ResetUnread", &ResetsUnread};
constexpr Fault kResetAfterHead = {"ResetAfterHead", &ResetsAfterHead};
constexpr Fault kResetAfterAll = {"ResetAfterRequest", &ResetsAfterRequest};
constexpr Fault kCutInHead = {"ClosedWithinHead", &ClosesWithinHead};
constexpr Fault kCutInAnswer = {"ResetWithinAnswer", &ResetsWithinAnswer};
constexpr Fault kBlackHole = {"BlackHole", &NeverAnswers};
constexpr Fault kSlow = {.name = "Slow", .http1 = &AnswersLate, .per_try = true};
constexpr Fault kBusy = {"Busy", &IsBusy};
constexpr Fault kBusyListed = {.name = "BusyListed", .http1 = &IsBusy, .retries_503 = true};
constexpr Fault kStale = {.name = "Stale", .http1 = &DiesIdle, .primed = true};
constexpr Fault kStaleRead = {.name = "StaleRead", .http1 = &DiesIdleAfterRequest, .primed = true};
constexpr Fault kH2Refused = {.name = "Http2RefusedStream", .http2 = &RefusesStreams};
constexpr Fault kH2GoneBelow = {.name = "Http2GoawayBelow", .http2 = &GoesAwayBelow};
constexpr Fault kH2GoneAbove = {.name = "Http2GoawayAbove", .http2 = &GoesAwayAboveAndResets};
constexpr Fault kH2Broken = {.name = "Http2InternalError", .http2 = &BreaksStreams};
constexpr Fault kH2CutInAnswer = {.name = "Http2WithinAnswer", .http2 = &BreaksWithinAnswer};
constexpr Fault kH2StaleRead = {.name = "Http2StaleRead", .http2 = &DiesIdle2, .primed = true};

// ---- The table.

// The status that the client sees ("cut": an answer that is cut off), deliveries to the endpoint
// that is asked first + deliveries to the others.
struct Row {
  Fault fault;
  std::array<const char*, kKinds.size()> outcomes;

  friend void PrintTo(const Row& row, std::ostream* out) { *out << row.fault.name; }
};

// Whether the kernel took a byte before the reset came, or the body was beyond what is kept.
constexpr const char* kRacing = "200 0+1 or 502 0+0";

// clang-format off
constexpr Row kTable[] = {
    //                 GET        PUT        PUT large  streamed   POST       POST large streamed
    {kRefused,       {"200 0+1", "200 0+1", "200 0+1", "200 0+1", "200 0+1", "200 0+1", "200 0+1"}},
    {kResetAtOnce,   {"200 0+1", "200 0+1", kRacing,   "200 0+1", kRacing,   kRacing,   kRacing}},
    {kResetUnread,   {"200 0+1", "200 0+1", "502 0+0", "200 0+1", "502 0+0", "502 0+0", "502 0+0"}},
    {kResetAfterHead,{"200 1+1", "200 0+1", kRacing,   "200 0+1", "502 0+0", "502 0+0", "502 0+0"}},
    {kResetAfterAll, {"200 1+1", "200 1+1", "502 1+0", "200 1+1", "502 1+0", "502 1+0", "502 1+0"}},
    {kCutInHead,     {"502 1+0", "502 1+0", "502 1+0", "502 1+0", "502 1+0", "502 1+0", "502 1+0"}},
    {kCutInAnswer,   {"cut 1+0", "cut 1+0", "cut 1+0", "cut 1+0", "cut 1+0", "cut 1+0", "cut 1+0"}},
    {kBlackHole,     {"200 1+1", "200 1+1", "504 1+0", "200 1+1", "504 1+0", "504 1+0", "504 1+0"}},
    {kSlow,          {"200 1+1", "200 1+1", "200 1+0", "200 1+1", "200 1+0", "200 1+0", "200 1+0"}},
    {kBusy,          {"503 1+0", "503 1+0", "503 1+0", "503 1+0", "503 1+0", "503 1+0", "503 1+0"}},
    {kBusyListed,    {"200 1+1", "200 1+1", "503 1+0", "200 1+1", "503 1+0", "503 1+0", "503 1+0"}},
    // On a fresh connection to the same endpoint.
    {kStale,         {"200 1+0", "200 1+0", "502 0+0", "200 1+0", "502 0+0", "502 0+0", "502 0+0"}},
    {kStaleRead,     {"200 2+0", "200 2+0", "502 1+0", "200 2+0", "502 1+0", "502 1+0", "502 1+0"}},
    // Refused when all of it had come.
    {kH2Refused,     {"200 0+1", "200 0+1", "502 0+0", "200 0+1", "200 0+1", "502 0+0", "200 0+1"}},
    {kH2GoneBelow,   {"200 0+1", "200 0+1", "502 0+0", "200 0+1", "200 0+1", "502 0+0", "200 0+1"}},
    {kH2GoneAbove,   {"200 1+1", "200 1+1", "502 1+0", "200 1+1", "502 1+0", "502 1+0", "502 1+0"}},
    {kH2Broken,      {"200 1+1", "200 1+1", "502 1+0", "200 1+1", "502 1+0", "502 1+0", "502 1+0"}},
    {kH2CutInAnswer, {"cut 1+0", "cut 1+0", "cut 1+0", "cut 1+0", "cut 1+0", "cut 1+0", "cut 1+0"}},
    {kH2StaleRead,   {"200 2+0", "200 2+0", "502 1+0", "200 2+0", "502 1+0", "502 1+0", "502 1+0"}},
};
// clang-format on

// ---- The test.

class FaultTableTest : public EngineFixture, public ::testing::WithParamInterface<Row> {
 protected:
  static constexpr int kEndpoints = 3;

  FaultTableTest() {
    const Fault& fault = GetParam().fault;
    limits.replay_bytes_max = kReplayBytes;
    policy.upstream_http2 = fault.http2 != nullptr;
    if (fault.http1 == &NeverAnswers) policy.first_byte_timeout = kFirstByte;
    if (fault.per_try) policy.per_try_timeout = kPerTry;
    if (fault.retries_503) policy.retry_statuses.Add(503);
  }

  // A new engine and new endpoints, the first of them at fault.
  void Begin(bool faulty_first) {
    End();
    const Fault& fault = GetParam().fault;
    const bool http2 = fault.http2 != nullptr;
    std::vector<uint16_t> ports;
    for (int i = 0; i < kEndpoints; ++i) {
      if (i == 0 && fault.http1 == nullptr && !http2) {
        ports.push_back(DeadPort());
        continue;
      }
      const auto script1 = i == 0 ? fault.http1 : &Serves;
      const auto script2 = i == 0 ? fault.http2 : &Serves2;
      endpoints_.push_back(std::make_unique<ScriptedUpstream>([=, this](Peer& peer, int) {
        http2 ? Run(script2, peer, i) : script1(Http1{ledger_, peer, i});
      }));
      ports.push_back(endpoints_.back()->port());
    }
    PublishTable(faulty_first ? InOrder(Table(ports)) : Table(ports));
  }
  // What was recorded before is complete then.
  void End() {
    StartOver();
    for (auto& endpoint : endpoints_) endpoint->Stop();
    endpoints_.clear();
  }
  void Run(void (*script)(Http2&), Peer& peer, int endpoint) {
    Http2 at{ledger_, peer, endpoint};
    script(at);
    for (auto& [stream, message] : at.http2.messages()) {
      if (!message.ended) ledger_.Add({endpoint, message.Field("x-id"), false});
    }
  }
  // The first endpoint is tried first, the others only after it.
  static std::shared_ptr<const RoutingTable> InOrder(std::shared_ptr<const RoutingTable> given) {
    auto table = std::make_shared<RoutingTable>(*given);
    auto service = std::make_shared<ServiceTable>(*given->services[0]);
    const std::vector<uint32_t> first = {65'536, 0, 0};
    const std::vector<uint32_t> others = {0, 65'536, 65'536};
    service->groups = {{0, 65'536, common::AliasTable(first)}, {1, 0, common::AliasTable(others)}};
    BlockListEditor<std::shared_ptr<const ServiceTable>> services(&table->services);
    services.Set(0, std::move(service));
    services.Finish();
    return table;
  }

  std::string NewId() { return absl::StrCat("id-", ++last_id_); }
  // Sends a request; the answer's status, "cut" when its end did not come, "none" without a head.
  std::string Ask(const Kind& kind, const std::string& id) {
    ledger_.unread = static_cast<int>(kind.body_bytes) + 1;
    const std::string head =
        absl::StrCat(kind.method, " / HTTP/1.1\r\nHost: a\r\nX-Id: ", id, "\r\n");
    const std::string body(kind.body_bytes, 'x');
    Peer client = Client();
    if (kind.streamed) {
      const uint64_t before = engine().Stats().requests;
      const std::string half(kind.body_bytes / 2, 'x');
      const std::string chunk = absl::StrCat(absl::Hex(half.size()), "\r\n", half, "\r\n");
      client.Write(absl::StrCat(head, "Transfer-Encoding: chunked\r\n\r\n", chunk));
      EXPECT_TRUE(WaitFor([&] { return engine().Stats().requests > before; }));
      client.Write(absl::StrCat(chunk, "0\r\n\r\n"));
    } else if (kind.body_bytes > 0) {
      client.Write(absl::StrCat(head, "Content-Length: ", body.size(), "\r\n\r\n", body));
    } else {
      client.Write(absl::StrCat(head, "\r\n"));
    }
    const TestMessage answer = client.ReadHead();
    if (!answer.complete) return "none";
    ledger_.HeadCame(id);
    size_t length = 0;
    EXPECT_TRUE(absl::SimpleAtoi(answer.Field("content-length"), &length));
    std::string bytes;
    return client.ReadExact(length, &bytes) ? absl::StrCat(answer.status()) : "cut";
  }

  int Deliveries(const std::string& id, bool first) const {
    int count = 0;
    for (const Sighting& one : ledger_.Of(id)) {
      count += one.whole && (one.endpoint == 0) == first ? 1 : 0;
    }
    return count;
  }
  // REQUIRES: End().
  void ExpectNotTwice(const Kind& kind, const std::string& id) const {
    if (kind.idempotent()) return;
    EXPECT_LE(Deliveries(id, true) + Deliveries(id, false), 1) << id;
    EXPECT_LE(ledger_.Of(id).size(), 1u) << id << " was looked at twice";
  }

 private:
  Ledger ledger_;
  int last_id_ = 0;
  std::vector<std::unique_ptr<ScriptedUpstream>> endpoints_;
};

INSTANTIATE_TEST_SUITE_P(FaultTable, FaultTableTest, ::testing::ValuesIn(kTable),
                         [](const auto& info) { return std::string(info.param.fault.name); });

TEST_P(FaultTableTest, OfTheFirstEndpoint) {
  const auto& [fault, outcomes] = GetParam();
  for (size_t i = 0; i < kKinds.size(); ++i) {
    SCOPED_TRACE(absl::StrCat(fault.name, " x ", kKinds[i].name));
    Begin(/*faulty_first=*/true);
    if (fault.primed) {
      ASSERT_EQ(Ask(kKinds[0], NewId()), "200");
    }
    const std::string id = NewId();
    const std::string status = Ask(kKinds[i], id);
    End();
    const std::string outcome =
        absl::StrCat(status, " ", Deliveries(id, true), "+", Deliveries(id, false));
    const std::vector<std::string> allowed = absl::StrSplit(outcomes[i], " or ");
    EXPECT_NE(std::find(allowed.begin(), allowed.end(), outcome), allowed.end())
        << outcome << " instead of " << outcomes[i];
    ExpectNotTwice(kKinds[i], id);
  }
}

// Nobody is told which one is bad: what the table says is repaired always is.
TEST_P(FaultTableTest, OfOneOfThree) {
  const auto& [fault, outcomes] = GetParam();
  Begin(/*faulty_first=*/false);
  std::vector<std::string> ids;
  for (int i = 0; i < 30; ++i) {
    const size_t kind = i % kKinds.size();
    SCOPED_TRACE(absl::StrCat(fault.name, " x ", kKinds[kind].name, ", request ", i));
    ids.push_back(NewId());
    const std::string status = Ask(kKinds[kind], ids.back());
    if (status != "200") {
      EXPECT_TRUE(absl::StrContains(outcomes[kind], absl::StrCat(status, " "))) << status;
    }
  }
  End();
  for (int i = 0; i < 30; ++i) ExpectNotTwice(kKinds[i % kKinds.size()], ids[i]);
}

}  // namespace
}  // namespace pointsman::gateway
