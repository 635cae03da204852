#pragma once

// The requests of one service and worker that wait for their turn: the more critical go first, of
// equally critical ones who came first. When the line is full the newest of the least critical
// gives way to who is more critical, so a flood of what may be shed keeps nobody else out. It knows
// requests by a handle only; who waits, until when, and what one that gives way is told, is the
// caller's. Thread-compatible.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/container/btree_map.h"
#include "gateway/core/criticality.h"

namespace pointsman::gateway {

// Names a place in a line; 0: none. Never given twice by one line.
using LineTicket = uint64_t;

class WaitingLine {
 public:
  // The request, as its stream is found by the caller.
  struct Entry {
    LineTicket ticket = 0;
    uint32_t stream_index = 0;
    uint32_t stream_generation = 0;
  };
  struct Joined {
    LineTicket ticket = 0;           // 0: there is no room.
    std::optional<Entry> gives_way;  // Has left the line for the newcomer.
  };

  // `max`: entries of the line. A line longer than that (it was higher before) takes nobody and
  // throws nobody out. O(log size). REQUIRES: max >= 1.
  Joined Join(Criticality criticality, uint32_t stream_index, uint32_t stream_generation,
              size_t max);
  // The one whose turn it is; null when empty. It stays. Valid until the next Join() or Leave().
  // O(1).
  const Entry* Front() const;
  // Nothing happens if nobody has the ticket (any more). O(log size).
  void Leave(LineTicket ticket);
  // A newcomer of this criticality would have to wait behind somebody. O(1).
  bool Ahead(Criticality criticality) const;

  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }

 private:
  // A ticket is the criticality, then the number of the newcomer: their order is that of turns.
  absl::btree_map<LineTicket, Entry> entries_;
  uint64_t joined_ = 0;
};

}  // namespace pointsman::gateway
