#pragma once

// "pointsman events": what happened, oldest first, and with --follow what happens from then on.

#include <string>

#include "absl/time/time.h"
#include "cli/command.h"

namespace pointsman::cli {

struct EventsArguments {
  // Only types, subjects that begin so; empty: all.
  std::string type_prefix;
  std::string subject_prefix;
  // Of what happened before.
  int limit = 30;
  bool follow = false;
  // Between two looks at the controller.
  absl::Duration period = absl::Milliseconds(500);
  // Ends then. Infinite: when interrupted.
  absl::Duration lasts = absl::InfiniteDuration();
};

// Each event once, in order: a look that finds more than a page reads on to what it knows. An
// error of the controller ends it.
CommandResult ShowEvents(const EventsArguments& arguments, const CommandContext& context);

}  // namespace pointsman::cli
