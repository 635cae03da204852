#pragma once

// A YAML document as a flat tree with positions, read within bounds: what the configuration loader
// works on. Aliases share the node they name, so that a small text cannot become a large tree;
// whoever walks the tree counts what he visits. Values; thread-compatible.

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/core/config_problem.h"

namespace pointsman::common {

struct YamlNode {
  enum class Kind { kNull, kScalar, kSequence, kMap };

  Kind kind = Kind::kNull;
  // kScalar: its text.
  std::string text = {};
  // kScalar: written without quotes.
  bool plain = false;
  // Indices of nodes; of a map: key, value, key, value.
  std::vector<int> children = {};
  // From 1.
  int line = 0;
  int column = 0;
};

struct YamlTree {
  // Node 0 is unused.
  std::vector<YamlNode> nodes;
  // 0: the document is empty.
  int root = 0;

  const YamlNode& at(int index) const { return nodes[static_cast<size_t>(index)]; }
  // The value of `key` in a map; 0: not there. O(keys).
  int Find(int map, absl::string_view key) const;
};

// Reads one document. Problems: syntax, encoding, size, depth, several documents, aliases of an
// enclosing value, unknown tags, keys that are no text, duplicate keys. Empty: `tree` is filled in.
ConfigProblems ParseYamlTree(absl::string_view text, YamlTree* tree);

}  // namespace pointsman::common
