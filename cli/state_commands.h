#pragma once

// Commands that show: get, describe, explain, watch, status. Thread-compatible.

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cli/command.h"

namespace pointsman::cli {

struct GetArguments {
  // "services", "routes", "overrides", "endpoints", "agents", "gateways", "events", "config"; the
  // singular is accepted too.
  std::string kind;
  // Only these; empty: all. For endpoints: "web" is all of a service, "web/web-1" one. Not for
  // events and config.
  std::vector<std::string> names;
  // Events.
  std::string type_prefix;
  std::string subject_prefix;
  int limit = 100;
  // Config; 0: the current one.
  uint64_t revision = 0;
};
// NotFound names the nearest known one.
CommandResult GetResources(const GetArguments& arguments, const CommandContext& context);

// One service, route, endpoint, agent or gateway in full, with its newest events.
CommandResult DescribeResource(const std::string& kind, const std::string& name,
                               const CommandContext& context);

CommandResult ExplainEndpoint(const std::string& name, const CommandContext& context);
CommandResult ExplainService(const std::string& name, const CommandContext& context);

struct WatchArguments {
  // Bare ID; empty: every service.
  std::string service;
  absl::Duration period = absl::Seconds(1);
  // Ends after so many messages; 0: never.
  int updates_max = 0;
};
// The endpoints as a table, then a line a change. JSON and YAML: each message.
CommandResult WatchEndpoints(const WatchArguments& arguments, const CommandContext& context);

CommandResult ShowStatus(const CommandContext& context);

}  // namespace pointsman::cli
