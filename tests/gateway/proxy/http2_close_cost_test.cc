// Row H13 (CVE-2021-32778): what it costs that connections with very many open streams close.
//
// No time is asserted. The worker's own CPU time, which other load on the machine does not count
// in, is compared between some streams and four times as many: work that is linear takes 4 times as
// long, quadratic work 16 times. The bound stands between them, and the least of several rounds is
// taken.

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <ctime>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/gateway/proxy/attack_fixture.h"
#include "tests/gateway/proxy/raw_frames.h"

namespace pointsman::gateway {
namespace {

// Knows its worker's clock after a first request.
class WorkerClock final : public RequestObserver {
 public:
  void OnRequest(const RequestRecord& /*record*/) override {
    if (known_.load()) return;
    PM_CHECK(pthread_getcpuclockid(pthread_self(), &clock_) == 0);
    known_.store(true);
  }
  // CPU time of the worker's thread.
  int64_t UsedNanos() const {
    PM_CHECK(known_.load());
    timespec used{};
    PM_CHECK(clock_gettime(clock_, &used) == 0);
    return int64_t{1'000'000'000} * used.tv_sec + used.tv_nsec;
  }

 private:
  std::atomic<bool> known_{false};
  clockid_t clock_ = 0;
};

class Http2CloseCostTest : public AttackFixture {
 protected:
#ifdef PM_TEST_SANITIZED
  static constexpr size_t kStreams = 1'024;
#else
  static constexpr size_t kStreams = 4'096;
#endif
  static constexpr int kRounds = 8;
  static constexpr int64_t kMostTimes = 10;

  // All streams are in the hands of an endpoint that never answers.
  void Serve(uint32_t streams_per_connection) {
    limits.http2.streams_max = streams_per_connection;
    policy.upstream_http2 = true;
    // The endpoint is silent, and its connection stays.
    limits.http2_ping_timeout = absl::Hours(1);
    policy.max_in_flight = 1 << 20;
    policy.max_in_flight_per_endpoint = 1 << 20;
    observer = &clock_;
    RouteEntry good = AnyRoute();
    good.name = "good";
    good.path_kind = RouteEntry::PathKind::kPrefix;
    good.path = std::string(kGoodPath);
    good.service = RouteEntry::kNoService;
    good.direct_status = 200;
    routes = {AnyRoute(), good};
    silent_ = std::make_unique<ScriptedUpstream>([](Peer& peer, int) {
      // SETTINGS_MAX_CONCURRENT_STREAMS.
      const std::string many = std::string("\0\3", 2) + Big32(1 << 20);
      peer.Write(RawFrame(kFrameSettings, 0, 0, many));
      std::string some;
      while (peer.ReadSome(&some)) some.clear();
    });
    Publish({silent_->port()});
    BeginRow();
  }

  // The worker's CPU time from the first connection's close to the last stream's end.
  int64_t NanosToClose(size_t streams, size_t per_connection) {
    std::string open = absl::StrCat(kHttp2Preface, RawFrame(kFrameSettings, 0, 0, ""));
    for (size_t i = 0; i < per_connection; ++i) {
      open += RawHeaders(static_cast<uint32_t>(2 * i + 1), RawGet(), /*end=*/false);
    }
    std::vector<Peer> clients(streams / per_connection);
    for (Peer& client : clients) {
      client = Client();
      EXPECT_TRUE(client.Write(open));
    }
    EXPECT_TRUE(WaitFor([&] { return engine().Stats().requests_active == streams; }));
    const int64_t begun = clock_.UsedNanos();
    for (Peer& client : clients) client.Reset();
    EXPECT_TRUE(WaitFor([&] { return Quiet() && engine().Stats().connections == 0; }));
    return clock_.UsedNanos() - begun;
  }

  void ExpectLinear(size_t few_per_connection, size_t many_per_connection) {
    int64_t few = std::numeric_limits<int64_t>::max();
    int64_t many = few;
    for (int round = 0; round < kRounds; ++round) {
      few = std::min(few, NanosToClose(kStreams, few_per_connection));
      many = std::min(many, NanosToClose(4 * kStreams, many_per_connection));
    }
    std::printf("%.1f times\n", static_cast<double>(many) / static_cast<double>(few));
    EXPECT_LT(many, kMostTimes * few) << 4 * kStreams << " streams, against " << kStreams;
    // What its connection keeps for use again goes with it.
    silent_->Stop();
    ExpectUnharmed();
  }

  WorkerClock clock_;
  std::unique_ptr<ScriptedUpstream> silent_;
};

TEST_F(Http2CloseCostTest, OfOneConnectionIsLinearInItsStreams) {
  Serve(4 * kStreams);
  ExpectLinear(kStreams, 4 * kStreams);
}

// As many streams on each as the limit allows.
TEST_F(Http2CloseCostTest, OfManyConnectionsIsLinearInAllTheirStreams) {
  Serve(Http2Limits().streams_max);
  ExpectLinear(limits.http2.streams_max, limits.http2.streams_max);
}

}  // namespace
}  // namespace pointsman::gateway
