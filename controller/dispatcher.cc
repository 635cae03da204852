#include "controller/dispatcher.h"

#include <utility>

#include "common/log.h"
#include "controller/core/codes.h"

namespace pointsman::controller {

void Dispatcher::OnEffects(Effects effects, const ShardCore& core, common::MonotonicTime now) {
  to_.publisher->OnFrames(effects.frames);
  if (!effects.removed_services.empty()) to_.publisher->OnRemoved(effects.removed_services);
  if (!effects.released_services.empty()) {
    to_.publisher->OnReleased(effects.released_services, core);
  }
  for (const UploadWanted& upload : effects.uploads) {
    to_.publisher->OnUploadWanted(upload.gateway, upload.service);
  }
  for (const RestartDecisionOut& decision : effects.restarts) to_.agents->Decide(decision);
  for (EventOut& event : effects.events) {
    if (!MayTell(event, core)) continue;
    to_.events->Record({std::move(event.type), std::move(event.subject), std::move(event.actor),
                        std::move(event.summary), std::move(event.details)});
  }
  if (effects.epoch_seen == 0) return;
  to_.epochs->RaiseAbove(effects.epoch_seen, [](const absl::Status& status) {
    if (!status.ok()) common::LogWarning("epoch.not_raised", {{"cause", status.message()}});
  });
}

// The server itself records a raised epoch; of freezes the first shard ever heard speaks for all.
bool Dispatcher::MayTell(const EventOut& event, const ShardCore& core) {
  if (event.type == kEventEpochRaised) return false;
  if (event.type != kEventFreezeBegan && event.type != kEventFreezeEnded) return true;
  const ShardCore* speaker = nullptr;
  return speaker_.compare_exchange_strong(speaker, &core) || speaker == &core;
}

}  // namespace pointsman::controller
