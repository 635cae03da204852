#pragma once

// Reads the load of the host and of instances from the kernel's files, below roots that tests
// replace by recorded trees. An instance's CPU and memory come from its cgroup (v2) if one is named
// and there, else from its process. What cannot be read is absent. Thread-compatible.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "agent/core/load.h"

namespace pointsman::agent {

struct SamplerOptions {
  std::string proc_root = "/proc";
  std::string cgroup_root = "/sys/fs/cgroup";
};

// Where an instance can be looked at.
struct SampleTarget {
  std::string cgroup;  // Below the cgroup root, as in the agent's file; empty: none.
  int64_t pid = 0;     // 0: no known process.
};

class Sampler {
 public:
  explicit Sampler(SamplerOptions options);

  // About 20 us.
  HostReading ReadHost();
  // About 30 us.
  InstanceReading ReadInstance(const SampleTarget& target);

  // Files that were there but not in their form.
  uint64_t unreadable() const { return unreadable_; }

 private:
  bool ReadCgroup(const std::string& cgroup, InstanceReading* reading);
  void ReadProcess(int64_t pid, InstanceReading* reading);
  // The file's first 16 KiB in buffer_; false: it is not there.
  bool Load(const std::string& path);

  const SamplerOptions options_;
  const double ticks_per_second_;
  const uint64_t page_bytes_;
  std::string buffer_;
  uint64_t unreadable_ = 0;
};

}  // namespace pointsman::agent
