#pragma once

// Stable codes: of refused input (docs/errors.md) and of events (docs/events.md). Never renamed.
// Thread-safe constants.

namespace pointsman::controller {

// Refused messages.
inline constexpr char kHelloInvalid[] = "HELLO_INVALID";
inline constexpr char kHelloTooManyInstances[] = "HELLO_TOO_MANY_INSTANCES";
inline constexpr char kHelloTooManyLeases[] = "HELLO_TOO_MANY_LEASES";
inline constexpr char kHelloDuplicateInstance[] = "HELLO_DUPLICATE_INSTANCE";
inline constexpr char kEndpointInvalid[] = "ENDPOINT_INVALID";
inline constexpr char kReportUnknownInstance[] = "REPORT_UNKNOWN_INSTANCE";
inline constexpr char kReportNotFinite[] = "REPORT_NOT_FINITE";
inline constexpr char kReportOutOfRange[] = "REPORT_OUT_OF_RANGE";
inline constexpr char kReportTooLarge[] = "REPORT_TOO_LARGE";
inline constexpr char kReportStale[] = "REPORT_STALE";
inline constexpr char kRestartInvalid[] = "RESTART_INVALID";
inline constexpr char kObservationsNotFinite[] = "OBSERVATIONS_NOT_FINITE";
inline constexpr char kObservationsOutOfRange[] = "OBSERVATIONS_OUT_OF_RANGE";
inline constexpr char kObservationsTooLarge[] = "OBSERVATIONS_TOO_LARGE";
inline constexpr char kFrameInvalid[] = "FRAME_INVALID";
inline constexpr char kMailboxFull[] = "MAILBOX_FULL";

// Events.
inline constexpr char kEventEndpointRegistered[] = "endpoint.registered";
inline constexpr char kEventEndpointDeregistered[] = "endpoint.deregistered";
inline constexpr char kEventEndpointChanged[] = "endpoint.changed";
inline constexpr char kEventEndpointConflict[] = "endpoint.conflict";
inline constexpr char kEventEndpointVerdict[] = "endpoint.verdict";
inline constexpr char kEventRemovalCapped[] = "endpoint.removal_capped";
inline constexpr char kEventWeightClamped[] = "endpoint.weight_clamped";
inline constexpr char kEventWeightUnclamped[] = "endpoint.weight_unclamped";
inline constexpr char kEventFailOpenBegan[] = "service.fail_open_began";
inline constexpr char kEventFailOpenEnded[] = "service.fail_open_ended";
inline constexpr char kEventServiceInherited[] = "service.inherited";
inline constexpr char kEventServiceAdded[] = "service.added";
inline constexpr char kEventServiceRemoved[] = "service.removed";
inline constexpr char kEventFreezeBegan[] = "freeze.began";
inline constexpr char kEventFreezeEnded[] = "freeze.ended";
inline constexpr char kEventRestartGranted[] = "restart.granted";
inline constexpr char kEventRestartRefused[] = "restart.refused";
inline constexpr char kEventRestartEnded[] = "restart.ended";
inline constexpr char kEventRestartExpired[] = "restart.expired";
inline constexpr char kEventRestartBudgetSpent[] = "restart.budget_spent";
inline constexpr char kEventLimitReached[] = "limit.reached";
inline constexpr char kEventEpochRaised[] = "epoch.raised";

// Limits, in the details of kEventLimitReached.
inline constexpr char kLimitAgents[] = "LIMIT_AGENTS";
inline constexpr char kLimitGateways[] = "LIMIT_GATEWAYS";
inline constexpr char kLimitServiceEndpoints[] = "LIMIT_SERVICE_ENDPOINTS";
inline constexpr char kLimitShardEndpoints[] = "LIMIT_SHARD_ENDPOINTS";

}  // namespace pointsman::controller
