#include "gateway/net/out_queue.h"

#include <algorithm>
#include <cstring>

namespace pointsman::gateway {

void OutQueue::Commit(size_t n) {
  if (n == 0) return;
  char* begin = tail_->data() + tail_->used;
  tail_->used += n;
  bytes_ += n;
  if (first_ < slices_.size()) {
    Slice& last = slices_.back();
    if (last.data + last.size == begin && last.chunk.get() == tail_.get()) {
      last.size += n;
      return;
    }
  }
  slices_.push_back(Slice{tail_, begin, n});
}

void OutQueue::Append(absl::string_view bytes) {
  while (!bytes.empty()) {
    const size_t room = tail_ ? kChunkDataBytes - tail_->used : 0;
    const size_t n = std::min(bytes.size(), room > 0 ? room : kChunkDataBytes);
    std::memcpy(Reserve(n), bytes.data(), n);
    Commit(n);
    bytes.remove_prefix(n);
  }
}

void OutQueue::Append(const Slice& slice) {
  if (slice.empty()) return;
  // What is first is not copied: it would take a chunk for itself.
  const size_t room = tail_ ? kChunkDataBytes - tail_->used : bytes_ > 0 ? kChunkDataBytes : 0;
  if (slice.size <= kCopyBelowBytes && slice.size <= room) {
    std::memcpy(Reserve(slice.size), slice.data, slice.size);
    Commit(slice.size);
    return;
  }
  slices_.push_back(slice);
  bytes_ += slice.size;
}

size_t OutQueue::Gather(iovec* parts, size_t parts_max) const {
  size_t count = 0;
  for (size_t i = first_; i < slices_.size() && count < parts_max; ++i, ++count) {
    parts[count] = {const_cast<char*>(slices_[i].data), slices_[i].size};
  }
  return count;
}

void OutQueue::Consume(size_t n) {
  bytes_ -= n;
  if (bytes_ == 0) {
    Clear();
    return;
  }
  while (n > 0) {
    Slice& slice = slices_[first_];
    const size_t part = std::min(n, slice.size);
    slice.Advance(part);
    n -= part;
    if (slice.size == 0) ++first_;
  }
  // Sent slices are kept in front only while they are few.
  if (first_ >= 32) {
    slices_.erase(slices_.begin(), slices_.begin() + first_);
    first_ = 0;
  }
}

void OutQueue::Clear() {
  slices_.clear();
  first_ = 0;
  bytes_ = 0;
  tail_.Reset();
}

}  // namespace pointsman::gateway
