#include "gateway/net/source_table.h"

#include <algorithm>

#include "absl/hash/hash.h"

namespace pointsman::gateway {
namespace {

constexpr size_t kNetworkBytes = 8;

common::IpAddress SourceOf(common::IpAddress from) {
  if (from.v6) std::fill(from.bytes.begin() + kNetworkBytes, from.bytes.end(), 0);
  return from;
}

}  // namespace

std::optional<SourceTable::Slot> SourceTable::Enter(common::IpAddress from) {
  const common::IpAddress source = SourceOf(from);
  Stripe& stripe = stripes_[absl::HashOf(source) % kStripes];
  common::MutexLock lock(stripe.mutex);
  Source& entry = stripe.sources[source];
  if (entry.open >= per_source_max_) return std::nullopt;
  if (entry.open++ == 0) {
    entry.address = source;
    entry.stripe = &stripe;
  }
  return Slot(&entry);
}

void SourceTable::Slot::Leave() {
  if (source_ == nullptr) return;
  Stripe& stripe = *source_->stripe;
  common::MutexLock lock(stripe.mutex);
  if (--source_->open == 0) stripe.sources.erase(common::IpAddress(source_->address));
  source_ = nullptr;
}

size_t SourceTable::sources() const {
  size_t sum = 0;
  for (const Stripe& stripe : stripes_) {
    common::MutexLock lock(stripe.mutex);
    sum += stripe.sources.size();
  }
  return sum;
}

}  // namespace pointsman::gateway
