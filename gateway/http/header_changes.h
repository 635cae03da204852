#pragma once

// Changes of a head's fields that a route asks for. Thread-safe (no state).

#include "gateway/core/rewrite.h"
#include "gateway/http/header_block.h"

namespace pointsman::gateway {

// Removes, sets and adds fields of the head, trailers stay. O(changes * fields); allocates only
// when the head outgrows its block.
void ApplyHeaderChanges(const HeaderChanges& changes, HeaderBlock* block);

}  // namespace pointsman::gateway
