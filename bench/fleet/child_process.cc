#include "bench/fleet/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/core/check.h"

namespace pointsman::bench {
namespace {

// Waits up to `timeout` for the child's end; true when it ended.
bool Reap(pid_t pid, absl::Duration timeout) {
  const common::MonotonicTime deadline = common::SystemClock().Now() + timeout;
  for (;;) {
    if (waitpid(pid, nullptr, WNOHANG) != 0) return true;
    if (common::SystemClock().Now() > deadline) return false;
    timespec turn{0, 5'000'000};
    nanosleep(&turn, nullptr);
  }
}

}  // namespace

absl::StatusOr<ChildProcess> ChildProcess::Start(const std::vector<std::string>& argv,
                                                 const std::string& log_path) {
  const pid_t pid = fork();
  if (pid < 0) return absl::InternalError("fork failed");
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int log = open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (log >= 0) {
      dup2(log, 1);
      dup2(log, 2);
    }
    std::vector<char*> raw;
    raw.reserve(argv.size() + 1);
    for (const std::string& arg : argv) raw.push_back(const_cast<char*>(arg.c_str()));
    raw.push_back(nullptr);
    execv(raw[0], raw.data());
    _exit(127);
  }
  return ChildProcess(pid);
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}

ChildProcess::~ChildProcess() {
  if (pid_ <= 0) return;
  kill(pid_, SIGTERM);
  if (Reap(pid_, absl::Seconds(5))) return;
  kill(pid_, SIGKILL);
  Reap(pid_, absl::Seconds(5));
}

absl::Duration ChildProcess::CpuTime() const {
  clockid_t clock;
  timespec ts{};
  if (clock_getcpuclockid(pid_, &clock) != 0 || clock_gettime(clock, &ts) != 0) {
    return absl::ZeroDuration();
  }
  return absl::DurationFromTimespec(ts);
}

std::map<std::string, absl::Duration> ChildProcess::CpuTimeByThreadName() const {
  std::map<std::string, absl::Duration> times;
  std::error_code error;
  for (const auto& task :
       std::filesystem::directory_iterator(absl::StrCat("/proc/", pid_, "/task"), error)) {
    std::string name;
    int64_t nanos = 0;  // On a CPU, by the scheduler's count.
    std::getline(std::ifstream(task.path() / "comm"), name);
    std::ifstream(task.path() / "schedstat") >> nanos;
    times[name] += absl::Nanoseconds(nanos);
  }
  return times;
}

uint64_t ChildProcess::RssAnonBytes() const {
  std::ifstream status(absl::StrCat("/proc/", pid_, "/status"));
  std::string word;
  while (status >> word) {
    if (word != "RssAnon:") continue;
    uint64_t kib = 0;
    status >> kib;
    return kib * 1024;
  }
  return 0;
}

absl::StatusOr<std::string> WaitForFile(const std::string& path, absl::Duration timeout) {
  const common::MonotonicTime deadline = common::SystemClock().Now() + timeout;
  while (common::SystemClock().Now() < deadline) {
    std::ifstream file(path);
    std::string content((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    if (!content.empty()) return content;
    timespec turn{0, 10'000'000};
    nanosleep(&turn, nullptr);
  }
  return absl::DeadlineExceededError(absl::StrCat(path, " did not appear"));
}

std::string JsonField(const std::string& json, const std::string& key) {
  const nlohmann::json parsed = nlohmann::json::parse(json, nullptr, false);
  if (!parsed.is_object() || !parsed.contains(key)) return "";
  return parsed[key].is_string() ? parsed[key].get<std::string>() : parsed[key].dump();
}

ScratchFolder::ScratchFolder() {
  std::string pattern =
      (std::filesystem::temp_directory_path() / "pointsman-bench-XXXXXX").string();
  PM_CHECK(mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace pointsman::bench
