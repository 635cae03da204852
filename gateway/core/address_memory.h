#pragma once

// Which of an endpoint's two addresses a worker asks first: the first one, unless only the other
// worked lately. An address that nothing answers at costs one connection its head start, and the
// next ones nothing; after a while it gets another chance. Bounded: when full, any other endpoint
// is forgotten, and so is one whose cell was given to another. A value; thread-compatible.

#include <cstddef>
#include <cstdint>
#include <map>

#include "absl/time/time.h"
#include "common/core/time.h"
#include "gateway/core/cells.h"

namespace pointsman::gateway {

class AddressMemory {
 public:
  static constexpr size_t kEndpointsMax = 4096;
  // As RFC 6555 has it; from when the other address was first found to be the better one.
  static constexpr absl::Duration kKept = absl::Minutes(10);

  bool OtherFirst(CellRef cell, common::MonotonicTime now) const;
  // A connection stands at the other address, or at the first.
  void Learn(CellRef cell, bool other, common::MonotonicTime now);
  size_t size() const { return other_first_.size(); }

 private:
  struct Entry {
    uint32_t generation = 0;
    common::MonotonicTime until;
  };
  std::map<uint32_t, Entry> other_first_;  // By cell index.
};

}  // namespace pointsman::gateway
