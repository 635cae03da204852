#include "sim/world/link.h"

#include <algorithm>

#include "common/core/check.h"
#include "sim/random.h"

namespace pointsman::sim {
namespace {

// A message is lost at most so often in a row: 20 times is as good as cut.
constexpr int kLossesMax = 20;

}  // namespace

absl::Duration OneWay(const LinkOptions& options, absl::BitGenRef random) {
  return options.delay + Uniform(random) * options.jitter;
}

void Link::Send(absl::AnyInvocable<void()> deliver) {
  if (cut_) {
    PM_CHECK(waiting_.size() < kWaitingMax);
    waiting_.push_back(std::move(deliver));
    return;
  }
  absl::Duration takes = OneWay(options_, random_);
  for (int losses = 0; losses < kLossesMax && Chance(options_.loss, random_); ++losses) {
    takes += options_.retransmit;
  }
  last_arrival_ = std::max(last_arrival_, queue_.now() + takes);
  queue_.At(last_arrival_, [this, stream = stream_, deliver = std::move(deliver)]() mutable {
    if (stream == stream_) deliver();
  });
}

void Link::Heal() {
  cut_ = false;
  for (absl::AnyInvocable<void()>& deliver : std::exchange(waiting_, {})) Send(std::move(deliver));
}

void Link::Break() {
  ++stream_;
  waiting_.clear();
}

}  // namespace pointsman::sim
