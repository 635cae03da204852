#pragma once

// Brings every gateway to the newest tables: keeps each service's frame ring, knows what each
// gateway was sent, and sends it one bundle at a time. While a bundle is not acknowledged nothing
// more is sent to that gateway; what changes meanwhile is sent joined, once, with the next one. So
// a slow gateway skips to the newest and its socket buffer never fills with the past.
//
// Thread-safe; knows no gRPC. Sinks are called without the lock, one call at a time for each.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/clock.h"
#include "common/mutex.h"
#include "controller/shard/frame_ring.h"
#include "controller/shard/shard_set.h"

namespace pointsman::controller {

// One gateway's stream.
class BundleSink {
 public:
  virtual ~BundleSink() = default;
  // Sends one Bundle, given in parts. Not called again before OnAck. Must not block.
  virtual void Send(std::vector<SharedBytes> parts) = 0;
};

// Stable codes of v1::Nack that ask for the full slice.
inline constexpr char kNackStale[] = "STALE";
inline constexpr char kNackGap[] = "GAP";

struct NackIn {
  std::string service;  // Empty: the configuration.
  std::string code;
};

struct AckIn {
  std::vector<HeldSlice> slices;
  std::vector<NackIn> nacks;
};

// How far a gateway is.
struct LinkProgress {
  uint32_t slices = 0;
  uint32_t slices_behind = 0;
  absl::Duration lag;  // Of the unacknowledged bundle; zero: none.
};

struct PublisherCounters {
  uint64_t frames = 0;
  uint64_t frame_bytes = 0;
  uint64_t bundles = 0;
  uint64_t bundle_bytes = 0;
  uint64_t computed = 0;  // Frames computed for laggards.
  uint64_t nacks = 0;
  uint32_t gateways = 0;
  uint32_t outstanding = 0;
};

class Publisher {
 public:
  // Parts are added to a bundle until it has this many bytes; at least one always goes.
  static constexpr size_t kBundleBytes = 2 << 20;

  explicit Publisher(const common::Clock& clock) : clock_(clock) {}

  // Must be set before the first effects; outlives the publisher.
  void SetShards(ShardSet* shards) { shards_ = shards; }

  // From the shards' threads, in each service's order.
  void OnFrames(const std::vector<Frame>& frames);
  void OnRemoved(const std::vector<std::string>& services);
  // Services whose publication was held back are served from now on.
  void OnReleased(const std::vector<std::string>& services, const ShardCore& core);
  void OnUploadWanted(const std::string& gateway, const std::string& service);

  // The configuration as a serialised Bundle, and its pair; sent before frames.
  void SetConfig(SliceVersion version, SharedBytes bytes);

  // Whoever is not at the newest pair gets what the core computes from now on, not kept frames:
  // somebody may present pairs that only look like ours. O(services).
  void ForgetFrames();

  struct Attachment {
    std::string gateway;
    uint64_t session = 0;
    std::shared_ptr<BundleSink> sink;
    // By service: the pair the gateway runs, as frames of the present lineage count it.
    std::map<std::string, SliceVersion> held;
    SliceVersion config;
    // First part of the first bundle (store identity).
    SharedBytes greeting;
  };
  // The gateway gets bundles from now on. An older session of it is forgotten.
  void Attach(Attachment attachment);
  void Detach(const std::string& gateway, uint64_t session);
  void OnAck(const std::string& gateway, uint64_t session, const AckIn& ack);

  // nullopt: not attached.
  std::optional<LinkProgress> Progress(const std::string& gateway) const;
  PublisherCounters counters() const;

 private:
  struct Feed {
    FrameRing ring;
    std::set<SliceVersion> asked;  // Frames being computed, by where they start.
  };
  struct Link {
    uint64_t session = 0;
    std::shared_ptr<BundleSink> sink;
    SharedBytes greeting;
    std::map<std::string, SliceVersion> sent;
    std::map<std::string, SliceVersion> acked;
    std::set<std::string> dirty;
    std::set<std::string> uploads;
    // Heads after a refusal of which the full slice was already sent once.
    std::map<std::string, SliceVersion> resent;
    SliceVersion config_sent;
    bool outstanding = false;
    common::MonotonicTime sent_at;
  };
  struct Sending {
    std::shared_ptr<BundleSink> sink;
    std::vector<SharedBytes> parts;
  };
  struct Question {
    std::string service;
    SliceVersion from;
  };
  // What to do once the lock is released.
  struct Todo {
    std::vector<Sending> sendings;
    std::vector<Question> questions;
  };

  void MarkDirty(const std::string& service, Todo& todo) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Flush(const std::string& gateway, Link& link, Todo& todo)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Adds the way from what the link has to the head; false: it must be computed first.
  bool AddService(const std::string& service, Link& link, std::vector<SharedBytes>& parts,
                  Todo& todo) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnNack(const NackIn& nack, Link& link) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Do(Todo todo);
  void Ask(const Question& question);
  void OnComputed(const Question& question, std::optional<RingFrame> frame);

  const common::Clock& clock_;
  ShardSet* shards_ = nullptr;
  mutable common::Mutex mutex_;
  std::map<std::string, Feed> feeds_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Link> links_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::set<std::string>> early_uploads_ ABSL_GUARDED_BY(mutex_);
  SliceVersion config_version_ ABSL_GUARDED_BY(mutex_);
  SharedBytes config_ ABSL_GUARDED_BY(mutex_);
  PublisherCounters counters_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pointsman::controller
