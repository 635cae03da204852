#include "controller/shard/mailbox.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/core/error_reason.h"

namespace pointsman::controller {
namespace {

AgentReportInput Report(const std::string& agent, const std::string& service, uint64_t sequence) {
  AgentReportInput input;
  input.agent = agent;
  input.service = service;
  input.session = 1;
  input.sequence = sequence;
  return input;
}

ObservationsInput Observed(uint64_t session, absl::Duration window,
                           const std::vector<std::pair<uint32_t, uint64_t>>& requests) {
  ObservationsInput input;
  input.gateway = "edge";
  input.service = "web";
  input.session = session;
  input.window = window;
  for (const auto& [handle, count] : requests) {
    EndpointObservation& endpoint = input.endpoints.emplace_back();
    endpoint.handle = handle;
    endpoint.requests = count;
  }
  return input;
}

const AgentReportInput& ReportIn(const Waiting& waiting) {
  return std::get<AgentReportInput>(std::get<Input>(waiting.letter));
}

TEST(MailboxTest, NewestReportOfAnAgentAndServiceWins) {
  Mailbox mailbox;
  for (uint64_t sequence = 1; sequence <= 1000; ++sequence) {
    ASSERT_TRUE(mailbox.Post(Input(Report("a", "web", sequence))).ok());
  }
  ASSERT_TRUE(mailbox.Post(Input(Report("a", "api", 7))).ok());
  EXPECT_EQ(mailbox.counters().slots, 2u);
  EXPECT_EQ(mailbox.counters().conflated, 999u);
  const std::vector<Waiting> letters = mailbox.Take();
  ASSERT_EQ(letters.size(), 2u);
  EXPECT_EQ(ReportIn(letters[0]).service, "web");
  EXPECT_EQ(ReportIn(letters[0]).sequence, 1000u);
  EXPECT_EQ(ReportIn(letters[1]).sequence, 7u);
}

TEST(MailboxTest, ASlotWaitsSinceItsFirstReport) {
  Mailbox mailbox;
  const auto at = [](int64_t micros) { return common::MonotonicTime::FromMicros(micros); };
  ASSERT_TRUE(mailbox.Post(Input(Report("a", "web", 1)), at(10)).ok());
  ASSERT_TRUE(mailbox.Post(Input(Report("a", "web", 2)), at(20)).ok());
  ASSERT_TRUE(mailbox.Post(Input(TickInput{}), at(30)).ok());
  const std::vector<Waiting> letters = mailbox.Take();
  ASSERT_EQ(letters.size(), 2u);
  EXPECT_EQ(letters[0].since, at(30));
  EXPECT_EQ(ReportIn(letters[1]).sequence, 2u);
  EXPECT_EQ(letters[1].since, at(10));
}

TEST(MailboxTest, ReportsOfAnOlderSessionDoNotReplaceNewerOnes) {
  Mailbox mailbox;
  AgentReportInput newer = Report("a", "web", 1);
  newer.session = 9;
  ASSERT_TRUE(mailbox.Post(Input(newer)).ok());
  ASSERT_TRUE(mailbox.Post(Input(Report("a", "web", 50))).ok());
  EXPECT_EQ(ReportIn(mailbox.Take()[0]).session, 9u);
}

TEST(MailboxTest, ObservationsKeepEndpointsTheNewerOnesDoNotName) {
  Mailbox mailbox;
  ASSERT_TRUE(mailbox.Post(Input(Observed(1, absl::Seconds(1), {{1, 10}, {2, 20}}))).ok());
  ASSERT_TRUE(mailbox.Post(Input(Observed(1, absl::Seconds(1), {{2, 25}}))).ok());
  const std::vector<Waiting> letters = mailbox.Take();
  ASSERT_EQ(letters.size(), 1u);
  const auto& merged = std::get<ObservationsInput>(std::get<Input>(letters[0].letter));
  EXPECT_EQ(merged.window, absl::Seconds(2));
  ASSERT_EQ(merged.endpoints.size(), 2u);
  EXPECT_EQ(merged.endpoints[0].handle, 2u);
  EXPECT_EQ(merged.endpoints[0].requests, 25u);
  EXPECT_EQ(merged.endpoints[1].handle, 1u);
}

// A gateway that names other endpoints each time costs memory once, too.
TEST(MailboxTest, ASlotOfObservationsShedsWhatWasNamedLongestAgo) {
  MailboxLimits limits;
  limits.slot_endpoints_max = 3;
  Mailbox mailbox(limits);
  for (uint32_t handle = 1; handle <= 9; handle += 2) {
    ASSERT_TRUE(
        mailbox.Post(Input(Observed(1, absl::Seconds(1), {{handle, 1}, {handle + 1, 1}}))).ok());
  }
  EXPECT_EQ(mailbox.counters().shed, 7u);
  const std::vector<Waiting> letters = mailbox.Take();
  ASSERT_EQ(letters.size(), 1u);
  const auto& merged = std::get<ObservationsInput>(std::get<Input>(letters[0].letter));
  ASSERT_EQ(merged.endpoints.size(), 3u);
  EXPECT_EQ(merged.endpoints[0].handle, 9u);
  EXPECT_EQ(merged.endpoints[1].handle, 10u);
  EXPECT_EQ(merged.endpoints[2].handle, 7u);
}

TEST(MailboxTest, ObservationsOfAnotherVersionReplaceEndpointsButKeepTheWindow) {
  Mailbox mailbox;
  ASSERT_TRUE(mailbox.Post(Input(Observed(1, absl::Seconds(1), {{1, 10}}))).ok());
  ObservationsInput newer = Observed(1, absl::Seconds(1), {{2, 20}});
  newer.version = {1, 5};
  ASSERT_TRUE(mailbox.Post(Input(newer)).ok());
  const std::vector<Waiting> letters = mailbox.Take();
  const auto& merged = std::get<ObservationsInput>(std::get<Input>(letters[0].letter));
  EXPECT_EQ(merged.window, absl::Seconds(2));
  ASSERT_EQ(merged.endpoints.size(), 1u);
  EXPECT_EQ(merged.endpoints[0].handle, 2u);
}

TEST(MailboxTest, OrderedLettersKeepTheirOrderAndComeFirst) {
  Mailbox mailbox;
  ASSERT_TRUE(mailbox.Post(Input(Report("a", "web", 1))).ok());
  ASSERT_TRUE(mailbox.Post(Input(FreezeInput{true, "operator:x", ""})).ok());
  ASSERT_TRUE(mailbox.Post(Input(FreezeInput{false, "operator:x", ""})).ok());
  const std::vector<Waiting> letters = mailbox.Take();
  ASSERT_EQ(letters.size(), 3u);
  EXPECT_TRUE(std::get<FreezeInput>(std::get<Input>(letters[0].letter)).frozen);
  EXPECT_FALSE(std::get<FreezeInput>(std::get<Input>(letters[1].letter)).frozen);
  EXPECT_TRUE(std::holds_alternative<AgentReportInput>(std::get<Input>(letters[2].letter)));
}

TEST(MailboxTest, RefusesAtItsLimitsAndCounts) {
  MailboxLimits limits;
  limits.lane_max = 2;
  limits.slots_max = 1;
  Mailbox mailbox(limits);
  EXPECT_TRUE(mailbox.Post(Input(TickInput{})).ok());
  EXPECT_TRUE(mailbox.Post(Input(TickInput{})).ok());
  const absl::Status full = mailbox.Post(Input(TickInput{}));
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(common::ReasonOf(full), "MAILBOX_FULL");
  EXPECT_TRUE(mailbox.Post(Input(Report("a", "web", 1))).ok());
  EXPECT_TRUE(mailbox.Post(Input(Report("a", "web", 2))).ok());  // Conflates.
  EXPECT_EQ(mailbox.Post(Input(Report("b", "web", 1))).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(mailbox.counters().refused, 2u);
  EXPECT_EQ(mailbox.Take().size(), 3u);
  EXPECT_TRUE(mailbox.Post(Input(Report("b", "web", 1))).ok());
}

TEST(MailboxTest, KeepsAReserveForWhatNobodySaysAgain) {
  MailboxLimits limits;
  limits.lane_max = 1;
  limits.lane_reserve = 4;
  Mailbox mailbox(limits);
  EXPECT_TRUE(mailbox.Post(Input(TickInput{})).ok());
  EXPECT_FALSE(mailbox.Post(Input(AgentHelloInput{})).ok());
  EXPECT_TRUE(mailbox.Post(Input(ConfigInput{})).ok());
  EXPECT_TRUE(mailbox.Post(Input(EpochInput{})).ok());
  EXPECT_TRUE(mailbox.Post(Input(FreezeInput{})).ok());
  EXPECT_TRUE(mailbox.Post(Input(AgentGoneInput{})).ok());
  EXPECT_FALSE(mailbox.Post(Input(GatewayGoneInput{})).ok()) << "the reserve has an end, too";
  EXPECT_EQ(mailbox.Take().size(), 5u);
}

TEST(MailboxTest, ConflatesShortAndLongNamesAlike) {
  // Short strings live inside the object: keys must follow it when it is replaced.
  Mailbox mailbox;
  const std::string long_name(60, 'x');
  for (int round = 0; round < 3; ++round) {
    for (const std::string& name : {std::string("a"), long_name}) {
      ASSERT_TRUE(mailbox.Post(Input(Report(name, "s", static_cast<uint64_t>(round)))).ok());
    }
  }
  EXPECT_EQ(mailbox.Take().size(), 2u);
}

TEST(MailboxTest, TellsTheMostUrgentThatWaits) {
  Mailbox mailbox;
  EXPECT_EQ(mailbox.Await(Urgency::kPatient, absl::ZeroDuration()), Urgency::kNone);
  ASSERT_TRUE(mailbox.Post(Input(Report("a", "web", 1)), {}, Urgency::kPatient).ok());
  EXPECT_EQ(mailbox.Await(Urgency::kPatient, absl::InfiniteDuration()), Urgency::kPatient);
  ASSERT_TRUE(mailbox.Post(Input(Report("b", "web", 1))).ok());
  ASSERT_TRUE(mailbox.Post(Input(Report("c", "web", 1)), {}, Urgency::kPatient).ok());
  EXPECT_EQ(mailbox.Await(Urgency::kNow, absl::InfiniteDuration()), Urgency::kNow);
  EXPECT_EQ(mailbox.Take().size(), 3u);
  EXPECT_EQ(mailbox.Await(Urgency::kPatient, absl::ZeroDuration()), Urgency::kNone);
}

TEST(MailboxTest, PatientLettersDoNotWakeWhoWaitsForUrgentOnes) {
  Mailbox mailbox;
  std::atomic<bool> woken{false};
  std::thread owner([&] {
    while (mailbox.Await(Urgency::kNow, absl::Seconds(60)) != Urgency::kNow) {
    }
    EXPECT_EQ(mailbox.Take().size(), 2u);
    woken = true;
  });
  ASSERT_TRUE(mailbox.Post(Input(Report("a", "web", 1)), {}, Urgency::kPatient).ok());
  EXPECT_FALSE(woken);
  ASSERT_TRUE(mailbox.Post(Input(Report("b", "web", 1))).ok());
  owner.join();
}

TEST(MailboxTest, EveryReportersNewestArrivesWhileManyThreadsPost) {
  constexpr int kThreads = 4;
  constexpr uint64_t kReports = 2000;
  Mailbox mailbox;
  std::atomic<int> running{kThreads};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t sequence = 1; sequence <= kReports; ++sequence) {
        EXPECT_TRUE(mailbox.Post(Input(Report(absl::StrCat("a", t), "web", sequence))).ok());
      }
      --running;
      mailbox.Wake();
    });
  }
  std::map<std::string, uint64_t> newest;
  for (bool last = false; !last;) {
    last = running == 0;
    mailbox.Await(Urgency::kPatient, absl::Milliseconds(50));
    for (const Waiting& letter : mailbox.Take()) {
      const AgentReportInput& report = ReportIn(letter);
      EXPECT_GT(report.sequence, newest[report.agent]);
      newest[report.agent] = report.sequence;
    }
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_EQ(newest.size(), static_cast<size_t>(kThreads));
  for (const auto& [agent, sequence] : newest) EXPECT_EQ(sequence, kReports) << agent;
}

}  // namespace
}  // namespace pointsman::controller
