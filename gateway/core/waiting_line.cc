#include "gateway/core/waiting_line.h"

#include <iterator>

#include "common/core/check.h"

namespace pointsman::gateway {
namespace {

// The rest numbers newcomers: more than any line sees.
constexpr int kNumberBits = 62;

LineTicket TicketOf(Criticality criticality, uint64_t number) {
  return static_cast<LineTicket>(criticality) << kNumberBits | number;
}

Criticality CriticalityOf(LineTicket ticket) {
  return static_cast<Criticality>(ticket >> kNumberBits);
}

}  // namespace

WaitingLine::Joined WaitingLine::Join(Criticality criticality, uint32_t stream_index,
                                      uint32_t stream_generation, size_t max) {
  PM_CHECK(max >= 1);
  Joined joined;
  if (entries_.size() > max) return joined;
  if (entries_.size() == max) {
    const auto last = std::prev(entries_.end());
    if (CriticalityOf(last->first) <= criticality) return joined;
    joined.gives_way = last->second;
    entries_.erase(last);
  }
  joined.ticket = TicketOf(criticality, ++joined_);
  entries_.emplace(joined.ticket, Entry{.ticket = joined.ticket,
                                        .stream_index = stream_index,
                                        .stream_generation = stream_generation});
  return joined;
}

const WaitingLine::Entry* WaitingLine::Front() const {
  return entries_.empty() ? nullptr : &entries_.begin()->second;
}

void WaitingLine::Leave(LineTicket ticket) { entries_.erase(ticket); }

bool WaitingLine::Ahead(Criticality criticality) const {
  return !entries_.empty() && CriticalityOf(entries_.begin()->first) <= criticality;
}

}  // namespace pointsman::gateway
