#pragma once

// Who takes part in a soak: origins that are good and bad, clients that are good, rude and hostile.
// Clients are thread-compatible, one a thread; every wait has a deadline.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/gateway/http1/framing_rows.h"
#include "tests/gateway/proxy/http2_peer.h"
#include "tests/gateway/proxy/peer.h"

namespace pointsman::gateway {

// What all clients together saw.
struct SoakCounts {
  std::atomic<uint64_t> answered{0};
  std::atomic<uint64_t> good{0};      // 200 with the body that was asked for.
  std::atomic<uint64_t> tunnels{0};   // Gave back what was said.
  std::atomic<uint64_t> wrong{0};     // 200 with another body, or a refused message that passed.
  std::atomic<uint64_t> attacks{0};   // Refused as they should be.
  std::atomic<uint64_t> given_up{0};  // Left by the client before its answer.
};

// The body that `/size/N` is answered with.
inline std::string SoakBody(size_t size) {
  std::string body(size, '\0');
  for (size_t i = 0; i < size; ++i) body[i] = static_cast<char>('a' + i % 26);
  return body;
}

inline size_t SoakSize(absl::string_view target) {
  const size_t at = target.find("/size/");
  return at == absl::string_view::npos
             ? 0
             : std::strtoul(std::string(target.substr(at + 6)).c_str(), nullptr, 10);
}

// Origins: one that answers all, and several that fail in the middle of things.
std::vector<std::unique_ptr<ScriptedUpstream>> SoakOrigins();
// The same for HTTP/2.
std::vector<std::unique_ptr<ScriptedUpstream>> SoakHttp2Origins();

class SoakClient {
 public:
  // `connect` gives a connection, with TLS or without; `http2` its kind for HTTP/2.
  struct Ways {
    std::function<Peer()> http1;
    std::function<Peer()> http2;
  };
  SoakClient(Ways ways, SoakCounts* counts, uint64_t seed)
      : ways_(std::move(ways)), counts_(*counts), random_(seed) {}

  // One thing of many, by chance.
  void Act();

 private:
  size_t Below(size_t n) { return random_() % n; }
  size_t AnySize();
  void KeepAlive();
  void Upload();
  void GiveUp();
  void ReadSlowly();
  void Pipeline();
  void Tunnel();
  void Attack();
  void Streams();
  void Http2GiveUp();
  void Take(const TestMessage& answer, size_t size);

  Ways ways_;
  SoakCounts& counts_;
  std::mt19937_64 random_;
  std::vector<Refused> attacks_ = RefusedHeaders();
};

}  // namespace pointsman::gateway
