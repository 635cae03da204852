#pragma once

// Many templates of paths by a tree of their segments: meets those that match a path in the order
// of how specific they are, literal text before {name}, {name} before **, from the left. Immutable
// once built; thread-compatible.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "common/core/path_template.h"

namespace pointsman::gateway {

// Numbers by template.
class TemplateIndex {
 public:
  // Appends `number` to those of this template (with whatever names).
  void Add(const common::PathTemplate& path, uint32_t number);
  bool empty() const { return nodes_.empty(); }

  // Calls `visit` with the numbers of each template that matches, the most specific one first,
  // until it says true; true: it did. O(path) for templates that do not overlap, at most O(nodes).
  bool Visit(absl::string_view path,
             absl::FunctionRef<bool(const std::vector<uint32_t>& numbers)> visit) const;
  // Calls `change` with the numbers of each template.
  void ForEach(absl::FunctionRef<void(std::vector<uint32_t>* numbers)> change);

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Node {
    absl::flat_hash_map<std::string, uint32_t> literal;
    uint32_t one = kNone;
    std::vector<uint32_t> ends;  // Templates that end here.
    std::vector<uint32_t> rest;  // Those that end with ** here.
  };

  uint32_t AddNode();
  // `path` is what follows the "/" behind the node's segment; null data: nothing does.
  bool VisitNode(const Node& node, absl::string_view path,
                 absl::FunctionRef<bool(const std::vector<uint32_t>&)> visit) const;

  std::vector<Node> nodes_;  // The first is the root.
};

}  // namespace pointsman::gateway
