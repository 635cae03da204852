#include "cli/event_commands.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "cli/admin_client.h"
#include "cli/print_state.h"
#include "common/core/status_macros.h"

namespace pointsman::cli {
namespace {

// Asked for when it goes on with what happened since the last look; more when that was more.
constexpr int kLookSize = 100;

class Follower {
 public:
  Follower(const EventsArguments& arguments, const CommandContext& context) : context_(context) {
    request_.set_type_prefix(arguments.type_prefix);
    request_.set_subject_prefix(arguments.subject_prefix);
  }

  // Writes the newest `limit`.
  absl::Status Begin(int limit) {
    PM_ASSIGN_OR_RETURN(const v1::ListEventsResponse found,
                        context_.client->ListEvents(request_, limit));
    Write(found);
    return absl::OkStatus();
  }

  // Writes what is newer than what was written.
  absl::Status GoOn() {
    v1::ListEventsResponse found;
    for (int look = kLookSize;; look = std::min(AdminClient::kEntriesMax, 4 * look)) {
      PM_ASSIGN_OR_RETURN(found, context_.client->ListEvents(request_, look));
      if (found.events().empty()) return absl::OkStatus();
      // A controller with another database counts anew.
      const bool anew = found.events(0).sequence() < last_;
      if (anew) last_ = 0;
      const bool told_of = found.events().rbegin()->sequence() <= last_ + 1;
      if (anew || told_of || found.events_size() < look || look == AdminClient::kEntriesMax) break;
    }
    Write(found);
    return absl::OkStatus();
  }

 private:
  void Write(const v1::ListEventsResponse& found) {
    for (int i = found.events_size() - 1; i >= 0; --i) {
      const v1::Event& event = found.events(i);
      if (event.sequence() <= last_) continue;
      last_ = event.sequence();
      if (context_.WriteMessage(event)) continue;
      context_.out << EventLine(event, context_.wide(), context_.style, context_.zone);
    }
    context_.out << std::flush;
  }

  const CommandContext& context_;
  v1::ListEventsRequest request_;
  uint64_t last_ = 0;
};

}  // namespace

CommandResult ShowEvents(const EventsArguments& arguments, const CommandContext& context) {
  Follower follower(arguments, context);
  PM_RETURN_IF_ERROR(follower.Begin(arguments.limit));
  const auto began = std::chrono::steady_clock::now();
  while (arguments.follow && context.out.good()) {
    const auto passed = absl::FromChrono(std::chrono::steady_clock::now() - began);
    if (passed >= arguments.lasts) break;
    std::this_thread::sleep_for(
        absl::ToChronoMicroseconds(std::min(arguments.period, arguments.lasts - passed)));
    PM_RETURN_IF_ERROR(follower.GoOn());
  }
  return ExitCode::kOk;
}

}  // namespace pointsman::cli
