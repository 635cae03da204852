#pragma once

// What a step asks the shell to do. Order within a step: publish frames, announce removed
// services, then the rest in any order. Thread-compatible values.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "common/core/time.h"
#include "controller/core/slice_frame.h"

namespace pointsman::controller {

// Something that happened, for v1::Event; the shell adds sequence and wall time.
struct EventOut {
  std::string type;                                          // Stable: see codes.h.
  std::string subject;                                       // "services/web/endpoints/web-1".
  std::string actor;                                         // Who or what caused it.
  std::string summary;                                       // One sentence.
  std::vector<std::pair<std::string, std::string>> details;  // At most 32.
};

// Answer to a RestartRequestInput, to be sent on the session's stream.
struct RestartDecisionOut {
  std::string agent;
  uint64_t session = 0;
  uint64_t request_id = 0;
  bool granted = false;
  absl::Duration duration;  // Granted: the lease. Refused: do not ask again before.
  std::string cause;        // Refused: why.
};

// Ask the gateway to upload its slice of the service (v1::Bundle.upload).
struct UploadWanted {
  std::string gateway;
  std::string service;
};

struct Effects {
  // Next revisions, in order. For each service base is the previous frame's `to`, except after an
  // earlier owner's slice was taken over or the epoch rose: then what was kept of earlier frames
  // (the ring) no longer joins and is dropped; `continues` says who may follow.
  std::vector<Frame> frames;
  // Services that left the configuration: their slices are no longer served.
  std::vector<std::string> removed_services;
  // Services that FullFrame() serves from now on and did not before (publication was held back).
  std::vector<std::string> released_services;
  std::vector<EventOut> events;
  std::vector<RestartDecisionOut> restarts;
  std::vector<UploadWanted> uploads;
  // Not 0: a gateway presented this epoch, which is not below ours. The shell claims a higher one
  // from the store and sends EpochInput; until then nothing is published to that gateway.
  uint64_t epoch_seen = 0;
  // When the next TickInput is due; Infinite: not before the next input.
  common::MonotonicTime wake_at = common::MonotonicTime::Infinite();
};

}  // namespace pointsman::controller
