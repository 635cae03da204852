#pragma once

// How endpoints of a service are picked, as the configuration says it. Plain structs.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace pointsman::gateway {

// A part of the request that is hashed.
struct HashPart {
  enum class Kind : uint8_t { kHeader, kCookie, kQuery, kClientAddress };
  Kind kind = Kind::kHeader;
  std::string name;  // Of a header in lower case; none of an address.
  friend bool operator==(const HashPart&, const HashPart&) = default;
};

struct AffinityCookie {
  std::string name;                           // Empty: clients do not stay with an endpoint.
  absl::Duration ttl = absl::ZeroDuration();  // 0: the browser's session.
  std::string path = "/";
  friend bool operator==(const AffinityCookie&, const AffinityCookie&) = default;
};

struct PickerPolicy {
  enum class Kind : uint8_t {
    kP2c,
    kRandom,
    kRoundRobin,  // In turns by weight; what the weights follow is the controller's.
    kLeastRequest,
    kMaglev,
    kRingHash,
  };
  static constexpr uint32_t kChoicesMax = 16;

  Kind kind = Kind::kP2c;
  // At most kChoicesMax.
  uint32_t choices = 2;           // Of kLeastRequest.
  std::vector<HashPart> hash_on;  // The first that the request has.
  double bounded_load = 2;
  AffinityCookie affinity;
  uint32_t subset_size = 0;  // 0: all.
  friend bool operator==(const PickerPolicy&, const PickerPolicy&) = default;

  bool hashes() const { return kind == Kind::kMaglev || kind == Kind::kRingHash; }
};

}  // namespace pointsman::gateway
