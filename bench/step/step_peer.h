#pragma once

// The two sides of a gateway's worker when one thread drives all three: clients that send rounds of
// equal requests, and an origin that answers. Nothing here waits: Pump() takes what has come and
// sends what follows from it, so that the same calls always come in the same order.
// Thread-compatible. Sockets are on 127.0.0.1; what cannot be opened ends the process.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gateway/net/fd.h"

namespace pointsman::bench {

struct StepFields {
  // Besides method, path, host and user-agent.
  std::vector<std::pair<std::string, std::string>> more;
  size_t answer_bytes = 128;
  // Above 0: POST.
  size_t request_bytes = 0;
};

// One connection of a client or an origin.
class StepConnection {
 public:
  virtual ~StepConnection() = default;
  // True when something was sent.
  virtual bool Pump() = 0;
  // Of a client: `count` requests more; sent by the next Pump().
  virtual void Ask(size_t count) = 0;
  // Requests that have ended: a client's by answers, all of them 200.
  virtual uint64_t ended() const = 0;
};

enum class StepProtocol { kHttp1, kHttp2 };

// A client's connection to 127.0.0.1:port; the socket connects at once. HTTP/1 asks for one at a
// time.
std::unique_ptr<StepConnection> ConnectStep(StepProtocol protocol, uint16_t port,
                                            const StepFields& fields);

// Listens, accepts, and answers each request when it is complete.
class StepOrigin {
 public:
  StepOrigin(StepProtocol protocol, StepFields fields);
  uint16_t port() const { return port_; }
  // As StepConnection's, of all connections.
  bool Pump();

 private:
  const StepProtocol protocol_;
  const StepFields fields_;
  gateway::Fd listener_;
  uint16_t port_ = 0;
  std::vector<std::unique_ptr<StepConnection>> connections_;
};

}  // namespace pointsman::bench
