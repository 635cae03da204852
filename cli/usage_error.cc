#include "cli/usage_error.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "cli/next_step.h"
#include "common/core/names.h"

namespace pointsman::cli {
namespace {

// The innermost command that was named; the program itself when none was.
const CLI::App& ChosenCommand(const CLI::App& app) {
  const CLI::App* chosen = &app;
  for (auto inner = chosen->get_subcommands(); !inner.empty(); inner = chosen->get_subcommands()) {
    chosen = inner.back();
  }
  return *chosen;
}

// "pointsman explain".
std::string FullName(const CLI::App& command) {
  const CLI::App* parent = command.get_parent();
  return parent == nullptr ? command.get_name()
                           : absl::StrCat(FullName(*parent), " ", command.get_name());
}

std::vector<std::string> CommandsOf(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* inner : command.get_subcommands(nullptr)) names.push_back(inner->get_name());
  return names;
}

// Long names with their dashes, those of the commands above too.
std::vector<std::string> OptionsOf(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* app = &command; app != nullptr; app = app->get_parent()) {
    for (const CLI::Option* option : app->get_options()) {
      for (const std::string& name : option->get_lnames())
        names.push_back(absl::StrCat("--", name));
    }
  }
  return names;
}

std::string Suggestion(absl::string_view word, const std::vector<std::string>& known) {
  const std::optional<std::string> nearest = common::NearestName(word, known);
  return nearest ? absl::StrCat("; did you mean \"", *nearest, "\"?") : "";
}

std::string HelpOf(const CLI::App& command) {
  if (command.get_parent() == nullptr) return "see all commands with \"pointsman help\"";
  return absl::StrCat("see \"", FullName(command), " --help\"");
}

absl::Status Invalid(const std::string& message, const std::string& next) {
  return WithNext(absl::InvalidArgumentError(message), next);
}

// A word where a command was expected, or an option or argument too many.
absl::Status UnexpectedWord(const CLI::App& chosen, const std::string& word) {
  if (absl::StartsWith(word, "-")) {
    // "--output=jsn" is about "--output".
    const std::string option = word.substr(0, word.find('='));
    return Invalid(
        absl::StrCat("unknown option \"", option, "\"", Suggestion(option, OptionsOf(chosen))),
        HelpOf(chosen));
  }
  const std::vector<std::string> commands = CommandsOf(chosen);
  if (commands.empty()) {
    return Invalid(
        absl::StrCat("\"", FullName(chosen), "\" takes no further argument \"", word, "\""),
        HelpOf(chosen));
  }
  if (chosen.get_parent() == nullptr) {
    const std::optional<std::string> nearest = common::NearestName(word, commands);
    return Invalid(absl::StrCat("unknown command \"", word, "\"", Suggestion(word, commands)),
                   nearest ? absl::StrCat("see \"pointsman ", *nearest,
                                          " --help\", or all commands with ", "\"pointsman help\"")
                           : HelpOf(chosen));
  }
  // "pointsman explain web/web-1": the word names an endpoint, which was left out.
  const bool endpoints = std::find(commands.begin(), commands.end(), "endpoint") != commands.end();
  if (endpoints && absl::StrContains(word, '/')) {
    return Invalid(absl::StrCat("\"", FullName(chosen), "\" does not know \"", word, "\""),
                   absl::StrCat("write \"", FullName(chosen), " endpoint ", word, "\""));
  }
  return Invalid(absl::StrCat("\"", FullName(chosen), "\" does not know \"", word, "\""),
                 absl::StrCat("write \"", FullName(chosen), " ", absl::StrJoin(commands, "|"),
                              " ...\"; see \"", FullName(chosen), " --help\""));
}

absl::Status MissingCommand(const CLI::App& chosen) {
  if (chosen.get_parent() == nullptr) {
    return Invalid("a command is missing",
                   "see all commands with \"pointsman help\", or begin with \"pointsman status\"");
  }
  return Invalid(
      absl::StrCat("\"", FullName(chosen), "\" says not of what"),
      absl::StrCat("write \"", FullName(chosen), " ", absl::StrJoin(CommandsOf(chosen), "|"),
                   " ...\"; see \"", FullName(chosen), " --help\""));
}

}  // namespace

absl::Status UsageError(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& chosen = ChosenCommand(app);
  const std::vector<std::string> unexpected = app.remaining(/*recurse=*/true);
  const auto code = static_cast<CLI::ExitCodes>(error.get_exit_code());
  const bool wants_command = !CommandsOf(chosen).empty();
  // What is missing is looked at before what is too much, but a word that was not understood is why
  // something is missing.
  const bool incomplete = code == CLI::ExitCodes::RequiredError;
  if (!unexpected.empty() && (incomplete || code == CLI::ExitCodes::ExtrasError)) {
    return UnexpectedWord(chosen, unexpected.front());
  }
  if (incomplete && wants_command) return MissingCommand(chosen);
  // "Could not convert: revision = x": all that is converted are numbers.
  absl::string_view what = error.what();
  const bool number = absl::ConsumePrefix(&what, "Could not convert: ");
  return Invalid(absl::StrCat(FullName(chosen), ": ", what, number ? " is no whole number" : ""),
                 HelpOf(chosen));
}

}  // namespace pointsman::cli
