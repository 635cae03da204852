#include "agent/core/saved_state.h"

#include <random>

#include "gtest/gtest.h"

namespace pointsman::agent {
namespace {

SavedState Example() {
  SavedState state;
  state.host_boot = "6f1c-boot";
  state.boot_id = 42;
  state.reserved_id = 1000;
  state.services.push_back({"web", std::string("\0bytes\n", 7), {1, 2, 3}});
  state.services.push_back({"api", "", {}});
  SavedInstance& instance = state.instances.emplace_back();
  instance.service = "web";
  instance.id = "web-1";
  instance.restarts = 7;
  instance.process_seen = true;
  instance.pid = 4711;
  instance.process_start = 99;
  instance.requests = {5, 6, true};
  instance.restart = {
      .tries = 2, .earliest_micros = 99, .request_id = 12, .lease_until_micros = 13};
  instance.checks.push_back({"http", {v1::CHECK_STATUS_PASSING, 123, 456}});
  return state;
}

TEST(SavedStateTest, ComesBackAsItWas) {
  const absl::StatusOr<SavedState> state = DecodeState(EncodeState(Example()));
  ASSERT_TRUE(state.ok()) << state.status().message();
  EXPECT_EQ(EncodeState(*state), EncodeState(Example()));
  EXPECT_EQ(state->services[0].assignment, std::string("\0bytes\n", 7));
  EXPECT_EQ(state->services[0].restart_starts_micros, (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ(state->instances[0].checks[0].machine.status, v1::CHECK_STATUS_PASSING);
  EXPECT_EQ(state->instances[0].checks[0].machine.usual_micros, 456);
  EXPECT_EQ(state->instances[0].restart.request_id, 12u);
}

TEST(SavedStateTest, AnOlderAgentDidNotWriteWhatRunsUsuallyTake) {
  std::string text = EncodeState(Example());
  text.replace(text.find(" 123 456"), 8, " 123");
  const absl::StatusOr<SavedState> state = DecodeState(text);
  ASSERT_TRUE(state.ok()) << state.status().message();
  EXPECT_EQ(state->instances[0].checks[0].machine.usual_micros, 0);
}

TEST(SavedStateTest, EveryTruncationIsRefused) {
  const std::string text = EncodeState(Example());
  // The last newline alone may be missing.
  for (size_t size = 0; size + 1 < text.size(); ++size) {
    EXPECT_FALSE(DecodeState(text.substr(0, size)).ok()) << size;
  }
}

TEST(SavedStateTest, AnyFlippedByteIsRefusedOrReadable) {
  const std::string text = EncodeState(Example());
  std::mt19937 random(7);
  for (int i = 0; i < 2000; ++i) {
    std::string bad = text;
    bad[random() % bad.size()] = static_cast<char>(random());
    const absl::StatusOr<SavedState> state = DecodeState(bad);
    if (state.ok()) EncodeState(*state);
  }
  EXPECT_FALSE(DecodeState(std::string(1 << 20, 'x')).ok());
  EXPECT_FALSE(DecodeState("pointsman-agent-state 1\nboot - 0 0\nend\n").ok());
}

}  // namespace
}  // namespace pointsman::agent
