#pragma once

// Writes an EndpointList: copies the blocks it touches, once each, and shares the others.
// Thread-compatible; the list it edits must not be read by others until Finish() (edit a copy: it
// is one pointer a block).

#include <cstddef>
#include <map>
#include <memory>

#include "gateway/core/routing_table.h"

namespace pointsman::gateway {

class EndpointListEditor {
 public:
  // REQUIRES: `list` outlives this.
  explicit EndpointListEditor(EndpointList* list) : list_(list) {}

  // Replaces what is at `position`, making the list longer when it is past the end.
  void Set(size_t position, const Endpoint& endpoint);
  // Puts the edited blocks into the list. Once.
  void Finish();

 private:
  EndpointList* list_;
  std::map<size_t, std::shared_ptr<EndpointList::Block>> edited_;
};

}  // namespace pointsman::gateway
