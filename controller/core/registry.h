#pragma once

// The agents this shard has met: their sessions and the instances they speak for. Decides which
// messages belong to a live session and who is silent; endpoints themselves belong to their
// service (service_state.h). Thread-compatible.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "common/core/time.h"
#include "controller/core/inputs.h"
#include "controller/core/liveness.h"

namespace pointsman::controller {

struct AgentRecord {
  uint64_t boot = 0;
  uint64_t session = 0;
  bool connected = false;
  common::MonotonicTime heard;  // Last hello or report.
  absl::Duration report_interval = absl::Seconds(1);
  ReportGaps gaps;
  uint64_t sequence = 0;  // Of its newest report; one report has an input for each service.
  std::string actor;
  std::vector<InstanceInfo> instances;  // As in the session's Hello, other shards' ones as well.
};

class Registry {
 public:
  enum class Outcome { kAccepted, kStale, kFull };

  // Takes a Hello over. Fills `dropped` with the instances that the agent named before and no
  // longer names. O(instances log instances).
  Outcome Hello(const AgentHelloInput& input, uint32_t agents_max, common::MonotonicTime now,
                std::vector<InstanceInfo>* dropped);
  // The agent, if `session` is its current one, else null.
  AgentRecord* Find(const std::string& agent, uint64_t session);
  // The stream ended: true if it was the current one.
  bool Gone(const std::string& agent, uint64_t session);
  // Agents that are gone longer than `age` are forgotten. O(agents).
  void Forget(absl::Duration age, common::MonotonicTime now);
  // Agents with at least one instance that `counts`, and the silent ones among them. O(agents).
  using Counts = absl::FunctionRef<bool(const std::string& agent, const InstanceInfo&)>;
  void Count(Counts counts, absl::Duration silent_after, common::MonotonicTime now,
             uint32_t* agents, uint32_t* silent) const;
  size_t size() const { return agents_.size(); }

 private:
  std::map<std::string, AgentRecord, std::less<>> agents_;
};

}  // namespace pointsman::controller
