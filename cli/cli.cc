#include "cli/cli.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/command.h"
#include "cli/config_commands.h"
#include "cli/event_commands.h"
#include "cli/gateway_commands.h"
#include "cli/next_step.h"
#include "cli/operator_commands.h"
#include "cli/route_commands.h"
#include "cli/state_commands.h"
#include "cli/usage_error.h"
#include "common/core/names.h"
#include "common/core/status_macros.h"
#include "common/version.h"

namespace pointsman::cli {
namespace {

constexpr char kControllerVariable[] = "POINTSMAN_CONTROLLER";
constexpr char kEndpointHelp[] = "SERVICE/ENDPOINT, as in web/web-1";
constexpr char kStaticHelp[] = "a gateway's own file, as after its flag --static; limits and all";

using Command = std::function<CommandResult(const CommandContext&)>;

// What the command line says. One object for all commands: only the chosen one's fields are set.
struct Invocation {
  ConnectOptions connect;
  std::string timeout = "10s";
  std::string output = "table";
  bool no_colour = false;
  bool utc = false;

  std::vector<std::string> files;
  std::optional<std::string> static_file;
  ApplyArguments apply;
  RollbackArguments rollback;
  GetArguments get;
  WatchArguments watch;
  RouteTestArguments route_test;
  std::string period = "1s";
  EventsArguments events;
  std::string lasts;
  std::string kind;
  std::string name;
  std::string comment;
  std::string topic;
  std::string gateway = "127.0.0.1:7421";
  bool lift = false;
  int limit = 20;

  // Set by the chosen command.
  Command command;
  bool offline = false;
};

absl::StatusOr<absl::Duration> ParsePositive(absl::string_view flag, const std::string& text) {
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration) || duration <= absl::ZeroDuration()) {
    return WithNext(
        absl::InvalidArgumentError(absl::StrCat(flag, " ", text, ": not a duration above 0")),
        "write a duration such as \"500ms\" or \"10s\"");
  }
  return duration;
}

void AddGlobalOptions(CLI::App& app, Invocation& in) {
  app.add_option("--controller", in.connect.controller,
                 "the controller's gRPC address, HOST:PORT; also POINTSMAN_CONTROLLER")
      ->capture_default_str();
  app.add_option("--tls-cert", in.connect.tls_cert, "this client's certificate (PEM)");
  app.add_option("--tls-key", in.connect.tls_key, "its private key (PEM)");
  app.add_option("--tls-ca", in.connect.tls_ca, "authorities to trust (PEM)");
  app.add_flag("--insecure", in.connect.insecure,
               "allow plain text to an address that is not loopback");
  app.add_option("--timeout", in.timeout, "longest wait for an answer")->capture_default_str();
  app.add_option("-o,--output", in.output, "table, wide, json or yaml")
      ->check(CLI::IsMember({"table", "wide", "json", "yaml"}))
      ->capture_default_str();
  app.add_flag("--no-color", in.no_colour, "no colours (also: NO_COLOR in the environment)");
  app.add_flag("--utc", in.utc, "times in UTC instead of the local zone");
  app.set_version_flag("--version", std::string(common::Version()));
}

CLI::Option* AddFiles(CLI::App& command, Invocation& in) {
  return command
      .add_option("-f,--file", in.files, "YAML or JSON file; \"-\" is standard input; repeatable")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void AddConfigCommands(CLI::App& app, Invocation& in) {
  CLI::App* apply = app.add_subcommand("apply", "make the configuration equal to the files");
  AddFiles(*apply, in)->required();
  apply->add_flag("--dry-run", in.apply.dry_run, "show what would change, change nothing");
  apply->add_flag("--diff", in.apply.show_lines, "show each change line by line");
  apply->add_option("--expected-revision", in.apply.expected_revision,
                    "refuse when the current revision is another");
  apply->add_flag("--replace-overrides", in.apply.replace_overrides,
                  "make overrides, too, equal to the files', also when there are none");
  apply->add_option("--comment", in.apply.comment, "shown in the history");
  apply->callback([&in] {
    in.apply.files = in.files;
    in.command = [&in](const CommandContext& context) { return ApplyFiles(in.apply, context); };
  });

  CLI::App* diff = app.add_subcommand("diff", "show what apply would change; exit code 1 if any");
  AddFiles(*diff, in)->required();
  diff->add_flag("--replace-overrides", in.apply.replace_overrides, "as for apply");
  diff->callback([&in] {
    in.command = [&in](const CommandContext& context) {
      return DiffFiles(in.files, in.apply.replace_overrides, context);
    };
  });

  CLI::App* validate = app.add_subcommand("validate", "check files, without any controller");
  CLI::Option* files = AddFiles(*validate, in);
  validate->add_option("--static", in.static_file, kStaticHelp)->excludes(files);
  validate->callback([&in] {
    in.offline = true;
    in.command = [&in](const CommandContext& context) {
      return ValidateFiles(in.files, in.static_file, context);
    };
  });
}

void AddHistoryCommands(CLI::App& app, Invocation& in) {
  CLI::App* history = app.add_subcommand("history", "revisions of the configuration, newest first");
  history->add_option("--limit", in.limit, "revisions shown")
      ->check(CLI::Range(1, AdminClient::kEntriesMax))
      ->capture_default_str();
  history->callback([&in] {
    in.command = [&in](const CommandContext& context) { return ShowHistory(in.limit, context); };
  });

  CLI::App* rollback = app.add_subcommand("rollback", "make an old revision's content the newest");
  rollback->add_option("revision", in.rollback.revision, "from \"pointsman history\"")->required();
  rollback->add_option("--expected-revision", in.rollback.expected_revision,
                       "refuse when the current revision is another");
  rollback->add_option("--comment", in.rollback.comment, "shown in the history");
  rollback->callback([&in] {
    in.command = [&in](const CommandContext& context) { return RollbackTo(in.rollback, context); };
  });
}

void AddGetCommands(CLI::App& app, Invocation& in) {
  CLI::App* get = app.add_subcommand("get", "list resources and state");
  get->add_option("kind", in.get.kind,
                  "services, routes, overrides, endpoints, agents, gateways, events, config")
      ->required();
  get->add_option("names", in.get.names, "only these; for endpoints SERVICE or SERVICE/ENDPOINT");
  get->add_option("--type", in.get.type_prefix, "events: types that begin with this");
  get->add_option("--subject", in.get.subject_prefix, "events: subjects that begin with this");
  get->add_option("--limit", in.get.limit, "events shown")
      ->check(CLI::Range(1, AdminClient::kEntriesMax))
      ->capture_default_str();
  get->add_option("--revision", in.get.revision, "config: which; 0 is the current one");
  get->callback([&in] {
    in.command = [&in](const CommandContext& context) { return GetResources(in.get, context); };
  });

  CLI::App* describe = app.add_subcommand("describe", "one thing in full, with its events");
  describe->add_option("kind", in.kind, "service, route, endpoint, agent or gateway")->required();
  describe->add_option("name", in.name, "its name")->required();
  describe->callback([&in] {
    in.command = [&in](const CommandContext& context) {
      return DescribeResource(in.kind, in.name, context);
    };
  });
}

void AddWatchCommands(CLI::App& app, Invocation& in) {
  CLI::App* explain = app.add_subcommand("explain", "why a verdict and a weight are what they are");
  CLI::App* explained = explain->add_subcommand("endpoint", "of one endpoint");
  CLI::App* of_service = explain->add_subcommand("service", "of one service");
  of_service->add_option("name", in.name, "SERVICE")->required();
  of_service->callback([&in] {
    in.command = [&in](const CommandContext& context) { return ExplainService(in.name, context); };
  });
  explain->require_subcommand(1);
  explained->add_option("name", in.name, kEndpointHelp)->required();
  explained->callback([&in] {
    in.command = [&in](const CommandContext& context) { return ExplainEndpoint(in.name, context); };
  });

  CLI::App* watch = app.add_subcommand("watch", "state now, then its changes");
  CLI::App* watched = watch->add_subcommand("endpoints", "of one service or of all");
  watch->require_subcommand(1);
  watched->add_option("service", in.watch.service, "only this service");
  watched->add_option("--period", in.period, "shortest time between two updates")
      ->capture_default_str();
  watched->add_option("--updates", in.watch.updates_max, "end after so many updates; 0: never");
  watched->callback([&in] {
    in.command = [&in](const CommandContext& context) -> CommandResult {
      PM_ASSIGN_OR_RETURN(in.watch.period, ParsePositive("--period", in.period));
      return WatchEndpoints(in.watch, context);
    };
  });

  CLI::App* events = app.add_subcommand("events", "what happened, oldest first");
  events->add_flag("-F,--follow", in.events.follow, "go on with what happens, until interrupted");
  events->add_option("--type", in.events.type_prefix, "only types that begin with this");
  events->add_option("--subject", in.events.subject_prefix, "only subjects that begin with this");
  events->add_option("--limit", in.events.limit, "of what happened before")
      ->check(CLI::Range(1, AdminClient::kEntriesMax))
      ->capture_default_str();
  events->add_option("--for", in.lasts, "follow, and end after this time");
  events->callback([&in] {
    in.command = [&in](const CommandContext& context) -> CommandResult {
      if (!in.lasts.empty()) {
        PM_ASSIGN_OR_RETURN(in.events.lasts, ParsePositive("--for", in.lasts));
        in.events.follow = true;
      }
      return ShowEvents(in.events, context);
    };
  });

  app.add_subcommand("status", "the controller at a glance")->callback([&in] {
    in.command = [](const CommandContext& context) { return ShowStatus(context); };
  });
}

void AddOperatorCommands(CLI::App& app, Invocation& in) {
  CLI::App* drain = app.add_subcommand("drain", "send an endpoint no new requests");
  drain->add_option("endpoint", in.name, kEndpointHelp)->required();
  drain->add_option("--comment", in.comment, "shown with the override");
  drain->callback([&in] {
    in.command = [&in](const CommandContext& context) {
      return DrainEndpoint(in.name, in.comment, context);
    };
  });

  CLI::App* undrain = app.add_subcommand("undrain", "let a drained endpoint come back");
  undrain->add_option("endpoint", in.name, kEndpointHelp)->required();
  undrain->callback([&in] {
    in.command = [&in](const CommandContext& context) { return UndrainEndpoint(in.name, context); };
  });

  CLI::App* freeze = app.add_subcommand("freeze", "stop every change but the operator's own");
  freeze->add_flag("--lift", in.lift, "end the freeze");
  freeze->add_option("--comment", in.comment, "why; shown to everybody");
  freeze->callback([&in] {
    in.command = [&in](const CommandContext& context) {
      return SetFreeze(!in.lift, in.comment, context);
    };
  });
}

void AddGatewayCommands(CLI::App& app, Invocation& in) {
  CLI::App* gateway = app.add_subcommand("gateway", "acts on one gateway process of this host");
  gateway->require_subcommand(1);
  CLI::App* upgrade =
      gateway->add_subcommand("upgrade", "start its program anew and hand its listeners over");
  upgrade->add_option("--admin", in.gateway, "the gateway's admin address, HOST:PORT")
      ->capture_default_str();
  upgrade->callback([&in] {
    in.offline = true;
    in.command = [&in](const CommandContext& context) {
      return UpgradeGateway(in.gateway, context);
    };
  });
}

void AddRouteCommands(CLI::App& app, Invocation& in) {
  CLI::App* route = app.add_subcommand("route", "what routes do with a request");
  route->require_subcommand(1);
  CLI::App* test =
      route->add_subcommand("test", "which route a request goes to, and why not to the others");
  RouteTestArguments& arguments = in.route_test;
  test->add_option("method", arguments.method, "GET, POST, ...")->required();
  test->add_option("url", arguments.url, "https://api.example.com/v1/x?a=1, or /v1/x")->required();
  test->add_option("-H,--header", arguments.headers, "\"name: value\"; may be repeated")
      ->allow_extra_args(false);
  test->add_option("--body", arguments.body, "the body, a file; JSON unless a header says else");
  test->add_option("--client", arguments.client, "the client's address");
  test->add_option("-f,--file", arguments.files,
                   "configuration to look at instead of the controller's; may be repeated")
      ->allow_extra_args(false);
  test->add_option("--static", arguments.static_file, kStaticHelp)->excludes("-f");
  test->callback([&in] {
    in.offline = !in.route_test.files.empty() || in.route_test.static_file.has_value();
    in.command = [&in](const CommandContext& context) { return TestRoute(in.route_test, context); };
  });
}

CommandResult ShowHelp(CLI::App& app, const std::string& topic, std::ostream& out) {
  if (topic == "exit-codes") {
    out << ExitCodeTable();
    return ExitCode::kOk;
  }
  if (topic.empty()) {
    // app.help() would be the help of "help", the command that was chosen.
    out << app.get_formatter()->make_help(&app, app.get_name(), CLI::AppFormatMode::Normal);
    return ExitCode::kOk;
  }
  const std::vector<CLI::App*> commands =
      app.get_subcommands([&](const CLI::App* command) { return command->get_name() == topic; });
  if (commands.empty()) {
    std::vector<std::string> known = {"exit-codes"};
    for (const CLI::App* command : app.get_subcommands(nullptr)) {
      known.push_back(command->get_name());
    }
    const auto nearest = common::NearestName(topic, known);
    return WithNext(absl::NotFoundError(absl::StrCat(
                        "there is no command or topic \"", topic, "\"",
                        nearest ? absl::StrCat("; did you mean \"", *nearest, "\"?") : "")),
                    "see all commands with \"pointsman help\"");
  }
  out << commands[0]->help();
  return ExitCode::kOk;
}

void AddHelpCommand(CLI::App& app, Invocation& in) {
  CLI::App* help = app.add_subcommand("help", "help on a command, or on exit-codes");
  help->add_option("topic", in.topic, "a command's name, or exit-codes");
  help->callback([&in, &app] {
    in.offline = true;
    in.command = [&in, &app](const CommandContext& context) {
      return ShowHelp(app, in.topic, context.out);
    };
  });
}

OutputFormat OutputOf(const std::string& word) {
  if (word == "wide") return OutputFormat::kWide;
  if (word == "json") return OutputFormat::kJson;
  if (word == "yaml") return OutputFormat::kYaml;
  return OutputFormat::kTable;
}

bool IsSet(const CliEnvironment& environment, const std::string& name) {
  return !environment.variable(name).value_or("").empty();
}

Style StyleOf(const Invocation& in, const CliEnvironment& environment) {
  Style style;
  style.colour = environment.terminal && !in.no_colour && !IsSet(environment, "NO_COLOR");
  style.width = environment.terminal ? environment.terminal_width : 0;
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const std::string locale = environment.variable(name).value_or("");
    if (locale.empty()) continue;
    const std::string lower = absl::AsciiStrToLower(locale);
    style.utf8 = absl::StrContains(lower, "utf-8") || absl::StrContains(lower, "utf8");
    break;
  }
  return style;
}

CommandResult RunCommand(Invocation& in, const CliEnvironment& environment) {
  std::unique_ptr<AdminClient> client;
  if (!in.offline) {
    PM_ASSIGN_OR_RETURN(in.connect.timeout, ParsePositive("--timeout", in.timeout));
    PM_ASSIGN_OR_RETURN(client, AdminClient::Make(in.connect));
  }
  const CommandContext context{
      .client = client.get(),
      .output = OutputOf(in.output),
      .style = StyleOf(in, environment),
      .zone = in.utc ? absl::UTCTimeZone() : absl::LocalTimeZone(),
      .out = environment.out,
  };
  return in.command(context);
}

// The library writes help; its exit codes are not ours.
ExitCode ReportParseError(const CLI::App& app, const CLI::ParseError& error,
                          const CliEnvironment& environment) {
  std::ostringstream out;
  std::ostringstream err;
  const int code = app.exit(error, out, err);
  environment.out << out.str();
  if (code == 0) return ExitCode::kOk;
  environment.err << ErrorText(UsageError(app, error));
  return ExitCode::kInvalid;
}

}  // namespace

std::string ErrorText(const absl::Status& status) {
  return absl::StrCat("error: ", status.message(), "\nnext: ", NextStepOf(status), "\n");
}

ExitCode RunCli(const std::vector<std::string>& arguments, const CliEnvironment& environment) {
  Invocation in;
  if (const std::string controller = environment.variable(kControllerVariable).value_or("");
      !controller.empty()) {
    in.connect.controller = controller;
  }
  CLI::App app("Asks and steers a Pointsman controller.", "pointsman");
  app.require_subcommand(1);
  app.fallthrough();
  AddGlobalOptions(app, in);
  AddConfigCommands(app, in);
  AddHistoryCommands(app, in);
  AddGetCommands(app, in);
  AddWatchCommands(app, in);
  AddOperatorCommands(app, in);
  AddGatewayCommands(app, in);
  AddRouteCommands(app, in);
  AddHelpCommand(app, in);
  app.footer("Exit codes: see \"pointsman help exit-codes\".");
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    return ReportParseError(app, error, environment);
  }
  const CommandResult result = RunCommand(in, environment);
  environment.out.flush();
  if (result.ok()) return *result;
  environment.err << ErrorText(result.status());
  return ExitCodeOf(result.status());
}

}  // namespace pointsman::cli
