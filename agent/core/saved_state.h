#pragma once

// What an agent leaves for the next one on the same boot of the host: its boot id and the numbers
// it has used, the controller's assignments, check states, carried counters, restart budgets and
// leases. Times are CLOCK_MONOTONIC's, which goes on across processes but not across boots: a file
// of another boot is not used. Values; thread-compatible.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/core/check.h"
#include "agent/core/load.h"
#include "agent/core/restart_policy.h"

namespace pointsman::agent {

struct SavedCheck {
  std::string name;
  CheckMachine::Saved machine;
};

struct SavedInstance {
  std::string service;
  std::string id;
  uint64_t restarts = 0;
  bool process_seen = false;  // Running or gone ...
  bool process_gone = false;
  int64_t pid = 0;
  uint64_t process_start = 0;  // With the pid, names one process: numbers are used again.
  CarriedCounter::Saved requests;
  CarriedCounter::Saved errors;
  RestartPolicy::Saved restart;
  std::vector<SavedCheck> checks;
};

struct SavedService {
  std::string service;
  std::string assignment;  // Serialised v1::Assignment; empty: none.
  std::vector<int64_t> restart_starts_micros;
};

struct SavedState {
  std::string host_boot;  // /proc/sys/kernel/random/boot_id; set and compared by the shell.
  uint64_t boot_id = 0;
  uint64_t reserved_id = 0;  // No sequence or request above this was used.
  std::vector<SavedService> services;
  std::vector<SavedInstance> instances;
};

// Text, one record a line, closed by an "end" line. A newer agent reads what an older one wrote,
// not the other way round: the older one begins anew then. O(size).
std::string EncodeState(const SavedState& state);
// InvalidArgument: names the line. Anything may be given.
absl::StatusOr<SavedState> DecodeState(absl::string_view text);

}  // namespace pointsman::agent
