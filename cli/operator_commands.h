#pragma once

// Commands that act: drain, undrain, freeze. Thread-compatible.

#include <string>

#include "cli/command.h"

namespace pointsman::cli {

// `name`: "web/web-1". NotFound names the nearest known endpoint.
CommandResult DrainEndpoint(const std::string& name, const std::string& comment,
                            const CommandContext& context);
CommandResult UndrainEndpoint(const std::string& name, const CommandContext& context);
// `frozen` false lifts the freeze.
CommandResult SetFreeze(bool frozen, const std::string& comment, const CommandContext& context);

}  // namespace pointsman::cli
