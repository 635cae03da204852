#include "cli/state_commands.h"

#include <algorithm>
#include <map>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/config_commands.h"
#include "cli/lookup.h"
#include "cli/next_step.h"
#include "cli/print_config.h"
#include "cli/print_explain.h"
#include "cli/print_state.h"
#include "common/core/config_format.h"
#include "common/core/names.h"
#include "common/core/proto_time.h"
#include "common/core/status_macros.h"

namespace pointsman::cli {
namespace {

using google::protobuf::RepeatedPtrField;

constexpr int kDescribedEvents = 10;
constexpr absl::string_view kKinds[] = {"services", "routes",   "overrides", "endpoints",
                                        "agents",   "gateways", "events",    "config"};
constexpr absl::string_view kDescribedKinds[] = {"services", "routes", "endpoints", "agents",
                                                 "gateways"};

// Keeps the named resources, in the order they were asked for. `kind`: "services".
template <typename Resource>
absl::Status KeepNamed(absl::string_view kind, const std::vector<std::string>& names,
                       RepeatedPtrField<Resource>* resources) {
  if (names.empty()) return absl::OkStatus();
  std::map<std::string, const Resource*, std::less<>> by_name;
  std::vector<std::string> known;
  for (const Resource& resource : *resources) {
    known.push_back(std::string(common::BareId(resource.name(), kind)));
    by_name.emplace(known.back(), &resource);
  }
  RepeatedPtrField<Resource> kept;
  for (const std::string& name : names) {
    const auto found = by_name.find(common::BareId(name, kind));
    if (found == by_name.end()) {
      return Missing(kind, common::BareId(name, kind), known);
    }
    *kept.Add() = *found->second;
  }
  resources->Swap(&kept);
  return absl::OkStatus();
}

// "web" is a service, "web/web-1" an endpoint.
absl::StatusOr<v1::ListEndpointsResponse> EndpointsOf(const std::string& name,
                                                      AdminClient* client) {
  const absl::string_view bare = common::BareId(name, "services");
  if (!absl::StrContains(bare, '/')) return client->ListEndpoints(common::ServiceName(bare));
  PM_ASSIGN_OR_RETURN(const common::EndpointRef ref, EndpointNamed(name));
  PM_ASSIGN_OR_RETURN(v1::ListEndpointsResponse response,
                      client->ListEndpoints(common::ServiceName(ref.service)));
  const std::string full = common::EndpointName(ref.service, ref.endpoint);
  std::vector<std::string> known;
  for (const v1::EndpointState& endpoint : response.endpoints()) {
    if (endpoint.name() == full) {
      v1::ListEndpointsResponse only;
      *only.add_endpoints() = endpoint;
      return only;
    }
    known.push_back(ShortEndpointName(endpoint.name()));
  }
  return Missing("endpoints", ShortEndpointName(full), known);
}

CommandResult GetServices(const GetArguments& arguments, const CommandContext& context) {
  PM_ASSIGN_OR_RETURN(v1::ListServicesResponse response, context.client->ListServices());
  PM_RETURN_IF_ERROR(KeepNamed("services", arguments.names, response.mutable_services()));
  if (context.WriteMessage(response)) return ExitCode::kOk;
  PM_ASSIGN_OR_RETURN(const v1::ListEndpointsResponse states, context.client->ListEndpoints(""));
  context.out << ServicesTable(response.services(), states.endpoints(), context.style);
  return ExitCode::kOk;
}

CommandResult GetRoutes(const GetArguments& arguments, const CommandContext& context) {
  PM_ASSIGN_OR_RETURN(v1::ListRoutesResponse response, context.client->ListRoutes());
  PM_RETURN_IF_ERROR(KeepNamed("routes", arguments.names, response.mutable_routes()));
  if (context.WriteMessage(response)) return ExitCode::kOk;
  context.out << RoutesTable(response.routes(), context.style);
  return ExitCode::kOk;
}

CommandResult GetOverrides(const GetArguments& arguments, const CommandContext& context) {
  PM_ASSIGN_OR_RETURN(v1::ListOverridesResponse response, context.client->ListOverrides());
  PM_RETURN_IF_ERROR(KeepNamed("overrides", arguments.names, response.mutable_overrides()));
  if (context.WriteMessage(response)) return ExitCode::kOk;
  context.out << OverridesTable(response.overrides(), context.style, context.zone);
  return ExitCode::kOk;
}

CommandResult GetEndpoints(const GetArguments& arguments, const CommandContext& context) {
  v1::ListEndpointsResponse response;
  if (arguments.names.empty()) {
    PM_ASSIGN_OR_RETURN(response, context.client->ListEndpoints(""));
  }
  for (const std::string& name : arguments.names) {
    PM_ASSIGN_OR_RETURN(const v1::ListEndpointsResponse some, EndpointsOf(name, context.client));
    response.mutable_endpoints()->MergeFrom(some.endpoints());
  }
  if (context.WriteMessage(response)) return ExitCode::kOk;
  context.out << EndpointsTable(response.endpoints(), context.wide(), context.style);
  return ExitCode::kOk;
}

CommandResult GetAgents(const GetArguments& arguments, const CommandContext& context) {
  PM_ASSIGN_OR_RETURN(v1::ListAgentsResponse response, context.client->ListAgents());
  PM_RETURN_IF_ERROR(KeepNamed("agents", arguments.names, response.mutable_agents()));
  if (context.WriteMessage(response)) return ExitCode::kOk;
  context.out << AgentsTable(response.agents(), context.wide(), context.style);
  return ExitCode::kOk;
}

CommandResult GetGateways(const GetArguments& arguments, const CommandContext& context) {
  PM_ASSIGN_OR_RETURN(v1::ListGatewaysResponse response, context.client->ListGateways());
  PM_RETURN_IF_ERROR(KeepNamed("gateways", arguments.names, response.mutable_gateways()));
  if (context.WriteMessage(response)) return ExitCode::kOk;
  context.out << GatewaysTable(response.gateways(), context.wide(), context.style);
  return ExitCode::kOk;
}

CommandResult GetEvents(const GetArguments& arguments, const CommandContext& context) {
  v1::ListEventsRequest request;
  request.set_type_prefix(arguments.type_prefix);
  request.set_subject_prefix(arguments.subject_prefix);
  PM_ASSIGN_OR_RETURN(const v1::ListEventsResponse response,
                      context.client->ListEvents(request, arguments.limit));
  if (context.WriteMessage(response)) return ExitCode::kOk;
  context.out << EventsTable(response.events(), context.wide(), context.style, context.zone);
  return ExitCode::kOk;
}

absl::Status WriteEventsOf(const std::string& subject, const CommandContext& context) {
  v1::ListEventsRequest request;
  request.set_subject_prefix(subject);
  PM_ASSIGN_OR_RETURN(const v1::ListEventsResponse response,
                      context.client->ListEvents(request, kDescribedEvents));
  if (response.events().empty()) return absl::OkStatus();
  context.out << "\n" << EventsTable(response.events(), false, context.style, context.zone);
  return absl::OkStatus();
}

CommandResult DescribeEndpoint(const std::string& name, const CommandContext& context) {
  PM_ASSIGN_OR_RETURN(const common::EndpointRef ref, EndpointNamed(name));
  const std::string full = common::EndpointName(ref.service, ref.endpoint);
  PM_ASSIGN_OR_RETURN(const v1::ListEndpointsResponse response, EndpointsOf(full, context.client));
  if (context.WriteMessage(response.endpoints(0))) return ExitCode::kOk;
  v1::ExplainRequest request;
  request.set_name(full);
  PM_ASSIGN_OR_RETURN(const v1::Explanation explanation, context.client->Explain(request));
  context.out << EndpointFacts(response.endpoints(0), context.style) << "\n"
              << ExplanationText(explanation, context.style);
  PM_RETURN_IF_ERROR(WriteEventsOf(full, context));
  return ExitCode::kOk;
}

CommandResult DescribeService(const std::string& name, const CommandContext& context) {
  PM_ASSIGN_OR_RETURN(v1::ListServicesResponse services, context.client->ListServices());
  PM_RETURN_IF_ERROR(KeepNamed("services", {name}, services.mutable_services()));
  const v1::Service& service = services.services(0);
  if (context.WriteMessage(service)) return ExitCode::kOk;
  PM_ASSIGN_OR_RETURN(const v1::ListEndpointsResponse states,
                      context.client->ListEndpoints(service.name()));
  context.out << ServicesTable(services.services(), states.endpoints(), context.style) << "\n"
              << common::FormatYaml(service, {.server_fields = false}) << "\n"
              << EndpointsTable(states.endpoints(), context.wide(), context.style);
  PM_RETURN_IF_ERROR(WriteEventsOf(service.name(), context));
  return ExitCode::kOk;
}

CommandResult DescribeRoute(const std::string& name, const CommandContext& context) {
  PM_ASSIGN_OR_RETURN(v1::ListRoutesResponse routes, context.client->ListRoutes());
  PM_RETURN_IF_ERROR(KeepNamed("routes", {name}, routes.mutable_routes()));
  if (context.WriteMessage(routes.routes(0))) return ExitCode::kOk;
  context.out << common::FormatYaml(routes.routes(0));
  PM_RETURN_IF_ERROR(WriteEventsOf(routes.routes(0).name(), context));
  return ExitCode::kOk;
}

CommandResult DescribeAgent(const std::string& name, const CommandContext& context) {
  PM_ASSIGN_OR_RETURN(v1::ListAgentsResponse agents, context.client->ListAgents());
  PM_RETURN_IF_ERROR(KeepNamed("agents", {name}, agents.mutable_agents()));
  if (context.WriteMessage(agents.agents(0))) return ExitCode::kOk;
  context.out << AgentFacts(agents.agents(0), context.style);
  PM_RETURN_IF_ERROR(WriteEventsOf(agents.agents(0).name(), context));
  return ExitCode::kOk;
}

CommandResult DescribeGateway(const std::string& name, const CommandContext& context) {
  PM_ASSIGN_OR_RETURN(v1::ListGatewaysResponse gateways, context.client->ListGateways());
  PM_RETURN_IF_ERROR(KeepNamed("gateways", {name}, gateways.mutable_gateways()));
  if (context.WriteMessage(gateways.gateways(0))) return ExitCode::kOk;
  context.out << GatewayFacts(gateways.gateways(0), context.style);
  PM_RETURN_IF_ERROR(WriteEventsOf(gateways.gateways(0).name(), context));
  return ExitCode::kOk;
}

// Turns messages of a watch into text.
class WatchWriter {
 public:
  explicit WatchWriter(const CommandContext& context) : context_(context) {}

  void Write(const v1::WatchEndpointsResponse& message) {
    if (!context_.WriteMessage(message)) WriteText(message);
    context_.out << std::flush;
  }

 private:
  void WriteText(const v1::WatchEndpointsResponse& message) {
    if (first_) {
      context_.out << EndpointsTable(message.endpoints(), context_.wide(), context_.style);
    }
    for (const v1::EndpointState& endpoint : message.endpoints()) {
      const auto [known, inserted] = known_.try_emplace(endpoint.name());
      if (!first_) {
        context_.out << EndpointChange(inserted ? nullptr : &known->second, endpoint,
                                       context_.style);
      }
      known->second = endpoint;
    }
    for (const std::string& name : message.removed()) {
      known_.erase(name);
      context_.out << Clean(ShortEndpointName(name)) << "  "
                   << Paint(context_.style, Colour::kRed, "removed") << "\n";
    }
    first_ = false;
  }

  const CommandContext& context_;
  bool first_ = true;
  std::map<std::string, v1::EndpointState> known_;
};

}  // namespace

CommandResult GetResources(const GetArguments& arguments, const CommandContext& context) {
  PM_ASSIGN_OR_RETURN(const std::string kind, KindOf(arguments.kind, kKinds));
  if (!arguments.names.empty() && (kind == "events" || kind == "config")) {
    return WithNext(
        absl::InvalidArgumentError(absl::StrCat("\"pointsman get ", kind, "\" takes no names")),
        kind == "events" ? "choose with --type or --subject" : "choose with --revision");
  }
  if (kind == "services") return GetServices(arguments, context);
  if (kind == "routes") return GetRoutes(arguments, context);
  if (kind == "overrides") return GetOverrides(arguments, context);
  if (kind == "endpoints") return GetEndpoints(arguments, context);
  if (kind == "agents") return GetAgents(arguments, context);
  if (kind == "gateways") return GetGateways(arguments, context);
  if (kind == "events") return GetEvents(arguments, context);
  return ShowRevision(arguments.revision, context);
}

CommandResult DescribeResource(const std::string& kind_word, const std::string& name,
                               const CommandContext& context) {
  PM_ASSIGN_OR_RETURN(const std::string kind, KindOf(kind_word, kDescribedKinds));
  if (kind == "services") return DescribeService(name, context);
  if (kind == "routes") return DescribeRoute(name, context);
  if (kind == "endpoints") return DescribeEndpoint(name, context);
  if (kind == "agents") return DescribeAgent(name, context);
  return DescribeGateway(name, context);
}

CommandResult ExplainEndpoint(const std::string& name, const CommandContext& context) {
  PM_ASSIGN_OR_RETURN(const common::EndpointRef ref, EndpointNamed(name));
  v1::ExplainRequest request;
  request.set_name(common::EndpointName(ref.service, ref.endpoint));
  const absl::StatusOr<v1::Explanation> explanation = context.client->Explain(request);
  if (!explanation.ok()) return SuggestEndpoint(explanation.status(), name, context.client);
  if (context.WriteMessage(*explanation)) return ExitCode::kOk;
  context.out << ExplanationText(*explanation, context.style);
  return ExitCode::kOk;
}

CommandResult ExplainService(const std::string& name, const CommandContext& context) {
  v1::ExplainRequest request;
  request.set_name(common::ServiceName(common::BareId(name, "services")));
  PM_ASSIGN_OR_RETURN(const v1::Explanation explanation, context.client->Explain(request));
  if (context.WriteMessage(explanation)) return ExitCode::kOk;
  context.out << ServiceExplanationText(explanation, context.style);
  return ExitCode::kOk;
}

CommandResult WatchEndpoints(const WatchArguments& arguments, const CommandContext& context) {
  v1::WatchEndpointsRequest request;
  if (!arguments.service.empty()) {
    request.set_parent(common::ServiceName(common::BareId(arguments.service, "services")));
  }
  common::ToProto(arguments.period, request.mutable_period());
  WatchWriter writer(context);
  int updates = 0;
  PM_RETURN_IF_ERROR(
      context.client->WatchEndpoints(request, [&](const v1::WatchEndpointsResponse& message) {
        writer.Write(message);
        ++updates;
        return context.out.good() && updates != arguments.updates_max;
      }));
  return ExitCode::kOk;
}

CommandResult ShowStatus(const CommandContext& context) {
  PM_ASSIGN_OR_RETURN(const v1::ControllerStatus status, context.client->GetStatus());
  if (context.WriteMessage(status)) return ExitCode::kOk;
  context.out << StatusText(status, context.style);
  return ExitCode::kOk;
}

}  // namespace pointsman::cli
