#include "sim/world/record.h"

#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/core/codes.h"
#include "gateway/core/table_state.h"
#include "gtest/gtest.h"
#include "sim/world/host.h"

namespace pointsman::sim {
namespace {

using common::MonotonicTime;

constexpr uint32_t kEndpoints = 3;
constexpr absl::Duration kBegins = absl::Seconds(10);

WorldOptions Options() {
  WorldOptions options;
  options.endpoints.resize(kEndpoints);
  options.gateways = 2;
  FaultSpec fault;
  fault.endpoints = {1};
  fault.begins = kBegins;
  fault.lasts = absl::Seconds(20);
  options.faults = {fault};
  return options;
}

class RecordTest : public ::testing::Test {
 protected:
  // To `seconds` after measuring began.
  void To(double seconds) { queue.RunUntil(from + absl::Seconds(seconds)); }
  // Weights of endpoints 0 to 2; 0: not routable.
  void Table(size_t gateway, std::vector<uint32_t> weights) {
    v1::Bundle bundle;
    ++revision;
    bundle.mutable_config()->mutable_version()->set_epoch(1);
    bundle.mutable_config()->mutable_version()->set_revision(revision);
    bundle.mutable_config()->mutable_config()->add_services()->set_name("services/web");
    v1::SliceFrame& frame = *bundle.add_frames();
    frame.set_service(kService);
    frame.set_epoch(1);
    frame.set_to(revision);
    frame.mutable_head()->set_revision(revision);
    for (uint32_t i = 0; i < kEndpoints; ++i) {
      v1::EndpointEntry& entry = *frame.add_entries();
      entry.set_handle(i + 1);
      entry.set_revision(revision);
      entry.set_info_revision(1);
      entry.mutable_info()->set_id(EndpointId(i));
      entry.mutable_info()->set_address(EndpointAddress(i));
      entry.set_verdict(v1::VERDICT_HEALTHY);
      entry.set_weight(std::max(weights[i], 1u));
      entry.set_routable(weights[i] > 0);
    }
    const gateway::BundleResult applied = state.Apply(bundle, queue.now());
    ASSERT_TRUE(applied.refused.empty()) << applied.refused[0].refusal.detail;
    record.OnTable(gateway, *state.Build().table->services[0]);
  }
  void Verdict(uint32_t endpoint, v1::Verdict verdict, v1::Reason reason = v1::REASON_UNREACHABLE,
               bool confirmed = false) {
    controller::EventOut event;
    event.type = controller::kEventEndpointVerdict;
    event.subject = absl::StrCat("services/web/endpoints/", EndpointId(endpoint));
    event.details = {{"from", v1::Verdict_Name(verdicts[endpoint])},
                     {"to", v1::Verdict_Name(verdict)},
                     {"reason", v1::Reason_Name(reason)}};
    if (confirmed) event.details.emplace_back("confirmed", "true");
    record.OnEvent(event);
    verdicts[endpoint] = verdict;
  }
  const WorldResult& result() { return record.result(); }

  EventQueue queue;
  const WorldOptions options = Options();
  const MonotonicTime from = MonotonicTime::FromMicros(1'000'000'000);
  Record record{queue, options, from};
  gateway::EndpointCells cells{1};
  gateway::TableState state{cells, {}};
  uint64_t revision = 0;
  std::map<uint32_t, v1::Verdict> verdicts = {
      {0, v1::VERDICT_STARTING}, {1, v1::VERDICT_STARTING}, {2, v1::VERDICT_STARTING}};
};

TEST_F(RecordTest, CountsRequestsOfTheMeasuredTimeOnly) {
  queue.RunUntil(from - absl::Seconds(1));
  record.OnRequestEnd({Ending::kOk, absl::Milliseconds(5), 1, 0});
  EXPECT_EQ(result().requests, 0u);
  To(1);
  record.OnRequestEnd({Ending::kOk, absl::Milliseconds(20), 2, 0});
  record.OnRequestEnd({Ending::kServerError, absl::Milliseconds(1), 1, 0});
  record.OnRequestEnd({Ending::kFailed, absl::Seconds(3), 3, 1});
  record.OnRequestEnd({Ending::kTurnedAway, absl::ZeroDuration(), 0, 1});
  EXPECT_EQ(result().requests, 4u);
  EXPECT_EQ(result().ok, 1u);
  EXPECT_EQ(result().errors(), 3u);
  EXPECT_EQ(result().tries, 6u);
  EXPECT_EQ(result().latency.max(), 20'000);
}

TEST_F(RecordTest, TellsWhenTheFirstAndWhenEveryGatewayIsRidOfAFault) {
  To(1);
  Table(0, {100, 100, 100});
  Table(1, {100, 100, 100});
  To(12);
  Table(1, {100, 0, 100});
  To(13);
  Table(0, {100, 51, 100});
  EXPECT_EQ(result().faults[0].first, absl::Seconds(2));
  EXPECT_EQ(result().faults[0].all, std::nullopt);
  EXPECT_EQ(result().faults[0].halved, std::nullopt);
  To(14);
  Table(0, {200, 100, 200});  // Beside the others it counts.
  EXPECT_EQ(result().faults[0].halved, absl::Seconds(4));
  To(15.5);
  Table(0, {100, 0, 100});
  EXPECT_EQ(result().faults[0].all, absl::Seconds(5.5));
}

TEST_F(RecordTest, TellsWhenEveryGatewayUsesThemAgain) {
  To(1);
  Table(0, {100, 100, 100});
  Table(1, {100, 100, 100});
  To(12);
  Table(0, {100, 0, 100});
  Table(0, {100, 100, 100});
  EXPECT_EQ(result().faults[0].back, std::nullopt) << "not every one had left it";
  Table(0, {100, 0, 100});
  Table(1, {100, 0, 100});
  To(35);
  Table(0, {100, 1, 100});
  EXPECT_EQ(result().faults[0].back, std::nullopt);
  To(36);
  Table(1, {100, 1, 100});
  EXPECT_EQ(result().faults[0].back, absl::Seconds(26));
}

TEST_F(RecordTest, LooksOnlyWhileTheFaultLasts) {
  To(5);
  Table(0, {100, 0, 100});
  Table(1, {100, 0, 100});
  To(31);
  Table(0, {100, 0, 100});
  EXPECT_EQ(result().faults[0].first, std::nullopt);
}

TEST_F(RecordTest, AnEjectionIsFalseWithoutAFault) {
  To(1);
  for (uint32_t i = 0; i < kEndpoints; ++i) Verdict(i, v1::VERDICT_HEALTHY);
  To(12);
  Verdict(1, v1::VERDICT_UNHEALTHY);
  EXPECT_EQ(result().ejections, 1u);
  EXPECT_EQ(result().false_ejections, 0u);
  Verdict(2, v1::VERDICT_UNHEALTHY);
  EXPECT_EQ(result().false_ejections, 1u);
  // What a fault leaves behind is its own for a while.
  Verdict(1, v1::VERDICT_HEALTHY);
  To(40);
  Verdict(1, v1::VERDICT_UNHEALTHY);
  EXPECT_EQ(result().false_ejections, 1u);
  Verdict(1, v1::VERDICT_HEALTHY);
  To(46);
  Verdict(1, v1::VERDICT_UNHEALTHY);
  EXPECT_EQ(result().false_ejections, 2u);
  EXPECT_EQ(result().verdict_changes_most, 6u);
  ASSERT_EQ(result().first_ejections.size(), 4u);
  EXPECT_EQ(result().first_ejections[0].at, absl::Seconds(12));
  EXPECT_EQ(result().first_ejections[0].reason, v1::REASON_UNREACHABLE);
  EXPECT_TRUE(result().first_ejections[0].by_fault);
  EXPECT_FALSE(result().first_ejections[3].by_fault);
}

TEST_F(RecordTest, MoreRemovalsThanTheCapAllowsBreakARule) {
  To(1);
  const auto serve = [this] {
    for (uint32_t i = 0; i < kEndpoints; ++i) Verdict(i, v1::VERDICT_HEALTHY);
  };
  serve();
  Verdict(0, v1::VERDICT_UNHEALTHY, v1::REASON_CHECKS_FAILED);
  Verdict(1, v1::VERDICT_UNHEALTHY, v1::REASON_CHECKS_FAILED, true);
  serve();
  Verdict(1, v1::VERDICT_UNHEALTHY, v1::REASON_UNREACHABLE);
  EXPECT_TRUE(result().violations.empty()) << result().violations[0];
  To(30);
  Verdict(2, v1::VERDICT_UNHEALTHY, v1::REASON_AGENT_SILENT);
  ASSERT_EQ(result().violations.size(), 1u);
  EXPECT_NE(result().violations[0].find("2 removals within the window, 1 allowed"),
            std::string::npos);
  To(62);
  serve();
  Verdict(0, v1::VERDICT_UNHEALTHY, v1::REASON_TRAFFIC_FAILURES);
  EXPECT_EQ(result().violations.size(), 1u);
}

TEST_F(RecordTest, WhoIsOutOfUseWithoutAnEventBreaksARule) {
  for (uint32_t i = 0; i < kEndpoints; ++i) Verdict(i, v1::VERDICT_HEALTHY);
  Table(0, {100, 100, 100});
  Verdict(1, v1::VERDICT_UNHEALTHY);
  Table(0, {100, 0, 100});
  Verdict(1, v1::VERDICT_HEALTHY);
  Table(0, {100, 100, 100});
  EXPECT_TRUE(result().violations.empty());
  Table(0, {0, 100, 100});
  ASSERT_EQ(result().violations.size(), 1u);
  EXPECT_NE(result().violations[0].find("e0 is out of use in gateway-0"), std::string::npos);
}

TEST_F(RecordTest, TheDigestIsOfEverythingSeen) {
  Record other(queue, options, from);
  To(1);
  const RequestEnd end{Ending::kOk, absl::Milliseconds(5), 1, 0};
  record.OnRequestEnd(end);
  other.OnRequestEnd(end);
  EXPECT_EQ(record.result().digest, other.result().digest);
  To(2);
  record.OnRequestEnd(end);
  other.OnRequestEnd({Ending::kOk, absl::Milliseconds(5), 1, 1});
  EXPECT_NE(record.result().digest, other.result().digest);
}

TEST_F(RecordTest, KeepsTheFirstViolations) {
  To(2.5);
  for (int i = 0; i < 30; ++i) record.OnViolation(absl::StrCat("rule ", i));
  ASSERT_EQ(result().violations.size(), Record::kViolationsMax);
  EXPECT_EQ(result().violations[1], "at 2.5 s: rule 1");
}

}  // namespace
}  // namespace pointsman::sim
