#include "gateway/core/template_index.h"

#include "absl/strings/strip.h"

namespace pointsman::gateway {

using common::TakeSegment;
using Segment = common::PathTemplate::Segment;
using Kind = Segment::Kind;

uint32_t TemplateIndex::AddNode() {
  nodes_.emplace_back();
  return static_cast<uint32_t>(nodes_.size() - 1);
}

void TemplateIndex::Add(const common::PathTemplate& path, uint32_t number) {
  if (nodes_.empty()) AddNode();
  uint32_t at = 0;
  for (const Segment& segment : path.segments()) {
    if (segment.kind == Kind::kRest) {
      nodes_[at].rest.push_back(number);
      return;
    }
    uint32_t next = kNone;
    if (segment.kind == Kind::kOne) {
      next = nodes_[at].one;
    } else if (const auto it = nodes_[at].literal.find(segment.text);
               it != nodes_[at].literal.end()) {
      next = it->second;
    }
    if (next == kNone) {
      next = AddNode();
      if (segment.kind == Kind::kOne) {
        nodes_[at].one = next;
      } else {
        nodes_[at].literal[segment.text] = next;
      }
    }
    at = next;
  }
  nodes_[at].ends.push_back(number);
}

bool TemplateIndex::VisitNode(const Node& node, absl::string_view path,
                              absl::FunctionRef<bool(const std::vector<uint32_t>&)> visit) const {
  if (path.data() == nullptr) return !node.ends.empty() && visit(node.ends);
  const absl::string_view rest = path;
  const absl::string_view segment = TakeSegment(&path);
  if (const auto it = node.literal.find(common::UpToBorder(segment)); it != node.literal.end()) {
    if (VisitNode(nodes_[it->second], path, visit)) return true;
  }
  if (!segment.empty() && node.one != kNone) {
    if (VisitNode(nodes_[node.one], path, visit)) return true;
  }
  return !rest.empty() && !node.rest.empty() && visit(node.rest);
}

bool TemplateIndex::Visit(absl::string_view path,
                          absl::FunctionRef<bool(const std::vector<uint32_t>&)> visit) const {
  if (nodes_.empty() || !absl::ConsumePrefix(&path, "/")) return false;
  return VisitNode(nodes_[0], path, visit);
}

void TemplateIndex::ForEach(absl::FunctionRef<void(std::vector<uint32_t>*)> change) {
  for (Node& node : nodes_) {
    change(&node.ends);
    change(&node.rest);
  }
}

}  // namespace pointsman::gateway
