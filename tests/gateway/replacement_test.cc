// New processes that are no gateway: all of them must leave the old one as it was.

#include "gateway/replacement.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>

#include <cerrno>

#include "common/clock.h"

namespace pointsman::gateway {
namespace {

// What a shell as the new process leads to.
absl::Status OutcomeOf(const std::string& script, absl::Duration wait = absl::Seconds(20)) {
  const ProgramStart program{"/bin/sh", {"sh", "-c", script}};
  const common::Clock& clock = common::SystemClock();
  auto begun = Replacement::Begin(program, {}, clock.Now() + wait);
  if (!begun.ok()) return begun.status();
  while (true) {
    auto outcome = (*begun)->Poll(clock.Now());
    if (outcome.has_value()) return outcome->status();
    pollfd waiting{(*begun)->fd(), POLLIN, 0};
    poll(&waiting, 1, 10);
  }
}

TEST(ReplacementTest, AProgramThatCannotBeStartedIsNamed) {
  const ProgramStart program{"/nonexistent/gateway", {"gateway"}};
  const auto begun = Replacement::Begin(program, {}, common::SystemClock().Now());
  EXPECT_EQ(begun.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(begun.status().message().find("/nonexistent/gateway"), absl::string_view::npos);
  EXPECT_EQ(Replacement::Begin({}, {}, common::SystemClock().Now()).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST(ReplacementTest, AProcessThatEndsIsNoReplacement) {
  EXPECT_EQ(OutcomeOf("exit 7").code(), absl::StatusCode::kUnavailable);
}

TEST(ReplacementTest, AProcessThatSaysNothingIsEndedAtTheDeadline) {
  const ProgramStart program{"/bin/sh", {"sh", "-c", "kill -STOP $$"}};
  const common::Clock& clock = common::SystemClock();
  pid_t pid = 0;
  {
    auto begun = Replacement::Begin(program, {}, clock.Now());
    ASSERT_TRUE(begun.ok()) << begun.status();
    pid = (*begun)->pid();
    EXPECT_EQ((*begun)->Poll(clock.Now())->status().code(), absl::StatusCode::kDeadlineExceeded);
  }
  EXPECT_EQ(kill(pid, 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

TEST(ReplacementTest, TheStartOfThisProgramIsKnown) {
  char name[] = "name";
  char flag[] = "--flag";
  char* argv[] = {name, flag, nullptr};
  const ProgramStart start = ProgramStartOf(2, argv);
  EXPECT_EQ(start.arguments, (std::vector<std::string>{"name", "--flag"}));
  EXPECT_EQ(start.file.front(), '/');
}

}  // namespace
}  // namespace pointsman::gateway
