#pragma once

// Raw readings become the load of a report. CPU readings are cumulative, so the share over a window
// is exact, whatever happened between two readings; the service's own counters are carried over
// its restarts, so what is reported only grows. Pure; thread-compatible.

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "common/core/time.h"

namespace pointsman::agent {

// Shorter windows would turn the granularity of the kernel's clocks into noise: a share is then
// that of the window before.
inline constexpr absl::Duration kCpuWindowMin = absl::Milliseconds(200);

// A cumulative CPU reading and the limit it is a share of.
struct CpuReading {
  double used_seconds = 0;
  // Host: all CPUs' time so far, busy or idle. Absent: wall time times `limit_cpus`.
  std::optional<double> available_seconds;
  double limit_cpus = 1;
  // A different source (another process, another cgroup) has another number: no difference is
  // taken across it.
  uint64_t source = 0;
};

// Busy share over the time between readings.
class CpuMeter {
 public:
  // The share of the limit since the reading before, if one of the same source is at least
  // kCpuWindowMin old; else the last share; nothing before there was one. A counter that went back
  // starts anew.
  std::optional<double> Take(const std::optional<CpuReading>& reading, common::MonotonicTime now);

 private:
  std::optional<CpuReading> base_;
  common::MonotonicTime base_time_;
  std::optional<double> share_;
};

struct HostReading {
  std::optional<CpuReading> cpu;
  std::optional<double> memory_share;
};

// One instance's readings; absent: not observed.
struct InstanceReading {
  std::optional<CpuReading> cpu;
  std::optional<uint64_t> memory_bytes;
};

// What a service says about itself. All finite and not negative (agent/load/service_metrics.h
// refuses the rest); absent: it does not say.
struct ServiceMetrics {
  std::optional<double> in_flight;
  std::optional<absl::Duration> queue_delay;
  std::optional<double> utilisation;
  std::optional<uint64_t> requests;  // Cumulative since the service started.
  std::optional<uint64_t> errors;
};

// A counter that begins at 0 whenever its service restarts becomes one that only grows.
class CarriedCounter {
 public:
  struct Saved {
    uint64_t carried = 0;
    uint64_t last = 0;
    bool seen = false;
  };
  CarriedCounter() = default;
  explicit CarriedCounter(const Saved& saved) : saved_(saved) {}

  // Lower than before: the service restarted, what it had counted is carried.
  void Take(uint64_t value);
  // Nothing before the first value.
  std::optional<uint64_t> total() const;
  Saved Save() const { return saved_; }

 private:
  Saved saved_;
};

// Service metrics over one report window: gauges are averaged over the answers of the window, and
// a window without an answer has no gauges (never an old one that looks fresh).
class MetricsWindow {
 public:
  void Take(const ServiceMetrics& metrics);
  // The averages, and a new window.
  ServiceMetrics Close();

  CarriedCounter& requests() { return requests_; }
  CarriedCounter& errors() { return errors_; }
  const CarriedCounter& requests() const { return requests_; }
  const CarriedCounter& errors() const { return errors_; }

 private:
  struct Mean {
    double sum = 0;
    int count = 0;
    void Add(double value) { sum += value, ++count; }
    std::optional<double> Value() const {
      return count == 0 ? std::nullopt : std::optional<double>(sum / count);
    }
  };
  Mean in_flight_;
  Mean queue_delay_seconds_;
  Mean utilisation_;
  CarriedCounter requests_;
  CarriedCounter errors_;
};

}  // namespace pointsman::agent
