#include "controller/shard/publisher.h"

#include <optional>

#include "common/log.h"
#include "pointsman/v1/gateway.pb.h"

namespace pointsman::controller {
namespace {

// Upload requests of gateways that are not attached yet: one service each, so this bounds memory.
constexpr size_t kEarlyUploadsMax = 10'000;

SharedBytes UploadRequest(const std::set<std::string>& services) {
  v1::Bundle bundle;
  for (const std::string& service : services) bundle.add_upload(service);
  return std::make_shared<const std::string>(bundle.SerializeAsString());
}

}  // namespace

void Publisher::OnFrames(const std::vector<Frame>& frames) {
  if (frames.empty()) return;
  std::vector<RingFrame> made;
  made.reserve(frames.size());
  for (const Frame& frame : frames) made.push_back(MakeRingFrame(frame));
  Todo todo;
  {
    common::MutexLock lock(mutex_);
    for (size_t i = 0; i < frames.size(); ++i) {
      ++counters_.frames;
      counters_.frame_bytes += made[i].bytes->size();
      feeds_[frames[i].service].ring.Push(std::move(made[i]));
    }
    for (const Frame& frame : frames) MarkDirty(frame.service, todo);
  }
  Do(std::move(todo));
}

void Publisher::OnRemoved(const std::vector<std::string>& services) {
  common::MutexLock lock(mutex_);
  for (const std::string& service : services) {
    feeds_.erase(service);
    for (auto& [name, link] : links_) {
      link.sent.erase(service);
      link.acked.erase(service);
      link.dirty.erase(service);
      link.resent.erase(service);
    }
  }
}

void Publisher::OnReleased(const std::vector<std::string>& services, const ShardCore& core) {
  for (const std::string& service : services) {
    const std::optional<Frame> full = core.FullFrame(service);
    if (!full) continue;
    RingFrame made = MakeRingFrame(*full);
    Todo todo;
    {
      common::MutexLock lock(mutex_);
      feeds_[service].ring.PushComputed({}, std::move(made));
      MarkDirty(service, todo);
    }
    Do(std::move(todo));
  }
}

void Publisher::OnUploadWanted(const std::string& gateway, const std::string& service) {
  Todo todo;
  {
    common::MutexLock lock(mutex_);
    auto it = links_.find(gateway);
    if (it == links_.end()) {
      if (early_uploads_.size() < kEarlyUploadsMax) early_uploads_[gateway].insert(service);
      return;
    }
    it->second.uploads.insert(service);
    Flush(gateway, it->second, todo);
  }
  Do(std::move(todo));
}

void Publisher::SetConfig(SliceVersion version, SharedBytes bytes) {
  Todo todo;
  {
    common::MutexLock lock(mutex_);
    config_version_ = version;
    config_ = std::move(bytes);
    for (auto& [name, link] : links_) Flush(name, link, todo);
  }
  Do(std::move(todo));
}

void Publisher::ForgetFrames() {
  common::MutexLock lock(mutex_);
  for (auto& [service, feed] : feeds_) feed.ring.Forget();
}

void Publisher::Attach(Attachment attachment) {
  Todo todo;
  {
    common::MutexLock lock(mutex_);
    Link& link = links_[attachment.gateway];
    if (link.session > attachment.session) return;
    link = Link();
    link.session = attachment.session;
    link.sink = std::move(attachment.sink);
    link.greeting = std::move(attachment.greeting);
    link.config_sent = attachment.config;
    link.sent = attachment.held;
    link.acked = std::move(attachment.held);
    for (const auto& [service, feed] : feeds_) link.dirty.insert(service);
    if (auto it = early_uploads_.find(attachment.gateway); it != early_uploads_.end()) {
      link.uploads = std::move(it->second);
      early_uploads_.erase(it);
    }
    Flush(attachment.gateway, link, todo);
  }
  Do(std::move(todo));
}

void Publisher::Detach(const std::string& gateway, uint64_t session) {
  common::MutexLock lock(mutex_);
  auto it = links_.find(gateway);
  if (it != links_.end() && it->second.session == session) links_.erase(it);
  early_uploads_.erase(gateway);
}

void Publisher::OnAck(const std::string& gateway, uint64_t session, const AckIn& ack) {
  Todo todo;
  {
    common::MutexLock lock(mutex_);
    auto it = links_.find(gateway);
    if (it == links_.end() || it->second.session != session) return;
    Link& link = it->second;
    link.outstanding = false;
    for (const HeldSlice& held : ack.slices) {
      if (feeds_.contains(held.service)) link.acked[held.service] = held.version;
    }
    for (const NackIn& nack : ack.nacks) OnNack(nack, link);
    Flush(gateway, link, todo);
  }
  Do(std::move(todo));
}

// A stale or gapped slice is sent whole, once for each head; what was refused for another reason
// waits for the next change.
void Publisher::OnNack(const NackIn& nack, Link& link) {
  ++counters_.nacks;
  auto feed = feeds_.find(nack.service);
  if (feed == feeds_.end() || (nack.code != kNackStale && nack.code != kNackGap)) return;
  SliceVersion& resent = link.resent[nack.service];
  if (resent == feed->second.ring.head()) return;
  resent = feed->second.ring.head();
  link.sent.erase(nack.service);
  link.dirty.insert(nack.service);
}

void Publisher::MarkDirty(const std::string& service, Todo& todo) {
  for (auto& [name, link] : links_) {
    link.dirty.insert(service);
    Flush(name, link, todo);
  }
}

void Publisher::Flush(const std::string& gateway, Link& link, Todo& todo) {
  if (link.outstanding) return;
  std::vector<SharedBytes> parts;
  size_t bytes = 0;
  if (config_ != nullptr && link.config_sent != config_version_) {
    parts.push_back(config_);
    link.config_sent = config_version_;
    bytes += config_->size();
  }
  if (!link.uploads.empty()) {
    parts.push_back(UploadRequest(link.uploads));
    link.uploads.clear();
  }
  for (auto it = link.dirty.begin(); it != link.dirty.end() && bytes < kBundleBytes;) {
    const size_t before = parts.size();
    const bool added = AddService(*it, link, parts, todo);
    for (size_t i = before; i < parts.size(); ++i) bytes += parts[i]->size();
    it = added ? link.dirty.erase(it) : std::next(it);
  }
  if (parts.empty() && link.greeting == nullptr) return;
  if (link.greeting != nullptr) parts.insert(parts.begin(), std::move(link.greeting));
  link.greeting = nullptr;
  link.outstanding = true;
  link.sent_at = clock_.Now();
  ++counters_.bundles;
  counters_.bundle_bytes += bytes;
  todo.sendings.push_back({link.sink, std::move(parts)});
}

bool Publisher::AddService(const std::string& service, Link& link, std::vector<SharedBytes>& parts,
                           Todo& todo) {
  auto found = feeds_.find(service);
  if (found == feeds_.end()) return true;
  Feed& feed = found->second;
  SliceVersion& sent = link.sent[service];
  if (sent == feed.ring.head()) return true;
  if (std::optional<std::vector<SharedBytes>> path = feed.ring.PathFrom(sent)) {
    parts.insert(parts.end(), path->begin(), path->end());
    sent = feed.ring.head();
    return true;
  }
  if (feed.asked.insert(sent).second) todo.questions.push_back({service, sent});
  return false;
}

void Publisher::Do(Todo todo) {
  for (Sending& sending : todo.sendings) sending.sink->Send(std::move(sending.parts));
  for (const Question& question : todo.questions) Ask(question);
}

// The core's own thread computes the frame: a delta when it still can, else the full slice.
void Publisher::Ask(const Question& question) {
  const absl::Status posted =
      shards_->OwnerOf(question.service).Call([this, question](ShardCore& core, auto) {
        std::optional<Frame> frame;
        const bool follows =
            question.from.epoch == core.epoch() || core.Continues(question.service, question.from);
        if (follows) frame = core.DeltaFrame(question.service, question.from.revision);
        if (!frame) frame = core.FullFrame(question.service);
        OnComputed(question, frame ? std::optional(MakeRingFrame(*frame)) : std::nullopt);
      });
  if (!posted.ok()) OnComputed(question, std::nullopt);
}

// Without a frame (the service left, or the mailbox is full) the next change asks again.
void Publisher::OnComputed(const Question& question, std::optional<RingFrame> frame) {
  Todo todo;
  {
    common::MutexLock lock(mutex_);
    auto it = feeds_.find(question.service);
    if (it == feeds_.end()) return;
    it->second.asked.erase(question.from);
    if (!frame) return;
    ++counters_.computed;
    it->second.ring.PushComputed(question.from, *std::move(frame));
    for (auto& [name, link] : links_) {
      if (link.dirty.contains(question.service)) Flush(name, link, todo);
    }
  }
  Do(std::move(todo));
}

std::optional<LinkProgress> Publisher::Progress(const std::string& gateway) const {
  common::MutexLock lock(mutex_);
  auto it = links_.find(gateway);
  if (it == links_.end()) return std::nullopt;
  const Link& link = it->second;
  LinkProgress progress;
  progress.slices = static_cast<uint32_t>(feeds_.size());
  for (const auto& [service, feed] : feeds_) {
    auto acked = link.acked.find(service);
    const bool newest = acked != link.acked.end() && acked->second == feed.ring.head();
    if (!newest) ++progress.slices_behind;
  }
  if (link.outstanding) progress.lag = clock_.Now() - link.sent_at;
  return progress;
}

PublisherCounters Publisher::counters() const {
  common::MutexLock lock(mutex_);
  PublisherCounters counters = counters_;
  counters.gateways = static_cast<uint32_t>(links_.size());
  for (const auto& [name, link] : links_) counters.outstanding += link.outstanding ? 1 : 0;
  return counters;
}

}  // namespace pointsman::controller
