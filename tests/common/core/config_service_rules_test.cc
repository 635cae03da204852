#include "common/core/config_service_rules.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "common/core/config_load.h"

namespace pointsman::common {
namespace {

// The first broken rule of a header match written in flow style: "path code", or "none".
std::string HeaderProblem(const std::string& fields) {
  v1::HeaderMatch match;
  EXPECT_TRUE(ParseYaml("{" + fields + "}", &match).empty()) << fields;
  ProblemList list;
  Rules rules(&list);
  CheckHeaderMatch(match, RulePath(), &rules);
  const ConfigProblems problems = std::move(list).Take();
  return problems.empty() ? "none" : absl::StrCat(problems[0].path, " ", problems[0].code);
}

TEST(ConfigServiceRulesTest, HeaderMatches) {
  EXPECT_EQ(HeaderProblem("name: X-A"), "none");
  EXPECT_EQ(HeaderProblem("name: X-A, present: false"), "none");
  EXPECT_EQ(HeaderProblem("name: X-A, exact: \"\""), "none");
  EXPECT_EQ(HeaderProblem("name: X-A, matches: \"a.*b\""), "none");
  EXPECT_EQ(HeaderProblem("present: true"), "name CONFIG_REQUIRED");
  EXPECT_EQ(HeaderProblem("name: \"X A\""), "name CONFIG_VALUE");
  EXPECT_EQ(HeaderProblem("name: " + std::string(128, 'a')), "name CONFIG_VALUE");
  EXPECT_EQ(HeaderProblem("name: a, exact: \"b\\n\""), "exact CONFIG_VALUE");
  EXPECT_EQ(HeaderProblem("name: a, prefix: " + std::string(1025, 'b')), "prefix CONFIG_LIMIT");
  EXPECT_EQ(HeaderProblem("name: a, matches: \"[\""), "matches CONFIG_PATTERN");
}

TEST(ConfigServiceRulesTest, ABareServiceIsValid) {
  v1::Service service;
  service.set_name("services/web");
  ProblemList list;
  Rules rules(&list);
  CheckService(service, RulePath(), &rules);
  EXPECT_TRUE(list.empty());
  service.set_name("web");  // Not normalised.
  CheckService(service, RulePath(), &rules);
  EXPECT_FALSE(list.empty());
}

}  // namespace
}  // namespace pointsman::common
