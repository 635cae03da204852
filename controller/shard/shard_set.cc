#include "controller/shard/shard_set.h"

#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/core/check.h"
#include "common/core/error_reason.h"
#include "controller/core/codes.h"

namespace pointsman::controller {
namespace {

// Counts down the shards of one CallAll; the last one reports.
struct Gathering {
  std::atomic<size_t> left;
  std::atomic<bool> refused{false};
  std::function<void(const ShardCore&, size_t, common::MonotonicTime)> collect;
  std::function<void(absl::Status)> done;

  void Finish() {
    if (left.fetch_sub(1) != 1) return;
    done(refused ? common::WithReason(absl::ResourceExhaustedError(absl::StrCat(
                                          kMailboxFull, ": a shard's mailbox is full")),
                                      kMailboxFull)
                 : absl::OkStatus());
  }
};

}  // namespace

ShardSet::ShardSet(const ShardOptions& options, const common::Clock& clock, EffectSink& sink,
                   const MailboxLimits& limits) {
  PM_CHECK(options.shards >= 1);
  for (uint32_t i = 0; i < options.shards; ++i) {
    ShardOptions own = options;
    own.shard = i;
    shards_.push_back(std::make_unique<Shard>(own, clock, sink, limits));
  }
}

void ShardSet::TimePublishing(common::Histogram* seconds) {
  for (auto& shard : shards_) shard->TimePublishing(seconds);
}

void ShardSet::Start() {
  for (auto& shard : shards_) shard->Start();
}

void ShardSet::Stop() {
  for (auto& shard : shards_) shard->Stop();
}

Shard& ShardSet::OwnerOf(absl::string_view service) {
  return *shards_[ShardOf(service, static_cast<uint32_t>(shards_.size()))];
}

absl::Status ShardSet::Post(absl::string_view service, Input input, Urgency urgency) {
  return OwnerOf(service).Post(std::move(input), urgency);
}

absl::Status ShardSet::PostToAll(const Input& input) {
  absl::Status first;
  for (auto& shard : shards_) first.Update(shard->Post(input));
  return first;
}

void ShardSet::CallAll(std::function<void(const ShardCore&, size_t, common::MonotonicTime)> collect,
                       std::function<void(absl::Status)> done) {
  auto gathering = std::make_shared<Gathering>();
  gathering->left = shards_.size();
  gathering->collect = std::move(collect);
  gathering->done = std::move(done);
  for (size_t i = 0; i < shards_.size(); ++i) {
    const absl::Status posted =
        shards_[i]->Call([gathering, i](ShardCore& core, common::MonotonicTime now) {
          gathering->collect(core, i, now);
          gathering->Finish();
        });
    if (posted.ok()) continue;
    gathering->refused = true;
    gathering->Finish();
  }
}

std::vector<ShardLoad> ShardSet::Loads() const {
  std::vector<ShardLoad> loads;
  for (const auto& shard : shards_) loads.push_back(shard->load());
  return loads;
}

}  // namespace pointsman::controller
