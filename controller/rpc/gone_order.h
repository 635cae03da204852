#pragma once

// Peers whose stream has ended, oldest first: whom a directory shows for a while and then forgets.
// Without it a directory grows with every name that ever connected. Thread-compatible.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "common/core/time.h"

namespace pointsman::controller {

class GoneOrder {
 public:
  // Shown this long after the stream's end, and at most so many of them.
  static constexpr absl::Duration kKept = absl::Hours(1);
  static constexpr size_t kKeptMax = 10'000;

  // `name` has been gone since `at`; replaces what was said of it. O(log n).
  void Insert(const std::string& name, common::MonotonicTime at) {
    Erase(name);
    since_[name] = at;
    order_.emplace(at, name);
  }
  // It is back, or forgotten. O(log n).
  void Erase(const std::string& name) {
    auto it = since_.find(name);
    if (it == since_.end()) return;
    order_.erase({it->second, name});
    since_.erase(it);
  }
  // Takes out the one gone longest. nullopt: nobody is gone. O(log n).
  std::optional<std::string> PopOldest() {
    if (order_.empty()) return std::nullopt;
    std::string name = order_.begin()->second;
    Erase(name);
    return name;
  }
  // Takes out one that is due to be forgotten. nullopt: none is. O(log n).
  std::optional<std::string> PopDue(common::MonotonicTime now) {
    const bool due =
        !order_.empty() && (order_.size() > kKeptMax || now - order_.begin()->first >= kKept);
    return due ? PopOldest() : std::nullopt;
  }

 private:
  std::map<std::string, common::MonotonicTime> since_;
  std::set<std::pair<common::MonotonicTime, std::string>> order_;
};

}  // namespace pointsman::controller
