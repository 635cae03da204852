#include "gateway/core/endpoint_editor.h"

#include <algorithm>
#include <utility>

namespace pointsman::gateway {

void EndpointListEditor::Set(size_t position, const Endpoint& endpoint) {
  const size_t number = position / EndpointList::kBlock;
  std::shared_ptr<EndpointList::Block>& block = edited_[number];
  if (block == nullptr) {
    block = std::make_shared<EndpointList::Block>();
    if (number < list_->blocks_.size()) *block = *list_->blocks_[number];
  }
  (*block)[position % EndpointList::kBlock] = endpoint;
  list_->size_ = std::max(list_->size_, position + 1);
}

void EndpointListEditor::Finish() {
  const size_t blocks = (list_->size_ + EndpointList::kBlock - 1) / EndpointList::kBlock;
  list_->blocks_.resize(blocks);
  for (auto& [number, block] : edited_) list_->blocks_[number] = std::move(block);
  edited_.clear();
  // A block that was skipped over holds empty positions.
  for (auto& block : list_->blocks_) {
    if (block == nullptr) block = std::make_shared<const EndpointList::Block>();
  }
}

}  // namespace pointsman::gateway
