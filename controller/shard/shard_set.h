#pragma once

// All shards of a controller: who owns a service, and what goes to everybody. Thread-safe. Owns
// the shards and their threads.

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "controller/shard/shard.h"

namespace pointsman::controller {

class ShardSet {
 public:
  // `options.shard` is ignored; `limits` are those of each mailbox. REQUIRES: options.shards >= 1.
  // `clock` and `sink` outlive the set.
  ShardSet(const ShardOptions& options, const common::Clock& clock, EffectSink& sink,
           const MailboxLimits& limits = {});

  // As Shard::TimePublishing, of all shards together.
  void TimePublishing(common::Histogram* seconds);
  void Start();
  void Stop();

  size_t size() const { return shards_.size(); }
  Shard& shard(size_t index) { return *shards_[index]; }
  Shard& OwnerOf(absl::string_view service);

  // To the owner of `service`. ResourceExhausted: its mailbox is full.
  absl::Status Post(absl::string_view service, Input input, Urgency urgency = Urgency::kNow);
  // To every shard; the first error, if any.
  absl::Status PostToAll(const Input& input);

  // Runs `collect` on every shard's thread in turn of their own, then `done` once, on the last of
  // them (or on this thread when a mailbox refuses, with the error).
  void CallAll(std::function<void(const ShardCore&, size_t shard, common::MonotonicTime)> collect,
               std::function<void(absl::Status)> done);

  std::vector<ShardLoad> Loads() const;

 private:
  std::vector<std::unique_ptr<Shard>> shards_;
};

}  // namespace pointsman::controller
