#include "common/core/yaml_tree.h"

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "common/core/config_load.h"
#include "common/core/utf8.h"

namespace pointsman::common {
namespace {

// The library counts lines and columns from 0, and -1 where it knows none.
int FromOne(int number) { return number < 0 ? 0 : number + 1; }

class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(YamlTree* tree) : tree_(*tree) { tree_.nodes.emplace_back(); }

  ConfigProblems TakeProblems() { return std::move(problems_).Take(); }
  bool failed() const { return failed_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ == 1) {
      Fail(config_code::kDocuments, mark, "a second document begins here; write one file each");
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Attach(NewNode(YamlNode::Kind::kNull, mark, anchor), mark);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    const int target = found == anchors_.end() ? 0 : found->second;
    if (target == 0 || std::find(open_.begin(), open_.end(), target) != open_.end()) {
      Fail(config_code::kAlias, mark, "this alias names a value that contains it");
      return;
    }
    Attach(target, mark);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const int index = NewNode(YamlNode::Kind::kScalar, mark, anchor);
    YamlNode& node = tree_.nodes.back();
    node.plain = tag == "?";
    const bool text_tag = tag == "tag:yaml.org,2002:str" || tag == "!!str";
    if (!node.plain && !text_tag && tag != "!" && !tag.empty()) {
      Fail(config_code::kSyntax, mark, absl::StrCat("unknown tag \"", tag, "\""));
    }
    if (node.plain && (value == "~" || value == "null" || value == "Null" || value == "NULL")) {
      node.kind = YamlNode::Kind::kNull;
    } else {
      node.text = value;
    }
    Attach(index, mark);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(YamlNode::Kind::kSequence, mark, anchor);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(YamlNode::Kind::kMap, mark, anchor);
  }
  void OnMapEnd() override {
    if (!open_.empty() && !failed_) CheckKeys(open_.back());
    Close();
  }

 private:
  int NewNode(YamlNode::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    const int index = static_cast<int>(tree_.nodes.size());
    if (index > kConfigValuesMax) {
      Fail(config_code::kTooLarge, mark, absl::StrCat("more than ", kConfigValuesMax, " values"));
    }
    // After a failure events go on until the text ends; nothing more is kept.
    if (failed_) tree_.nodes.pop_back();
    YamlNode& node = tree_.nodes.emplace_back();
    node.kind = kind;
    node.line = FromOne(mark.line);
    node.column = FromOne(mark.column);
    if (anchor != 0) anchors_[anchor] = index;
    return index;
  }

  void Attach(int index, const YAML::Mark& mark) {
    if (failed_) return;
    if (!open_.empty()) {
      tree_.nodes[static_cast<size_t>(open_.back())].children.push_back(index);
    } else {
      tree_.root = index;
    }
  }

  void Open(YamlNode::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    ++depth_;
    const int index = NewNode(kind, mark, anchor);
    if (depth_ > kConfigDepthMax) {
      Fail(config_code::kTooDeep, mark, absl::StrCat("nested deeper than ", kConfigDepthMax));
    }
    Attach(index, mark);
    if (!failed_) open_.push_back(index);
  }

  void Close() {
    --depth_;
    if (!failed_) open_.pop_back();
  }

  void CheckKeys(int map) {
    std::map<absl::string_view, int> seen;
    const std::vector<int>& children = tree_.at(map).children;
    for (size_t i = 0; i + 1 < children.size(); i += 2) {
      const YamlNode& key = tree_.at(children[i]);
      if (key.kind != YamlNode::Kind::kScalar) {
        Add(config_code::kType, key.line, key.column, "a key must be a text");
        continue;
      }
      const auto [first, inserted] = seen.emplace(key.text, key.line);
      if (!inserted) {
        Add(config_code::kDuplicate, key.line, key.column,
            absl::StrCat("key \"", key.text, "\" is there twice, first in line ", first->second));
      }
    }
  }

  void Add(absl::string_view code, int line, int column, std::string message) {
    problems_.Add(
        {.code = std::string(code), .message = std::move(message), .line = line, .column = column});
  }

  // The rest of the text is read and thrown away.
  void Fail(absl::string_view code, const YAML::Mark& mark, std::string message) {
    if (failed_) return;
    failed_ = true;
    Add(code, FromOne(mark.line), FromOne(mark.column), std::move(message));
  }

  YamlTree& tree_;
  ProblemList problems_;
  std::vector<int> open_;
  std::map<YAML::anchor_t, int> anchors_;
  int documents_ = 0;
  int depth_ = 0;
  bool failed_ = false;
};

ConfigProblem WholeText(absl::string_view code, std::string message) {
  return {.code = std::string(code), .message = std::move(message)};
}

// What can be said before any parsing.
ConfigProblems CheckText(absl::string_view text) {
  if (text.size() > kConfigTextBytesMax) {
    return {WholeText(config_code::kTooLarge,
                      absl::StrCat("the text has ", text.size(), " bytes, at most ",
                                   kConfigTextBytesMax, " are allowed"))};
  }
  constexpr absl::string_view kPunctuation = "[]{},:";
  int line = 1;
  int punctuation = 0;
  for (absl::string_view rest = text; !rest.empty();) {
    const size_t length = Utf8SequenceLength(rest);
    if (length == 0 || rest[0] == '\0') {
      ConfigProblem problem = WholeText(
          config_code::kEncoding, length == 0 ? "not valid UTF-8" : "a zero byte in the text");
      problem.line = line;
      return {problem};
    }
    if (rest[0] == '\n') ++line;
    if (kPunctuation.find(rest[0]) != absl::string_view::npos) ++punctuation;
    rest.remove_prefix(length);
  }
  if (punctuation > kConfigPunctuationMax) {
    return {WholeText(config_code::kTooLarge,
                      absl::StrCat(punctuation, " brackets, braces, commas and colons, at most ",
                                   kConfigPunctuationMax, " are allowed"))};
  }
  return {};
}

ConfigProblem FromException(const YAML::Exception& exception) {
  const bool deep = dynamic_cast<const YAML::DeepRecursion*>(&exception) != nullptr;
  ConfigProblem problem = WholeText(deep ? config_code::kTooDeep : config_code::kSyntax,
                                    absl::StrCat("not valid YAML: ", exception.msg));
  problem.line = FromOne(exception.mark.line);
  problem.column = FromOne(exception.mark.column);
  return problem;
}

}  // namespace

int YamlTree::Find(int map, absl::string_view key) const {
  const std::vector<int>& children = at(map).children;
  if (at(map).kind != YamlNode::Kind::kMap) return 0;
  for (size_t i = 0; i + 1 < children.size(); i += 2) {
    if (at(children[i]).text == key) return children[i + 1];
  }
  return 0;
}

ConfigProblems ParseYamlTree(absl::string_view text, YamlTree* tree) {
  *tree = YamlTree();
  if (ConfigProblems problems = CheckText(text); !problems.empty()) return problems;
  TreeBuilder builder(tree);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (!builder.failed() && parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& exception) {
    ConfigProblems problems = builder.TakeProblems();
    if (problems.empty()) problems.push_back(FromException(exception));
    return problems;
  } catch (const std::exception& exception) {
    return {WholeText(config_code::kSyntax, absl::StrCat("not valid YAML: ", exception.what()))};
  }
  return builder.TakeProblems();
}

}  // namespace pointsman::common
