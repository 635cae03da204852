#pragma once

// What explanations of endpoints and of services are written with. Pure. Thread-safe.

#include <string>

#include "absl/time/time.h"
#include "pointsman/v1/state.pb.h"

namespace pointsman::controller {

// Cut to whole milliseconds: "1.25s".
std::string Short(absl::Duration duration);

// One more input of a decision; an empty `threshold`: it has none. The reference is valid until
// the next one is added.
v1::DecisionInput& AddInput(v1::Decision& decision, std::string name, std::string value,
                            std::string threshold, std::string source);

}  // namespace pointsman::controller
