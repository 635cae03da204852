#include "gateway/core/address_memory.h"

namespace pointsman::gateway {

bool AddressMemory::OtherFirst(CellRef cell, common::MonotonicTime now) const {
  const auto found = other_first_.find(cell.index);
  return found != other_first_.end() && found->second.generation == cell.generation &&
         now < found->second.until;
}

void AddressMemory::Learn(CellRef cell, bool other, common::MonotonicTime now) {
  if (!other) {
    other_first_.erase(cell.index);
    return;
  }
  // Or the first address would get no other chance while there is traffic.
  if (OtherFirst(cell, now)) return;
  const bool full = other_first_.size() >= kEndpointsMax && !other_first_.contains(cell.index);
  if (full) other_first_.erase(other_first_.begin());
  other_first_[cell.index] = {cell.generation, now + kKept};
}

}  // namespace pointsman::gateway
