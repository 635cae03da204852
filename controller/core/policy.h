#pragma once

// A service's configuration with every default filled in: what the modules compute with. Values
// were validated when the configuration was applied; out-of-range ones are clamped to the ranges
// of service.proto all the same. Thread-compatible values.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "controller/core/slice_frame.h"

namespace pointsman::v1 {
class Override;
class Service;
}  // namespace pointsman::v1

namespace pointsman::controller {

struct HealthRules {
  double removal_cap = 0.2;
  absl::Duration removal_window = absl::Seconds(30);
  double fail_open_below = 0.5;
  absl::Duration deregister_after = absl::Minutes(5);
  absl::Duration silent_after = absl::Seconds(5);
  bool shadow = false;
};

enum class Signal : uint8_t { kMax, kCpu, kInFlight, kQueueDelay, kUtilisation, kNone };

struct WeightRules {
  Signal signal = Signal::kMax;
  double min_factor = 0.1;
  double max_factor = 10;
  absl::Duration slow_start = absl::Seconds(10);
  double slow_start_initial = 0.1;
  bool shadow = false;
  double blend = 1;
  absl::Duration control_period = absl::Seconds(1);
};

struct RecoveryRules {
  bool disabled = false;
  double max_share = 0.2;
  absl::Duration grant_lease = absl::Seconds(60);
};

struct ServicePolicy {
  std::vector<std::string> checks;  // Names, in order.
  HealthRules health;
  WeightRules weights;
  double overprovisioning = 1.4;
  absl::Duration try_timeout = absl::Seconds(1);  // Without an answer no try ends before it.
  RecoveryRules recovery;
};

enum class OverrideKind : uint8_t { kNone, kDrain, kEject, kWeight };

// An operator's word on one endpoint.
struct EndpointOverride {
  OverrideKind kind = OverrideKind::kNone;
  double weight = 1;  // kWeight: factor of the nominal weight.
  std::string author;
  std::string comment;
  friend bool operator==(const EndpointOverride&, const EndpointOverride&) = default;
};

ServicePolicy PolicyFromConfig(const v1::Service& service);
EndpointOverride OverrideFromConfig(const v1::Override& override);

// "web" of "services/web" or "web".
absl::string_view BareServiceId(absl::string_view name);

const char* SignalName(Signal signal);

}  // namespace pointsman::controller
