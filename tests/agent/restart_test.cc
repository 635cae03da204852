// Real processes: actions, services that outlive the agent, ends that are seen at once.

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/load/proc_text.h"
#include "agent/restart/process_watch.h"
#include "agent/restart/restart_runner.h"
#include "agent/restart/spawn.h"
#include "common/clock.h"
#include "gtest/gtest.h"

namespace pointsman::agent {
namespace {

using Sight = ProcessInput::Sight;

class RestartTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/pm-restart-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
  }
  void TearDown() override {
    for (const int64_t pid : kill_) kill(static_cast<pid_t>(pid), SIGKILL);
    std::filesystem::remove_all(folder_);
  }

  // Waits on `fd` until `runner` has an outcome.
  RestartOutcome Await(RestartRunner& runner) {
    const common::MonotonicTime deadline = common::SystemClock().Now() + absl::Seconds(20);
    while (common::SystemClock().Now() < deadline) {
      const std::vector<RestartOutcome> outcomes = runner.Poll();
      if (!outcomes.empty()) return outcomes[0];
      const absl::Duration left = runner.NextDue() - common::SystemClock().Now();
      pollfd waiting{runner.fd(), POLLIN, 0};
      poll(&waiting, 1,
           static_cast<int>(absl::ToInt64Milliseconds(std::min(left, absl::Seconds(1)))) + 1);
    }
    ADD_FAILURE() << "the action did not end";
    return {};
  }

  RestartOutcome Run(const RestartAction& action) {
    RestartRunner runner(common::SystemClock(), folder_);
    runner.Start("web/web-1", action);
    return Await(runner);
  }

  static RestartAction Oneshot(std::vector<std::string> argv,
                               absl::Duration timeout = absl::Seconds(10)) {
    return {.argv = std::move(argv), .timeout = timeout, .output = "", .directory = ""};
  }

  int64_t StartSleeper() {
    const absl::StatusOr<int64_t> pid =
        Spawn({.argv = {"/bin/sleep", "600"}, .output = "", .detached = true});
    EXPECT_TRUE(pid.ok()) << pid.status().message();
    if (!pid.ok()) return 0;
    kill_.push_back(*pid);
    return *pid;
  }

  // Fields of /proc/PID/stat after the name: [0] state, [1] parent, [3] session.
  static std::vector<std::string> StatOf(int64_t pid) {
    std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
    std::string text{std::istreambuf_iterator<char>(file), {}};
    std::istringstream words(text.substr(text.rfind(')') + 1));
    return {std::istream_iterator<std::string>(words), {}};
  }

  std::string folder_;
  std::vector<int64_t> kill_;
};

TEST_F(RestartTest, RunsTheArgvAsItIs) {
  const std::string path = folder_ + "/made $(by) us; *";
  const RestartOutcome outcome = Run(Oneshot({"/usr/bin/touch", path}));
  EXPECT_TRUE(outcome.ok) << outcome.detail;
  EXPECT_EQ(outcome.name, "web/web-1");
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(RestartTest, AFailedActionSaysHowAndShowsItsOutput) {
  const RestartOutcome outcome = Run(Oneshot({"/bin/ls", folder_ + "/absent"}));
  EXPECT_FALSE(outcome.ok);
  EXPECT_TRUE(absl::StrContains(outcome.detail, "exit status 2: ")) << outcome.detail;
  EXPECT_TRUE(absl::StrContains(outcome.output, "absent"));
}

TEST_F(RestartTest, OutputIsBounded) {
  const RestartOutcome outcome = Run(Oneshot({"/usr/bin/seq", "100000"}));
  EXPECT_TRUE(outcome.ok);
  EXPECT_EQ(outcome.output.size(), kRestartOutputBytesMax);
}

TEST_F(RestartTest, AnActionThatDoesNotEndIsKilled) {
  const RestartOutcome outcome = Run(Oneshot({"/bin/sleep", "600"}, absl::Milliseconds(50)));
  EXPECT_FALSE(outcome.ok);
  EXPECT_EQ(outcome.detail, "timeout");
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);  // Nothing of it is left.
}

TEST_F(RestartTest, AProgramThatIsNotThereFails) {
  for (const RestartAction::Kind kind :
       {RestartAction::Kind::kOneshot, RestartAction::Kind::kSimple}) {
    RestartAction action = Oneshot({folder_ + "/absent"});
    action.kind = kind;
    const RestartOutcome outcome = Run(action);
    EXPECT_FALSE(outcome.ok);
    EXPECT_TRUE(absl::StrContains(outcome.detail, "exec: No such file")) << outcome.detail;
    EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  }
}

TEST_F(RestartTest, ASimpleServiceIsNobodysChildAndLeadsItsSession) {
  RestartAction action = Oneshot({"/bin/sleep", "600"});
  action.kind = RestartAction::Kind::kSimple;
  action.output = folder_ + "/service.log";
  const RestartOutcome outcome = Run(action);
  ASSERT_TRUE(outcome.ok) << outcome.detail;
  kill_.push_back(outcome.pid);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);  // No child of ours.
  const std::vector<std::string> stat = StatOf(outcome.pid);
  ASSERT_GT(stat.size(), 3u);
  EXPECT_NE(stat[1], absl::StrCat(getpid()));
  EXPECT_EQ(stat[3], absl::StrCat(outcome.pid));
  EXPECT_TRUE(std::filesystem::exists(action.output));
}

TEST_F(RestartTest, AServiceOutlivesTheAgentThatStartedIt) {
  int pipe_fds[2];
  ASSERT_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
  const pid_t agent = fork();
  ASSERT_GE(agent, 0);
  if (agent == 0) {
    const absl::StatusOr<int64_t> pid =
        Spawn({.argv = {"/bin/sleep", "600"}, .output = "", .detached = true});
    const int64_t number = pid.ok() ? *pid : 0;
    if (write(pipe_fds[1], &number, sizeof(number)) != sizeof(number)) _exit(1);
    pause();
    _exit(0);
  }
  int64_t service = 0;
  ASSERT_EQ(read(pipe_fds[0], &service, sizeof(service)), static_cast<ssize_t>(sizeof(service)));
  ASSERT_GT(service, 0);
  kill_.push_back(service);
  kill(agent, SIGKILL);
  waitpid(agent, nullptr, 0);
  EXPECT_EQ(kill(static_cast<pid_t>(service), 0), 0);
  EXPECT_NE(StatOf(service)[0], "Z");
  close(pipe_fds[0]);
  close(pipe_fds[1]);
}

TEST_F(RestartTest, ChildrenInheritNoDescriptorAndNoBlockedSignal) {
  const int leaked = open("/dev/null", O_RDONLY);  // Without O_CLOEXEC.
  ASSERT_GE(leaked, 0);
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
  const RestartOutcome fds = Run(Oneshot({"/bin/ls", "-l", "/proc/self/fd"}));
  const RestartOutcome status = Run(Oneshot({"/bin/cat", "/proc/self/status"}));
  pthread_sigmask(SIG_UNBLOCK, &blocked, nullptr);
  close(leaked);
  EXPECT_FALSE(absl::StrContains(fds.output, absl::StrCat(" ", leaked, " -> /dev/null")))
      << fds.output;
  EXPECT_TRUE(absl::StrContains(status.output, "SigBlk:\t0000000000000000")) << status.output;
  EXPECT_TRUE(absl::StrContains(status.output, "SigIgn:\t0000000000000000")) << status.output;
}

class ProcessWatchTest : public RestartTest {
 protected:
  InstanceConfig Instance() {
    InstanceConfig instance;
    instance.service = "web";
    instance.id = "web-1";
    instance.pid_file = folder_ + "/web.pid";
    return instance;
  }
  void WritePid(int64_t pid) { std::ofstream(folder_ + "/web.pid") << pid << "\n"; }
  std::vector<ProcessInput> AwaitEnd() {
    pollfd waiting{watch_.fd(), POLLIN, 0};
    EXPECT_EQ(poll(&waiting, 1, 20'000), 1);
    return watch_.TakeEnded();
  }

  ProcessWatch watch_;
};

TEST_F(ProcessWatchTest, SeesAProcessOfAPidFileAndItsEndAtOnce) {
  watch_.SetInstances({Instance()}, {KnownProcess()});
  EXPECT_TRUE(watch_.Refresh().empty());
  const int64_t pid = StartSleeper();
  WritePid(pid);
  std::vector<ProcessInput> seen = watch_.Refresh();
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].sight, Sight::kRunning);
  EXPECT_EQ(watch_.pid(0), pid);
  kill(static_cast<pid_t>(pid), SIGKILL);
  seen = AwaitEnd();
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].sight, Sight::kGone);
  EXPECT_EQ(watch_.pid(0), 0);
  EXPECT_TRUE(watch_.TakeEnded().empty());  // Told once.
  EXPECT_TRUE(watch_.Refresh().empty());
  // Another process takes its place.
  const int64_t other = StartSleeper();
  WritePid(other);
  seen = watch_.Refresh();
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].pid, other);
}

TEST_F(ProcessWatchTest, FollowsAPidFileThatChangesUnderARunningProcess) {
  const int64_t first = StartSleeper();
  const int64_t second = StartSleeper();
  WritePid(first);
  watch_.SetInstances({Instance()}, {KnownProcess()});
  watch_.Refresh();
  WritePid(second);
  EXPECT_EQ(watch_.Refresh().at(0).pid, second);
}

TEST_F(ProcessWatchTest, NonsenseInAPidFileIsNoProcess) {
  watch_.SetInstances({Instance()}, {KnownProcess()});
  for (const char* text : {"", "abc", "-5", "0", "1", "99999999999999999999", "3.5", "\n\n"}) {
    std::ofstream(folder_ + "/web.pid") << text;
    EXPECT_TRUE(watch_.Refresh().empty()) << text;
  }
}

TEST_F(ProcessWatchTest, WatchesWhatTheAgentStartedAndWhatItKnewBefore) {
  InstanceConfig instance = Instance();
  instance.pid_file.clear();
  watch_.SetInstances({instance}, {KnownProcess()});
  const int64_t pid = StartSleeper();
  watch_.Adopt(0, pid);
  const ProcessInput seen = watch_.Refresh().at(0);
  EXPECT_EQ(seen.pid, pid);
  const KnownProcess known{pid, seen.start};
  ProcessWatch next;
  next.SetInstances({instance}, {known});
  EXPECT_EQ(next.Refresh().at(0).sight, Sight::kRunning);
  kill(static_cast<pid_t>(pid), SIGKILL);
  EXPECT_EQ(AwaitEnd().at(0).sight, Sight::kGone);
  ProcessWatch late;
  late.SetInstances({instance}, {known});
  EXPECT_EQ(late.Refresh().at(0).sight, Sight::kGone);
}

TEST_F(ProcessWatchTest, ANumberThatIsAnothersNowIsGone) {
  InstanceConfig instance = Instance();
  instance.pid_file.clear();
  watch_.SetInstances({instance}, {KnownProcess()});
  const int64_t pid = StartSleeper();
  watch_.Adopt(0, pid);
  const uint64_t start = watch_.Refresh().at(0).start;
  ASSERT_GT(start, 0u);
  ProcessWatch next;
  next.SetInstances({instance}, {KnownProcess{pid, start - 1}});
  EXPECT_EQ(next.Refresh().at(0).sight, Sight::kGone);
  EXPECT_EQ(next.pid(0), 0);
}

TEST_F(ProcessWatchTest, AReloadKeepsWhatStays) {
  WritePid(StartSleeper());
  InstanceConfig other = Instance();
  other.id = "web-2";
  other.pid_file.clear();
  watch_.SetInstances({Instance()}, {KnownProcess()});
  watch_.Refresh();
  const int64_t pid = watch_.pid(0);
  watch_.SetInstances({other, Instance()}, {KnownProcess(), KnownProcess()});
  EXPECT_EQ(watch_.pid(0), 0);
  EXPECT_EQ(watch_.pid(1), pid);
}

}  // namespace
}  // namespace pointsman::agent
