#pragma once

// An agent service that welcomes, assigns nothing and throws reports away: what gRPC itself costs
// at the same load. For measuring only.

#include <atomic>
#include <memory>
#include <string>

namespace grpc {
class Server;
}

namespace pointsman::bench {

class EchoAgentService;
struct OtherServices;

// Thread-safe. Serves from construction to destruction.
class EchoController {
 public:
  // Listens on 127.0.0.1, any port.
  EchoController();
  ~EchoController();
  const std::string& address() const { return address_; }
  uint64_t reports() const;

 private:
  std::unique_ptr<EchoAgentService> service_;
  std::unique_ptr<OtherServices> others_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

}  // namespace pointsman::bench
