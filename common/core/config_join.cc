#include "common/core/config_join.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace pointsman::common {
namespace {

// "routes[0].hosts" of "routes[0].hosts[1]"; other paths as they are.
absl::string_view WithoutIndex(absl::string_view path) {
  return absl::EndsWith(path, "]") ? path.substr(0, path.rfind('[')) : path;
}

// The message that a field is in: "services[0]" of "services[0].checks[1]". A map's key may have
// points, but stands in brackets.
absl::string_view MessageOf(absl::string_view path) {
  int brackets = 0;
  for (size_t i = path.size(); i > 0; --i) {
    const char c = path[i - 1];
    if (c == ']') ++brackets;
    if (c == '[') --brackets;
    if (c == '.' && brackets == 0) return path.substr(0, i - 1);
  }
  return "";
}

bool IsWithin(absl::string_view path, absl::string_view outer) {
  return absl::StartsWith(path, outer) &&
         (path.size() == outer.size() || path[outer.size()] == '.' || path[outer.size()] == '[');
}

bool IsNameOfService(absl::string_view path) {
  return absl::EndsWith(path, "].name") && WithoutIndex(MessageOf(path)) == "services";
}

// Where a service's name could not be read, nothing is known of references to it.
bool ServicesAreKnown(const ConfigProblems& mistakes, const std::vector<BrokenRule>& rules) {
  return std::none_of(mistakes.begin(), mistakes.end(),
                      [](const ConfigProblem& mistake) {
                        return MessageOf(mistake.path).empty() || IsNameOfService(mistake.path);
                      }) &&
         std::none_of(rules.begin(), rules.end(), [](const BrokenRule& rule) {
           return !rule.written && IsNameOfService(rule.problem.path);
         });
}

bool FollowsFrom(const BrokenRule& rule, const ConfigProblem& mistake) {
  const ConfigProblem& broken = rule.problem;
  if (mistake.path.empty() || IsWithin(broken.path, mistake.path)) return true;
  const absl::string_view message = MessageOf(mistake.path);
  if (broken.path == message) return true;  // "needs an action"
  if (MessageOf(broken.path) != message) return false;
  // An entry that could not be read is not counted: the others' numbers are no longer the text's.
  const absl::string_view list = WithoutIndex(mistake.path);
  if (list != mistake.path && WithoutIndex(broken.path) == list) return true;
  return !rule.written || broken.code == config_code::kConflict;
}

bool IsCount(const ConfigProblem& problem) {
  return problem.code == config_code::kLimit && problem.path.empty() && problem.line == 0;
}

}  // namespace

ConfigProblems JoinProblems(ConfigProblems mistakes, std::vector<BrokenRule> rules) {
  ConfigProblems joined = std::move(mistakes);
  // Counted, not listed: there is no room for more.
  if (!joined.empty() && IsCount(joined.back())) return joined;
  const size_t mistakes_count = joined.size();
  const bool references = mistakes_count == 0 || ServicesAreKnown(joined, rules);
  for (BrokenRule& rule : rules) {
    const bool follows =
        std::any_of(joined.begin(), joined.begin() + mistakes_count,
                    [&](const ConfigProblem& mistake) { return FollowsFrom(rule, mistake); });
    // Rules that were only counted cannot be looked at: a mistake may be their reason.
    const bool unseen = mistakes_count > 0 && IsCount(rule.problem);
    if (follows || unseen) continue;
    if (rule.problem.code == config_code::kReference && !references) continue;
    joined.push_back(std::move(rule.problem));
  }
  if (mistakes_count == 0) return joined;
  std::stable_sort(joined.begin(), joined.end(),
                   [](const ConfigProblem& a, const ConfigProblem& b) { return a.line < b.line; });
  ProblemList list;
  for (ConfigProblem& problem : joined) list.Add(std::move(problem));
  return std::move(list).Take();
}

}  // namespace pointsman::common
