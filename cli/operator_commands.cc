#include "cli/operator_commands.h"

#include "cli/lookup.h"
#include "common/core/names.h"
#include "common/core/status_macros.h"

namespace pointsman::cli {

CommandResult DrainEndpoint(const std::string& name, const std::string& comment,
                            const CommandContext& context) {
  PM_ASSIGN_OR_RETURN(const common::EndpointRef ref, EndpointNamed(name));
  v1::DrainRequest request;
  request.set_name(common::EndpointName(ref.service, ref.endpoint));
  request.set_comment(comment);
  const absl::StatusOr<v1::Override> override_ = context.client->Drain(request);
  if (!override_.ok()) return SuggestEndpoint(override_.status(), name, context.client);
  if (context.WriteMessage(*override_)) return ExitCode::kOk;
  context.out << ref.service << "/" << ref.endpoint
              << " drains: no new requests, running ones finish; undo with \"pointsman undrain "
              << ref.service << "/" << ref.endpoint << "\"\n";
  return ExitCode::kOk;
}

CommandResult UndrainEndpoint(const std::string& name, const CommandContext& context) {
  PM_ASSIGN_OR_RETURN(const common::EndpointRef ref, EndpointNamed(name));
  v1::UndrainRequest request;
  request.set_name(common::EndpointName(ref.service, ref.endpoint));
  const absl::Status status = context.client->Undrain(request);
  if (!status.ok()) return SuggestEndpoint(status, name, context.client);
  context.out << ref.service << "/" << ref.endpoint
              << " is no longer drained; it comes back through slow start\n";
  return ExitCode::kOk;
}

CommandResult SetFreeze(bool frozen, const std::string& comment, const CommandContext& context) {
  v1::FreezeRequest request;
  request.set_frozen(frozen);
  request.set_comment(comment);
  PM_ASSIGN_OR_RETURN(const v1::FreezeResponse response, context.client->Freeze(request));
  if (context.WriteMessage(response)) return ExitCode::kOk;
  context.out << (response.frozen()
                      ? "frozen: tables change only by an operator's hand; lift with \"pointsman "
                        "freeze --lift\"\n"
                      : "the freeze is lifted: tables follow the evidence again\n");
  return ExitCode::kOk;
}

}  // namespace pointsman::cli
