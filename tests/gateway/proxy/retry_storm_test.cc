// Retries when everything fails at once: the budget bounds what endpoints get beyond what clients
// ask for (docs/design/retries.md), and one failing endpoint of three is not noticed: at once, or
// once it is found.

#include <array>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "tests/gateway/proxy/engine_fixture.h"

namespace pointsman::gateway {
namespace {

constexpr int kClients = 8;
constexpr int kRequests = 3000;

class RetryStormTest : public EngineFixture {
 protected:
  // All requests, as fast as the clients can; true when all were answered.
  void Storm() {
    const common::MonotonicTime begun = common::SystemClock().Now();
    const uint64_t before = engine().Stats().requests;
    std::vector<std::thread> clients;
    clients.reserve(kClients);
    for (int i = 0; i < kClients; ++i) {
      clients.emplace_back([this] { Ask(kRequests / kClients); });
    }
    for (std::thread& client : clients) client.join();
    took_ = common::SystemClock().Now() - begun;
    ASSERT_EQ(engine().Stats().requests - before, static_cast<uint64_t>(kRequests));
  }
  int Answers(int status) const { return statuses_[status].load(); }
  void ForgetAnswers() {
    for (auto& count : statuses_) count = 0;
  }
  // What the budget allows, as documented: a part of the requests, ten seconds' worth of tokens to
  // begin with, and those of the time since.
  double RetriesMax() const {
    const ServicePolicy defaults;
    const double seconds = 10 + absl::ToDoubleSeconds(took_);
    return kRequests * defaults.retry_budget_ratio + seconds * defaults.retry_budget_min_per_second;
  }
  // Of what the endpoints got, `seen` requests in all.
  void ExpectBounded(int seen) {
    EXPECT_LE(seen, kRequests + RetriesMax());
    EXPECT_GT(seen, kRequests + 100) << "they are tried again";
    EXPECT_EQ(engine().Stats().retries, static_cast<uint64_t>(seen - kRequests));
    EXPECT_GT(ReasonCountOf(Reason::kRetryBudget), 0u);
  }

  // Three endpoints that do the same; all clients are told `status`.
  void StormWhileAllFail(const ScriptedUpstream::Script& script, int status) {
    ScriptedUpstream endpoints[] = {ScriptedUpstream(script), ScriptedUpstream(script),
                                    ScriptedUpstream(script)};
    Publish({endpoints[0].port(), endpoints[1].port(), endpoints[2].port()});
    Storm();
    EXPECT_EQ(Answers(status), kRequests);
    ExpectBounded(failed_);
  }

  // Endpoints count what they get.
  ScriptedUpstream::Script Resetting() {
    return [this](Peer& peer, int) {
      if (peer.ReadMessage().complete) ++failed_;
      peer.Reset();
    };
  }
  ScriptedUpstream::Script Busy() {
    return Answering([this](const TestMessage&) {
      ++failed_;
      return "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
    });
  }
  static ScriptedUpstream::Script Good() {
    return Answering([](const TestMessage&) { return Ok("fine"); });
  }

  std::atomic<int> failed_{0};

 private:
  void Ask(int requests) {
    Peer client = Client();
    for (int i = 0; i < requests; ++i) {
      client.Write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      const TestMessage answer = client.ReadMessage();
      ++statuses_[answer.status()];
      if (!answer.complete || answer.Field("connection") == "close") client = Client();
    }
  }

  std::array<std::atomic<int>, 1000> statuses_ = {};
  absl::Duration took_;
};

TEST_F(RetryStormTest, AllThatResetGetNoMoreThanTheBudget) { StormWhileAllFail(Resetting(), 502); }

TEST_F(RetryStormTest, TheSameWithSeveralWorkers) {
  workers = 2;
  StormWhileAllFail(Resetting(), 502);
}

TEST_F(RetryStormTest, AllThatAreBusyGetNoMoreThanTheBudget) {
  policy.retry_statuses.Add(503);
  StormWhileAllFail(Busy(), 503);
}

TEST_F(RetryStormTest, OneOfThreeThatResetsIsNotNoticed) {
  ScriptedUpstream bad(Resetting());
  ScriptedUpstream good(Good());
  ScriptedUpstream other(Good());
  Publish({bad.port(), good.port(), other.port()});
  Storm();
  EXPECT_EQ(Answers(200), kRequests);
  EXPECT_GT(failed_, 0);
}

// A third of all answers is more than the budget repairs, until the endpoint is found to be an
// outlier: clients see what is beyond the budget, and nothing else.
TEST_F(RetryStormTest, OneOfThreeThatIsBusyIsRepairedWithinTheBudget) {
  policy.retry_statuses.Add(503);
  ScriptedUpstream bad(Busy());
  ScriptedUpstream good(Good());
  ScriptedUpstream other(Good());
  Publish({bad.port(), good.port(), other.port()});
  Storm();
  const uint64_t beyond = ReasonCountOf(Reason::kRetryBudget);
  EXPECT_EQ(static_cast<uint64_t>(Answers(503)), beyond);
  EXPECT_EQ(Answers(200) + Answers(503), kRequests);
  EXPECT_EQ(engine().Stats().retries + beyond, static_cast<uint64_t>(failed_));
  EXPECT_LE(engine().Stats().retries, RetriesMax());
}

TEST_F(RetryStormTest, OneOfThreeThatIsBusyIsNotNoticedOnceItIsFound) {
  policy.retry_statuses.Add(503);
  ScriptedUpstream bad(Busy());
  ScriptedUpstream good(Good());
  ScriptedUpstream other(Good());
  Publish({bad.port(), good.port(), other.port()});
  for (int i = 0; i < 100 && engine().Stats().outliers_failing == 0; ++i) Storm();
  ASSERT_EQ(engine().Stats().outliers_failing, 1u) << "within about a second of its traffic";
  // What was under way, and probes, which are tried again.
  const int before = failed_;
  ForgetAnswers();
  Storm();
  EXPECT_EQ(Answers(200), kRequests);
  EXPECT_LE(failed_ - before, 5);
}

}  // namespace
}  // namespace pointsman::gateway
