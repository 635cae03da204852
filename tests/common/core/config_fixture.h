#pragma once

// What the tests of configuration's rules have in common: text in, the one problem out.
// Thread-safe (no state).

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/core/config_load.h"
#include "common/core/config_validate.h"

namespace pointsman::common {

// Normalised.
inline v1::Config Parsed(absl::string_view text) {
  absl::StatusOr<v1::Config> config = ParseConfig(text, "test");
  EXPECT_TRUE(config.ok()) << config.status() << "\n" << text;
  if (!config.ok()) return {};
  NormalizeConfig(&*config);
  return *config;
}

// "path code" of the only problem, or a text that says otherwise.
inline std::string OnlyProblem(const ConfigProblems& problems) {
  if (problems.empty()) return "none";
  if (problems.size() > 1) {
    return absl::StrCat(problems.size(), " problems: ", FormatProblem(problems[0], ""), " ",
                        FormatProblem(problems[1], ""));
  }
  return absl::StrCat(problems[0].path, " ", problems[0].code);
}

// Of a route with these fields in flow style.
inline std::string RouteProblem(absl::string_view fields) {
  const v1::Config config = Parsed(absl::StrCat("routes: [{name: r, ", fields, "}]"));
  return config.routes().empty() ? "no route" : OnlyProblem(ValidateRoute(config.routes(0)));
}

}  // namespace pointsman::common
