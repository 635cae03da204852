#pragma once

// Commands for one gateway process, by its admin address. Thread-compatible.

#include <string>

#include "cli/command.h"

namespace pointsman::cli {

// Has the gateway start its program's file anew and hand its listeners over to that. Waits for the
// outcome. `admin`: "HOST:PORT", of this host: gateways let no other ask. InvalidArgument: not an
// address; Unavailable: nobody answers; FailedPrecondition: the gateway goes on as it was, and why.
CommandResult UpgradeGateway(const std::string& admin, const CommandContext& context);

}  // namespace pointsman::cli
