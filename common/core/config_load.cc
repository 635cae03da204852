#include "common/core/config_load.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/core/config_gateway_limits.h"
#include "common/core/config_join.h"
#include "common/core/config_place.h"
#include "common/core/config_validate.h"
#include "common/core/config_value.h"
#include "common/core/names.h"
#include "common/core/yaml_tree.h"
#include "pointsman/v1/static.pb.h"

namespace pointsman::common {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::OneofDescriptor;
using Kind = YamlNode::Kind;

constexpr size_t kListedFieldsMax = 16;

std::string KindText(const YamlNode& node) {
  switch (node.kind) {
    case Kind::kNull:
      return "nothing";
    case Kind::kScalar:
      return "a single value";
    case Kind::kSequence:
      return "a list";
    case Kind::kMap:
      break;
  }
  return "a map";
}

// Walks tree and message side by side and notes every problem with its place.
class Mapper {
 public:
  explicit Mapper(const YamlTree& tree) : tree_(tree) {}

  ConfigProblems Take() && { return std::move(problems_).Take(); }

  void FillMessage(int index, const std::string& path, Message* message) {
    const YamlNode& node = tree_.at(index);
    if (!Count(node, path)) return;
    if (node.kind == Kind::kNull) return;
    if (node.kind != Kind::kMap) {
      Add(config_code::kType, path, node,
          absl::StrCat("expected a map (fields of ", message->GetDescriptor()->name(), "), found ",
                       KindText(node)));
      return;
    }
    for (size_t i = 0; i + 1 < node.children.size(); i += 2) {
      FillField(tree_.at(node.children[i]), node.children[i + 1], path, message);
    }
  }

 private:
  void FillField(const YamlNode& key, int value, const std::string& path, Message* message) {
    const Descriptor& type = *message->GetDescriptor();
    const std::string field_path = absl::StrCat(path, path.empty() ? "" : ".", key.text);
    const FieldDescriptor* field = FindConfigField(type, key.text);
    if (field == nullptr) {
      AddUnknown(type, key, field_path);
      return;
    }
    if (!CheckNotSet(*field, key, field_path, *message)) return;
    fields_.push_back(field);
    if (field->is_map()) {
      FillMap(*field, value, field_path, message);
    } else if (field->is_repeated()) {
      FillList(*field, value, field_path, message);
    } else {
      FillSingular(*field, value, field_path, message);
    }
    fields_.pop_back();
  }

  // The same field by its two names, or two fields of one oneof.
  bool CheckNotSet(const FieldDescriptor& field, const YamlNode& key, const std::string& path,
                   const Message& message) {
    const google::protobuf::Reflection& reflection = *message.GetReflection();
    const OneofDescriptor* oneof = field.real_containing_oneof();
    if (oneof != nullptr && reflection.HasOneof(message, oneof)) {
      const FieldDescriptor* other = reflection.GetOneofFieldDescriptor(message, oneof);
      Add(config_code::kConflict, path, key,
          absl::StrCat("\"", field.name(), "\" and \"", other->name(),
                       "\" cannot both be there; choose one"));
      return false;
    }
    const bool set = field.is_repeated()
                         ? reflection.FieldSize(message, &field) > 0
                         : field.has_presence() && reflection.HasField(message, &field);
    if (set) {
      Add(config_code::kDuplicate, path, key,
          absl::StrCat("\"", field.name(), "\" is there twice (as ", field.json_name(), " too)"));
    }
    return !set;
  }

  void FillSingular(const FieldDescriptor& field, int value, const std::string& path,
                    Message* message) {
    const YamlNode& node = tree_.at(value);
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
      FillScalar(field, value, path, message);
      return;
    }
    if (IsScalarMessage(*field.message_type()) && node.kind == Kind::kNull) return;
    FillSubmessage(value, path, message->GetReflection()->MutableMessage(message, &field));
  }

  void FillSubmessage(int value, const std::string& path, Message* message) {
    const YamlNode& node = tree_.at(value);
    if (!IsScalarMessage(*message->GetDescriptor())) {
      FillMessage(value, path, message);
      return;
    }
    if (!Count(node, path)) return;
    if (node.kind != Kind::kScalar) {
      Add(config_code::kType, path, node, absl::StrCat("expected a value, found ", KindText(node)));
      return;
    }
    AddStatus(SetScalarMessage(node, message), path, node);
  }

  void FillScalar(const FieldDescriptor& field, int value, const std::string& path,
                  Message* message) {
    const YamlNode& node = tree_.at(value);
    if (!Count(node, path)) return;
    if (node.kind == Kind::kNull && !field.is_repeated()) return;
    if (node.kind != Kind::kScalar) {
      Add(config_code::kType, path, node,
          absl::StrCat("expected a single value, found ", KindText(node)));
      return;
    }
    AddStatus(SetScalar(field, node, message), path, node);
  }

  void FillList(const FieldDescriptor& field, int value, const std::string& path,
                Message* message) {
    const YamlNode& node = tree_.at(value);
    if (!Count(node, path) || node.kind == Kind::kNull) return;
    if (node.kind != Kind::kSequence) {
      Add(config_code::kType, path, node,
          absl::StrCat("expected a list, found ", KindText(node),
                       "; begin each entry with \"- \""));
      return;
    }
    for (size_t i = 0; i < node.children.size(); ++i) {
      const std::string entry = absl::StrCat(path, "[", i, "]");
      if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        FillSubmessage(node.children[i], entry,
                       message->GetReflection()->AddMessage(message, &field));
      } else {
        FillScalar(field, node.children[i], entry, message);
      }
    }
  }

  // A map field is a list of entries with key (1) and value (2); the tree has no duplicate keys.
  void FillMap(const FieldDescriptor& field, int value, const std::string& path, Message* message) {
    const YamlNode& node = tree_.at(value);
    if (!Count(node, path) || node.kind == Kind::kNull) return;
    if (node.kind != Kind::kMap) {
      Add(config_code::kType, path, node, absl::StrCat("expected a map, found ", KindText(node)));
      return;
    }
    const FieldDescriptor& key_field = *field.message_type()->FindFieldByNumber(1);
    const FieldDescriptor& value_field = *field.message_type()->FindFieldByNumber(2);
    for (size_t i = 0; i + 1 < node.children.size(); i += 2) {
      const std::string& key = tree_.at(node.children[i]).text;
      const std::string entry_path = absl::StrCat(path, "[\"", key, "\"]");
      Message* entry = message->GetReflection()->AddMessage(message, &field);
      FillScalar(key_field, node.children[i], entry_path, entry);
      FillSingular(value_field, node.children[i + 1], entry_path, entry);
    }
  }

  void AddUnknown(const Descriptor& type, const YamlNode& key, const std::string& path) {
    if (problems_.full()) return problems_.Add({});
    std::vector<std::string> names;
    names.reserve(type.field_count());
    for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
    std::string message = absl::StrCat("unknown field of ", type.name());
    const std::string place = PlaceOfField(type, fields_, key.text);
    if (!place.empty()) absl::StrAppend(&message, "; ", place);
    if (const auto nearest = NearestName(key.text, names); nearest) {
      absl::StrAppend(&message, "; did you mean \"", *nearest, "\"?");
    } else if (place.empty() && names.size() <= kListedFieldsMax) {
      absl::StrAppend(&message, "; its fields are ", absl::StrJoin(names, ", "));
    }
    Add(config_code::kUnknownField, path, key, std::move(message));
  }

  void AddStatus(const absl::Status& status, const std::string& path, const YamlNode& node) {
    if (!status.ok()) Add(config_code::kValue, path, node, std::string(status.message()));
  }

  void Add(absl::string_view code, const std::string& path, const YamlNode& node,
           std::string message) {
    problems_.Add({.code = std::string(code),
                   .path = path,
                   .message = std::move(message),
                   .line = node.line,
                   .column = node.column});
  }

  // Aliases let a small text be walked for ever: visits are counted.
  bool Count(const YamlNode& node, const std::string& path) {
    if (values_ == kConfigValuesMax) {
      Add(config_code::kAlias, path, node,
          absl::StrCat("more than ", kConfigValuesMax, " values, aliases counted each time"));
    }
    return values_++ < kConfigValuesMax;
  }

  const YamlTree& tree_;
  ProblemList problems_;
  // Those that lead to the message being filled.
  std::vector<const FieldDescriptor*> fields_;
  int values_ = 0;
};

ConfigProblems FillFromTree(const YamlTree& tree, Message* message) {
  message->Clear();
  if (tree.root == 0 || tree.at(tree.root).kind == Kind::kNull) {
    return {{.code = std::string(config_code::kRequired),
             .message = "there is no content; write {} where nothing is meant"}};
  }
  Mapper mapper(tree);
  mapper.FillMessage(tree.root, "", message);
  return std::move(mapper).Take();
}

// The next segment of "services[0].labels["a"].b", taken off the front: a field's name, an index
// or a map's key.
std::string TakeSegment(absl::string_view* path) {
  absl::ConsumePrefix(path, ".");
  size_t end = 0;
  if (absl::StartsWith(*path, "[\"")) {
    end = path->find("\"]");
    std::string key(path->substr(2, end == absl::string_view::npos ? end : end - 2));
    path->remove_prefix(end == absl::string_view::npos ? path->size() : end + 2);
    return key;
  }
  if (absl::ConsumePrefix(path, "[")) {
    end = std::min(path->find(']'), path->size());
    std::string index(path->substr(0, end));
    path->remove_prefix(std::min(end + 1, path->size()));
    return index;
  }
  end = std::min(path->find_first_of(".["), path->size());
  std::string name(path->substr(0, end));
  path->remove_prefix(end);
  return name;
}

std::string CamelCase(absl::string_view name) {
  std::string out;
  bool upper = false;
  for (const char c : name) {
    if (c == '_') {
      upper = true;
      continue;
    }
    out.push_back(upper ? absl::ascii_toupper(static_cast<unsigned char>(c)) : c);
    upper = false;
  }
  return out;
}

// The place of the deepest part of the path that the text has; true: it has all of it.
bool Locate(const YamlTree& tree, ConfigProblem* problem) {
  int index = tree.root;
  absl::string_view path = problem->path;
  while (index != 0) {
    problem->line = tree.at(index).line;
    problem->column = tree.at(index).column;
    if (path.empty()) return true;
    const std::string segment = TakeSegment(&path);
    const YamlNode& node = tree.at(index);
    size_t position = 0;
    if (node.kind == Kind::kSequence && absl::SimpleAtoi(segment, &position)) {
      index = position < node.children.size() ? node.children[position] : 0;
    } else {
      const int found = tree.Find(index, segment);
      index = found != 0 ? found : tree.Find(index, CamelCase(segment));
    }
  }
  return false;
}

// Each with its place in the text.
void AddBrokenRules(const YamlTree& tree, ConfigProblems problems, std::vector<BrokenRule>* rules) {
  for (ConfigProblem& problem : problems) {
    const bool written = !problem.path.empty() && Locate(tree, &problem);
    rules->push_back({std::move(problem), written});
  }
}

// Normalises first.
std::vector<BrokenRule> BrokenRulesOf(const YamlTree& tree, v1::Config* config) {
  NormalizeConfig(config);
  std::vector<BrokenRule> rules;
  AddBrokenRules(tree, ValidateConfig(*config), &rules);
  return rules;
}

StaticConfig PartsOf(v1::StaticFile* file) {
  StaticConfig parts;
  parts.config.mutable_services()->Swap(file->mutable_services());
  parts.config.mutable_routes()->Swap(file->mutable_routes());
  parts.config.mutable_overrides()->Swap(file->mutable_overrides());
  if (file->has_limits()) parts.limits = std::move(*file->mutable_limits());
  return parts;
}

ConfigProblems LimitProblems(const v1::GatewayLimits& limits) {
  ProblemList problems;
  Rules rules(&problems);
  const RulePath file;
  CheckGatewayLimits(limits, file.Field("limits"), &rules);
  return std::move(problems).Take();
}

}  // namespace

ConfigProblems ParseYaml(absl::string_view text, Message* message) {
  YamlTree tree;
  if (ConfigProblems problems = ParseYamlTree(text, &tree); !problems.empty()) return problems;
  return FillFromTree(tree, message);
}

absl::StatusOr<v1::Config> ParseConfig(absl::string_view text, absl::string_view source) {
  v1::Config config;
  if (const ConfigProblems problems = ParseYaml(text, &config); !problems.empty()) {
    return ProblemsToStatus(problems, source);
  }
  return config;
}

void LocateProblem(absl::string_view text, ConfigProblem* problem) {
  YamlTree tree;
  if (ParseYamlTree(text, &tree).empty()) Locate(tree, problem);
}

absl::StatusOr<v1::Config> LoadConfig(absl::string_view text, absl::string_view source) {
  YamlTree tree;
  v1::Config config;
  ConfigProblems problems = ParseYamlTree(text, &tree);
  if (problems.empty()) {
    problems = FillFromTree(tree, &config);
    problems = JoinProblems(std::move(problems), BrokenRulesOf(tree, &config));
  }
  if (!problems.empty()) return ProblemsToStatus(problems, source);
  return config;
}

absl::StatusOr<StaticConfig> LoadStaticConfig(absl::string_view text, absl::string_view source) {
  YamlTree tree;
  v1::StaticFile file;
  StaticConfig parts;
  ConfigProblems problems = ParseYamlTree(text, &tree);
  if (problems.empty()) {
    problems = FillFromTree(tree, &file);
    parts = PartsOf(&file);
    std::vector<BrokenRule> rules = BrokenRulesOf(tree, &parts.config);
    if (parts.limits.has_value()) AddBrokenRules(tree, LimitProblems(*parts.limits), &rules);
    problems = JoinProblems(std::move(problems), std::move(rules));
  }
  if (!problems.empty()) return ProblemsToStatus(problems, source);
  return parts;
}

}  // namespace pointsman::common
