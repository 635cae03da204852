#pragma once

// A set of networks, "10.0.0.0/8,2001:db8::/32,192.0.2.7": who is trusted, or must begin with a
// PROXY header. Immutable after Parse; thread-compatible. Values.

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/core/ip_address.h"

namespace pointsman::common {

class CidrSet {
 public:
  static constexpr size_t kNetworksMax = 1024;

  CidrSet() = default;
  // Networks separated by commas; an address alone is a network of one. Empty text: the empty set.
  // IPv4 addresses are in IPv4 networks only, in whatever form they are written. InvalidArgument:
  // an entry is none, or has bits behind its prefix; ResourceExhausted: more than kNetworksMax.
  static absl::StatusOr<CidrSet> Parse(absl::string_view text);

  // O(log networks).
  bool Contains(const IpAddress& address) const;
  bool empty() const { return ranges_.empty(); }

 private:
  struct Range {
    IpAddress first;
    IpAddress last;
  };
  static absl::StatusOr<Range> ParseNetwork(absl::string_view text);

  std::vector<Range> ranges_;  // Ascending, without overlap.
};

}  // namespace pointsman::common
