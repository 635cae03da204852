#pragma once

// What the agent's own file says (agent/config_file.h reads it): who it is, which instances run on
// its host, where they can be looked at and how one is restarted. Values; thread-compatible.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace pointsman::agent {

// Named limits of an agent; the contract sets those of messages.
inline constexpr size_t kInstancesMax = 256;
inline constexpr size_t kChecksPerServiceMax = 8;
inline constexpr size_t kDetailBytesMax = 127;

// How an instance is started again. Nothing of this ever comes over the network.
struct RestartAction {
  enum class Kind {
    kOneshot,  // argv does the work and ends with status 0 ("systemctl restart web").
    kSimple,   // argv is the service itself; it runs on, detached from the agent.
  };
  std::vector<std::string> argv;  // Never a shell; argv[0] is an absolute path.
  Kind kind = Kind::kOneshot;
  absl::Duration timeout = absl::Seconds(30);  // kOneshot: then it is killed and has failed.
  std::string output;     // kSimple: file that the service's output is appended to; empty: dropped.
  std::string directory;  // Working directory; empty: "/".
  friend bool operator==(const RestartAction&, const RestartAction&) = default;
};

struct InstanceConfig {
  std::string service;
  std::string id;
  std::string address;
  double capacity = 1;
  uint32_t priority = 0;
  std::map<std::string, std::string> labels;
  std::string cgroup;       // Below the cgroup root; empty: not looked at.
  std::string pid_file;     // Empty: only a process the agent started itself is known.
  std::string metrics_url;  // http or https; empty: none.
  std::optional<RestartAction> restart;
  bool draining = false;
  friend bool operator==(const InstanceConfig&, const InstanceConfig&) = default;
};

struct AgentConfig {
  std::string id;  // Empty: the host's name.
  std::string region;
  std::string zone;
  std::vector<InstanceConfig> instances;
  // Used when the command line names none.
  std::vector<std::string> controllers;
  std::string tls_cert;
  std::string tls_key;
  std::string tls_ca;
};

}  // namespace pointsman::agent
