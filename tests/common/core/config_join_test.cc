#include "common/core/config_join.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace pointsman::common {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

ConfigProblem At(int line, absl::string_view code, const std::string& path) {
  return {.code = std::string(code), .path = path, .message = "wrong", .line = line};
}
ConfigProblem Unknown(int line, const std::string& path) {
  return At(line, config_code::kUnknownField, path);
}

std::vector<std::string> Paths(const ConfigProblems& problems) {
  std::vector<std::string> paths;
  for (const ConfigProblem& problem : problems) paths.push_back(problem.path);
  return paths;
}

TEST(ConfigJoinTest, KeepsRulesInTheirOrderWhereNothingIsWrittenWrongly) {
  EXPECT_THAT(JoinProblems({}, {}), IsEmpty());
  EXPECT_THAT(Paths(JoinProblems({}, {{At(9, config_code::kRange, "a"), true},
                                      {At(2, config_code::kRequired, "b"), false}})),
              ElementsAre("a", "b"));
}

TEST(ConfigJoinTest, SortsByLine) {
  EXPECT_THAT(Paths(JoinProblems({Unknown(5, "services[0].x")},
                                 {{At(9, config_code::kRange, "routes[0].request_timeout"), true},
                                  {At(2, config_code::kValue, "routes[1].hosts[0]"), true}})),
              ElementsAre("routes[1].hosts[0]", "services[0].x", "routes[0].request_timeout"));
}

TEST(ConfigJoinTest, LeavesOutWhatFollowsFromAMistake) {
  const ConfigProblems mistakes = {
      Unknown(1, "routes[0].servce"),
      At(2, config_code::kValue, "routes[1].hosts[0]"),
      At(3, config_code::kType, "services[0].checks"),
  };
  const std::vector<BrokenRule> rules = {
      {At(1, config_code::kRequired, "routes[0]"), true},                 // Needs an action.
      {At(1, config_code::kRequired, "routes[0].name"), false},           // Not written.
      {At(1, config_code::kConflict, "routes[0].match"), true},           // Needs another field.
      {At(1, config_code::kRange, "routes[0].request_timeout"), true},    // Stays.
      {At(2, config_code::kValue, "routes[1].hosts[1]"), true},           // Its number is wrong.
      {At(2, config_code::kValue, "routes[1].match.headers[0]"), true},   // Stays.
      {At(3, config_code::kRange, "services[0].checks[0].rise"), false},  // Within the mistake.
      {At(4, config_code::kRequired, "services[1].name"), false},         // Another's: stays.
  };
  EXPECT_THAT(Paths(JoinProblems(mistakes, rules)),
              ElementsAre("routes[0].servce", "routes[0].request_timeout", "routes[1].hosts[0]",
                          "routes[1].match.headers[0]", "services[0].checks", "services[1].name"));
}

TEST(ConfigJoinTest, ReferencesAreToldWhenAllServicesAreKnown) {
  const BrokenRule reference = {At(7, config_code::kReference, "routes[0].service"), true};
  const BrokenRule nameless = {At(2, config_code::kRequired, "services[0].name"), false};
  EXPECT_THAT(JoinProblems({Unknown(2, "services[0].chekcs")}, {reference}), SizeIs(2));
  EXPECT_THAT(JoinProblems({Unknown(2, "services[0].nam")}, {nameless, reference}), SizeIs(1));
  EXPECT_THAT(JoinProblems({At(2, config_code::kType, "services[0].name")}, {reference}),
              SizeIs(1));
  EXPECT_THAT(JoinProblems({Unknown(2, "servces")}, {reference}), SizeIs(1));
}

TEST(ConfigJoinTest, KeysInBracketsMayHavePoints) {
  EXPECT_THAT(
      Paths(JoinProblems({At(1, config_code::kValue, "services[0].labels[\"a.b\"]")},
                         {{At(2, config_code::kRange, "services[0].labels[\"c.d\"].x"), true}})),
      ElementsAre("services[0].labels[\"a.b\"]", "services[0].labels[\"c.d\"].x"));
}

TEST(ConfigJoinTest, ListsSoManyAndCountsTheRest) {
  ConfigProblems mistakes;
  std::vector<BrokenRule> rules;
  for (int i = 0; i < 15; ++i) {
    mistakes.push_back(Unknown(i + 1, absl::StrCat("services[", i, "].x")));
    rules.push_back({At(i + 1, config_code::kRange, absl::StrCat("routes[", i, "].y")), true});
  }
  const ConfigProblems joined = JoinProblems(mistakes, rules);
  ASSERT_THAT(joined, SizeIs(kConfigProblemsMax + 1));
  EXPECT_EQ(joined.back().message, "and 10 more problems");
}

}  // namespace
}  // namespace pointsman::common
