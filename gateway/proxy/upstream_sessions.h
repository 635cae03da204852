#pragma once

// TLS sessions to endpoints, kept so that the next connection may resume: the last one of each
// endpoint and TLS policy. Bounded: when full, any other is forgotten. Thread-compatible; one per
// worker.

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "gateway/core/cells.h"
#include "gateway/tls/openssl.h"

namespace pointsman::gateway {

class UpstreamSessions {
 public:
  struct Key {
    uint32_t cell = 0;
    uint32_t generation = 0;
    uint64_t policy = 0;
    friend bool operator==(const Key&, const Key&) = default;
    template <typename H>
    friend H AbslHashValue(H state, const Key& key) {
      return H::combine(std::move(state), key.cell, key.generation, key.policy);
    }
  };

  explicit UpstreamSessions(size_t max) : max_(max) {}

  void Keep(const Key& key, SessionPtr session) {
    if (max_ == 0) return;
    if (sessions_.size() >= max_ && !sessions_.contains(key)) sessions_.erase(sessions_.begin());
    sessions_[key] = std::move(session);
  }
  // Null: none. A session is used once (RFC 8446 C.4); the connection brings the next.
  SessionPtr Take(const Key& key) {
    const auto found = sessions_.find(key);
    if (found == sessions_.end()) return nullptr;
    SessionPtr session = std::move(found->second);
    sessions_.erase(found);
    return session;
  }
  void Clear() { sessions_.clear(); }
  size_t size() const { return sessions_.size(); }

 private:
  const size_t max_;
  absl::flat_hash_map<Key, SessionPtr> sessions_;
};

}  // namespace pointsman::gateway
