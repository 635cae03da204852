#pragma once

// A whole controller: store, configuration, shards, publisher, services on one gRPC port, admin
// HTTP on another. Thread-compatible; owns everything it starts.

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/rpc/tls.h"

namespace pointsman::controller {

struct ServerOptions {
  std::string listen = "127.0.0.1:7400";
  std::string admin = "127.0.0.1:7401";
  // Folder of the database.
  std::string data_dir;
  // Applied at start; empty: what the store holds.
  std::string config_file;
  uint32_t shards = 2;
  // Cores that agents' reports may use before they are paced.
  double report_cores = 1.0;
  common::TlsFiles tls;
  bool insecure = false;
  // Test door: while the file exists, every write of the store fails.
  std::string store_fault_file;
};

class Server {
 public:
  // Starts to serve. InvalidArgument, FailedPrecondition, NotFound: options or the configuration
  // file; the message says what to do next. Errors of the store as OpenSqliteStore.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options);
  virtual ~Server() = default;

  // With actual ports.
  virtual std::string grpc_address() const = 0;
  virtual std::string admin_address() const = 0;
  // False: the shards' threads do not turn (for the watchdog).
  virtual bool Alive() = 0;
  // Ends streams, then everything; at most `deadline` for calls under way. Idempotent.
  virtual void Stop(absl::Duration deadline) = 0;
};

}  // namespace pointsman::controller
