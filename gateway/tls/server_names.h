#pragma once

// Which certificate of a listener a server name gets: the exact name, then a wildcard for its first
// label (RFC 6125 6.4.3), else the first certificate. Thread-compatible; const use from any thread.

#include <cstddef>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace pointsman::gateway {

class ServerNames {
 public:
  // The first to claim a name keeps it. Any case; "*.example.com" is a wildcard.
  void Add(absl::string_view name, size_t certificate);

  // `name` in any case, without port; empty: none was given. No allocation for names of up to 255
  // bytes; longer ones match nothing.
  size_t Find(absl::string_view name) const;
  bool empty() const { return exact_.empty() && wildcard_.empty(); }

 private:
  absl::flat_hash_map<std::string, size_t> exact_;
  // Without "*".
  absl::flat_hash_map<std::string, size_t> wildcard_;
};

// The host of an authority ("a.example:443", "[::1]:443"): without port and final dot.
absl::string_view HostOfAuthority(absl::string_view authority);

}  // namespace pointsman::gateway
