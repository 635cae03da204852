#include "agent/config_file.h"

#include <cmath>
#include <functional>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/core/address.h"
#include "common/core/config_problem.h"
#include "common/core/names.h"
#include "common/core/status_macros.h"
#include "common/core/yaml_tree.h"
#include "common/files.h"

namespace pointsman::agent {
namespace {

using common::YamlNode;
namespace code = common::config_code;

constexpr size_t kLabelsMax = 16;
constexpr size_t kArgvMax = 64;

// Walks the tree and collects problems. The schema is a few levels deep and every list is bounded,
// so shared (aliased) nodes cannot blow it up.
class Reader {
 public:
  Reader(const common::YamlTree& tree, common::ProblemList& problems)
      : tree_(tree), problems_(problems) {}

  using Field = std::function<void(int node, const std::string& path)>;
  using Fields = std::vector<std::pair<std::string, Field>>;

  // Calls the field of each key that the map has; unknown ones are problems.
  void Map(int node, const std::string& path, const Fields& fields) {
    const YamlNode& map = tree_.at(node);
    if (map.kind != YamlNode::Kind::kMap) return Add(node, code::kType, path, "must be a map");
    for (size_t i = 0; i + 1 < map.children.size(); i += 2) {
      const std::string& key = tree_.at(map.children[i]).text;
      const std::string below = path.empty() ? key : absl::StrCat(path, ".", key);
      const auto known = std::find_if(fields.begin(), fields.end(),
                                      [&key](const auto& field) { return field.first == key; });
      if (known != fields.end()) {
        if (tree_.at(map.children[i + 1]).kind != YamlNode::Kind::kNull) {
          known->second(map.children[i + 1], below);
        }
        continue;
      }
      std::vector<std::string> names;
      for (const auto& field : fields) names.push_back(field.first);
      const std::optional<std::string> near = common::NearestName(key, names);
      Add(map.children[i], code::kUnknownField, below,
          near ? absl::StrCat("unknown field; did you mean \"", *near, "\"?")
               : absl::StrCat("unknown field; known are ", absl::StrJoin(names, ", ")));
    }
  }

  void List(int node, const std::string& path, size_t max, const Field& item) {
    const YamlNode& list = tree_.at(node);
    if (list.kind != YamlNode::Kind::kSequence) {
      return Add(node, code::kType, path, "must be a list");
    }
    if (list.children.size() > max) {
      return Add(node, code::kLimit, path,
                 absl::StrCat(list.children.size(), " entries, at most ", max));
    }
    for (size_t i = 0; i < list.children.size(); ++i) {
      item(list.children[i], absl::StrCat(path, "[", i, "]"));
    }
  }

  Field Text(std::string* out, size_t bytes_max = 4096) {
    return [this, out, bytes_max](int node, const std::string& path) {
      const YamlNode& scalar = tree_.at(node);
      if (scalar.kind != YamlNode::Kind::kScalar) {
        return Add(node, code::kType, path, "must be a text");
      }
      if (scalar.text.size() > bytes_max) {
        return Add(node, code::kLimit, path,
                   absl::StrCat(scalar.text.size(), " bytes, at most ", bytes_max));
      }
      *out = scalar.text;
    };
  }

  Field Number(double* out, double min, double max) {
    return [this, out, min, max](int node, const std::string& path) {
      double value;
      const YamlNode& scalar = tree_.at(node);
      if (scalar.kind != YamlNode::Kind::kScalar || !absl::SimpleAtod(scalar.text, &value) ||
          !(value >= min && value <= max)) {
        return Add(node, code::kRange, path,
                   absl::StrCat("must be a number from ", min, " to ", max));
      }
      *out = value;
    };
  }

  Field Flag(bool* out) {
    return [this, out](int node, const std::string& path) {
      const std::string& text = tree_.at(node).text;
      if (text != "true" && text != "false") {
        return Add(node, code::kType, path, "must be true or false");
      }
      *out = text == "true";
    };
  }

  Field Duration(absl::Duration* out, absl::Duration min, absl::Duration max) {
    return [this, out, min, max](int node, const std::string& path) {
      absl::Duration value;
      if (!absl::ParseDuration(tree_.at(node).text, &value) || value < min || value > max) {
        return Add(node, code::kRange, path,
                   absl::StrCat("must be a duration from ", absl::FormatDuration(min), " to ",
                                absl::FormatDuration(max)));
      }
      *out = value;
    };
  }

  void Add(int node, absl::string_view problem_code, const std::string& path, std::string message) {
    const YamlNode& at = tree_.at(node);
    problems_.Add({.code = std::string(problem_code),
                   .path = path,
                   .message = std::move(message),
                   .line = at.line,
                   .column = at.column});
  }

  const YamlNode& at(int node) const { return tree_.at(node); }

 private:
  const common::YamlTree& tree_;
  common::ProblemList& problems_;
};

void ReadRestart(Reader& reader, int node, const std::string& path, RestartAction* action) {
  std::string kind = "oneshot";
  reader.Map(
      node, path,
      {{"argv",
        [&](int list, const std::string& at) {
          reader.List(list, at, kArgvMax, [&](int word, const std::string& word_path) {
            reader.Text (&action->argv.emplace_back())(word, word_path);
          });
        }},
       {"type", reader.Text(&kind)},
       {"timeout", reader.Duration(&action->timeout, absl::Milliseconds(100), absl::Minutes(10))},
       {"output", reader.Text(&action->output)},
       {"directory", reader.Text(&action->directory)}});
  if (kind != "oneshot" && kind != "simple") {
    reader.Add(node, code::kValue, absl::StrCat(path, ".type"), "must be oneshot or simple");
  }
  action->kind = kind == "simple" ? RestartAction::Kind::kSimple : RestartAction::Kind::kOneshot;
  if (action->argv.empty() || !absl::StartsWith(action->argv[0], "/")) {
    reader.Add(node, code::kRequired, absl::StrCat(path, ".argv"),
               "must begin with the absolute path of a program");
  }
}

void CheckInstance(Reader& reader, int node, const std::string& path,
                   const InstanceConfig& instance) {
  const auto bad = [&](const char* field, absl::string_view problem_code, std::string message) {
    reader.Add(node, problem_code, absl::StrCat(path, ".", field), std::move(message));
  };
  if (!common::IsServiceId(instance.service)) {
    bad("service", code::kRequired, "must be 1 to 63 bytes of [a-z0-9-]");
  }
  if (!common::IsEndpointId(instance.id)) {
    bad("id", code::kRequired, "must be 1 to 63 bytes of [A-Za-z0-9._-]");
  }
  const absl::StatusOr<common::Address> address = common::ParseEndpointAddress(instance.address);
  if (!address.ok()) bad("address", code::kAddress, std::string(address.status().message()));
  if (!instance.metrics_url.empty() && !absl::StartsWith(instance.metrics_url, "http://") &&
      !absl::StartsWith(instance.metrics_url, "https://")) {
    bad("metrics_url", code::kValue, "must begin with http:// or https://");
  }
  if (absl::StrContains(instance.cgroup, "..")) {
    bad("cgroup", code::kValue, "must be a path below the cgroup root, without \"..\"");
  }
}

void ReadLabels(Reader& reader, int node, const std::string& path, InstanceConfig* instance) {
  const YamlNode& map = reader.at(node);
  if (map.kind != YamlNode::Kind::kMap || map.children.size() > 2 * kLabelsMax) {
    return reader.Add(node, code::kLimit, path,
                      absl::StrCat("must be a map of at most ", kLabelsMax, " texts"));
  }
  for (size_t i = 0; i + 1 < map.children.size(); i += 2) {
    const std::string& key = reader.at(map.children[i]).text;
    if (key.empty() || key.size() > 63) {
      reader.Add(map.children[i], code::kLimit, path, "a key has 1 to 63 bytes");
    }
    reader.Text(&instance->labels[key], 255)(map.children[i + 1], absl::StrCat(path, ".", key));
  }
}

void ReadInstance(Reader& reader, int node, const std::string& path, InstanceConfig* instance) {
  double priority = 0;
  reader.Map(
      node, path,
      {{"service", reader.Text(&instance->service)},
       {"id", reader.Text(&instance->id)},
       {"address", reader.Text(&instance->address, 255)},
       {"capacity", reader.Number(&instance->capacity, 0.01, 100)},
       {"priority", reader.Number(&priority, 0, 15)},
       {"labels", [&](int map, const std::string& at) { ReadLabels(reader, map, at, instance); }},
       {"cgroup", reader.Text(&instance->cgroup)},
       {"pid_file", reader.Text(&instance->pid_file)},
       {"metrics_url", reader.Text(&instance->metrics_url)},
       {"restart",
        [&](int map, const std::string& at) {
          ReadRestart(reader, map, at, &instance->restart.emplace());
        }},
       {"draining", reader.Flag(&instance->draining)}});
  instance->priority = static_cast<uint32_t>(priority);
  if (priority != std::floor(priority)) {
    reader.Add(node, code::kRange, absl::StrCat(path, ".priority"), "must be a whole number");
  }
  CheckInstance(reader, node, path, *instance);
}

void ReadInstances(Reader& reader, int node, const std::string& path, AgentConfig* config) {
  std::set<std::string> names;
  reader.List(node, path, kInstancesMax, [&](int item, const std::string& at) {
    InstanceConfig& instance = config->instances.emplace_back();
    ReadInstance(reader, item, at, &instance);
    if (!names.insert(absl::StrCat(instance.service, "/", instance.id)).second) {
      reader.Add(item, code::kDuplicate, at,
                 absl::StrCat("a second instance ", instance.service, "/", instance.id));
    }
  });
}

void ReadAgent(Reader& reader, int node, AgentConfig* config) {
  const auto locality = [&](int map, const std::string& at) {
    reader.Map(
        map, at,
        {{"region", reader.Text(&config->region, 63)}, {"zone", reader.Text(&config->zone, 63)}});
  };
  const auto controllers = [&](int list, const std::string& at) {
    reader.List(list, at, 16, [&](int item, const std::string& item_path) {
      reader.Text(&config->controllers.emplace_back(), 255)(item, item_path);
    });
  };
  const auto tls = [&](int map, const std::string& at) {
    reader.Map(map, at,
               {{"cert", reader.Text(&config->tls_cert)},
                {"key", reader.Text(&config->tls_key)},
                {"ca", reader.Text(&config->tls_ca)}});
  };
  reader.Map(node, "",
             {{"id", reader.Text(&config->id)},
              {"locality", locality},
              {"controllers", controllers},
              {"tls", tls},
              {"instances",
               [&](int list, const std::string& at) { ReadInstances(reader, list, at, config); }}});
  if (!config->id.empty() && !common::IsEndpointId(config->id)) {
    reader.Add(node, code::kValue, "id", "must be 1 to 63 bytes of [A-Za-z0-9._-]");
  }
}

}  // namespace

absl::StatusOr<AgentConfig> ParseAgentFile(absl::string_view text, absl::string_view source) {
  common::YamlTree tree;
  PM_RETURN_IF_ERROR(common::ProblemsToStatus(common::ParseYamlTree(text, &tree), source));
  AgentConfig config;
  if (tree.root == 0) return config;
  common::ProblemList problems;
  Reader reader(tree, problems);
  ReadAgent(reader, tree.root, &config);
  PM_RETURN_IF_ERROR(common::ProblemsToStatus(std::move(problems).Take(), source));
  return config;
}

absl::StatusOr<AgentConfig> LoadAgentFile(const std::string& path) {
  PM_ASSIGN_OR_RETURN(const std::string text, common::ReadFile(path, kAgentFileBytesMax));
  return ParseAgentFile(text, path);
}

}  // namespace pointsman::agent
