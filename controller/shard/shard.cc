#include "controller/shard/shard.h"

#include <algorithm>
#include <utility>

#include "common/thread_name.h"

namespace pointsman::controller {
namespace {

// The core is ticked at least this often.
constexpr absl::Duration kTickPeriod = absl::Seconds(1);

}  // namespace

Shard::Shard(const ShardOptions& options, const common::Clock& clock, EffectSink& sink,
             const MailboxLimits& limits)
    : clock_(clock), sink_(sink), mailbox_(limits), core_(options) {}

Shard::~Shard() { Stop(); }

void Shard::Start() {
  wake_at_ = clock_.Now();
  thread_ = common::NamedThread("pm-shard", [this] { Run(); });
}

void Shard::Stop() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  mailbox_.Wake();
  thread_.join();
}

void Shard::Run() {
  for (;;) {
    AwaitLetters();
    std::vector<Waiting> letters = mailbox_.Take();
    const common::MonotonicTime start = clock_.Now();
    for (Waiting& waiting : letters) Open(std::move(waiting));
    if (const common::MonotonicTime now = clock_.Now(); now >= wake_at_) {
      lag_micros_ = absl::ToInt64Microseconds(now - wake_at_);
      wake_at_ = now + kTickPeriod;
      Open({Input(TickInput{}), now});
    }
    {
      common::MutexLock lock(counters_mutex_);
      counters_ = core_.counters();
    }
    busy_micros_ += absl::ToInt64Microseconds(clock_.Now() - start);
    if (stopping_ && letters.empty()) return;
  }
}

// Until a letter that wants to be opened now, a while after the first patient one, or the next
// tick.
void Shard::AwaitLetters() {
  if (mailbox_.Await(Urgency::kPatient, wake_at_ - clock_.Now()) != Urgency::kPatient) return;
  mailbox_.Await(Urgency::kNow, std::min(Mailbox::kPatience, wake_at_ - clock_.Now()));
}

void Shard::Open(Waiting waiting) {
  const common::MonotonicTime now = clock_.Now();
  if (auto* call = std::get_if<ShardCall>(&waiting.letter)) {
    (*call)(core_, now);
    return;
  }
  const Input& input = std::get<Input>(waiting.letter);
  Effects effects = core_.Step(input, now);
  ++steps_;
  wake_at_ = std::min(wake_at_, effects.wake_at);
  const bool told = !effects.frames.empty() && std::holds_alternative<AgentReportInput>(input);
  sink_.OnEffects(std::move(effects), core_, now);
  if (!told || publish_seconds_ == nullptr) return;
  publish_seconds_->Observe(absl::ToDoubleSeconds(clock_.Now() - waiting.since));
}

ShardLoad Shard::load() const {
  ShardLoad load;
  load.mailbox = mailbox_.counters();
  load.steps = steps_;
  load.busy = absl::Microseconds(busy_micros_.load());
  load.lag = absl::Microseconds(lag_micros_.load());
  common::MutexLock lock(counters_mutex_);
  load.core = counters_;
  return load;
}

}  // namespace pointsman::controller
