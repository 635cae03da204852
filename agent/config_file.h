#pragma once

// The agent's own file, agent.yaml (docs/agent.md). Example:
//
//   id: host-7
//   locality: {region: eu, zone: a}
//   controllers: ["10.0.0.1:7400"]
//   tls: {cert: /etc/pointsman/agent.pem, key: /etc/pointsman/agent.key, ca: /etc/pointsman/ca.pem}
//   instances:
//   - service: web
//     id: web-1
//     address: 10.0.0.7:8080
//     pid_file: /run/web.pid
//     metrics_url: http://127.0.0.1:8080/metrics.json
//     restart: {argv: [/usr/bin/systemctl, restart, web], timeout: 30s}
//
// Thread-safe (no state).

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/core/agent_config.h"

namespace pointsman::agent {

inline constexpr uint64_t kAgentFileBytesMax = 1 << 20;

// InvalidArgument with every problem, each with its line; an unknown field names the nearest known
// one. `source` is the file's name as shown. Anything may be given as `text`.
absl::StatusOr<AgentConfig> ParseAgentFile(absl::string_view text, absl::string_view source);

// Reads and parses; also NotFound, PermissionDenied, ResourceExhausted of the file.
absl::StatusOr<AgentConfig> LoadAgentFile(const std::string& path);

}  // namespace pointsman::agent
