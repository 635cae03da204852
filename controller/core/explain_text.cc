#include "controller/core/explain_text.h"

#include <utility>

namespace pointsman::controller {

std::string Short(absl::Duration duration) {
  return absl::FormatDuration(absl::Trunc(duration, absl::Milliseconds(1)));
}

v1::DecisionInput& AddInput(v1::Decision& decision, std::string name, std::string value,
                            std::string threshold, std::string source) {
  v1::DecisionInput& input = *decision.add_inputs();
  input.set_name(std::move(name));
  input.set_value(std::move(value));
  input.set_threshold(std::move(threshold));
  input.set_source(std::move(source));
  return input;
}

}  // namespace pointsman::controller
