#pragma once

// Tables that give each hash a member so that few hashes change theirs when members come and go.
// Both are made of the members' IDs alone: every gateway has the same. Weights are not part of them
// (picker.h: a member takes a share of its hashes). Immutable; thread-safe.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/strings/string_view.h"

namespace pointsman::gateway {

struct HashMember {
  absl::string_view id;
  uint32_t position = 0;  // In ServiceTable::endpoints.
};

class ConsistentHash {
 public:
  // A member that a hash leads to.
  struct Choice {
    uint32_t position = 0;
    uint32_t salt = 0;  // Of its ID.
  };

  // Maglev (Eisenbud and others, NSDI 2016; algorithms reference 8): members take turns to claim
  // slots of a table in an order of their own. 65,537 slots, from 656 members on 655,373: with 100
  // slots a member or more, members differ by 1 %. O(slots).
  static std::shared_ptr<const ConsistentHash> Maglev(std::span<const HashMember> members);
  // A ring with points of each member, 1,000 each as long as that is not more than a million, then
  // fewer, 16 at least; with 1,000 members differ by about 10 %. It is looked up at 131,072 places,
  // from 65 members on at 1,048,576: what lies between two of them goes to the point behind the
  // first. O(points * log points + places).
  static std::shared_ptr<const ConsistentHash> Ring(std::span<const HashMember> members);

  // REQUIRES: made of one member at least. O(1).
  Choice At(uint64_t hash) const;
  size_t members() const { return members_.size(); }

 private:
  ConsistentHash() = default;
  void TakeMembers(std::span<const HashMember> members);

  std::vector<Choice> members_;  // By ID.
  // The member of each part of the hashes, which are cut into equal parts.
  std::vector<uint32_t> slots_;
};

}  // namespace pointsman::gateway
