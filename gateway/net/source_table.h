#pragma once

// How many connections stand from where, so that one source cannot take the places of all others.
// A source is an IPv4 address or an IPv6 network of 64 bits (what one host is given). Thread-safe,
// shared by the workers; a look takes one of many locks, and memory goes with the sources that
// have a connection. Must outlive its slots.

#include <array>
#include <cstddef>
#include <optional>
#include <utility>

#include "absl/container/node_hash_map.h"
#include "common/core/ip_address.h"
#include "common/mutex.h"

namespace pointsman::gateway {

class SourceTable {
  struct Stripe;
  struct Source {
    common::IpAddress address;
    Stripe* stripe = nullptr;
    size_t open = 0;
  };

 public:
  // A connection's place; given back when it ends. Empty for what is not counted.
  class Slot {
   public:
    Slot() = default;
    ~Slot() { Leave(); }
    Slot(Slot&& other) noexcept : source_(std::exchange(other.source_, nullptr)) {}
    Slot& operator=(Slot&& other) noexcept {
      std::swap(source_, other.source_);
      return *this;
    }

   private:
    friend class SourceTable;
    explicit Slot(Source* source) : source_(source) {}
    void Leave();

    Source* source_ = nullptr;
  };

  // `per_source_max`: connections of one source at a time. REQUIRES: above 0.
  explicit SourceTable(size_t per_source_max) : per_source_max_(per_source_max) {}
  SourceTable(const SourceTable&) = delete;
  SourceTable& operator=(const SourceTable&) = delete;

  // nullopt: the source has all it may have.
  std::optional<Slot> Enter(common::IpAddress from);
  // With a connection now.
  size_t sources() const;

 private:
  struct Stripe {
    mutable common::Mutex mutex;
    absl::node_hash_map<common::IpAddress, Source> sources ABSL_GUARDED_BY(mutex);
  };
  static constexpr size_t kStripes = 32;

  const size_t per_source_max_;
  std::array<Stripe, kStripes> stripes_;
};

}  // namespace pointsman::gateway
