#pragma once

// The admin API on the controller's gRPC port: every method of v1::AdminService on the callback
// API. It translates; decisions are Configuration's and the shards'. Thread-safe.

#include <memory>

#include "common/clock.h"
#include "controller/rpc/refusals.h"

namespace grpc {
class ServerBuilder;
}

namespace pointsman::controller {

class AdminState;
class Configuration;
class EventLog;

struct AdminServiceOptions {
  // All must outlive the service.
  Configuration* configuration = nullptr;
  EventLog* events = nullptr;
  AdminState* state = nullptr;
  const common::Clock* clock = nullptr;
  // Counts every call that ends with an error, by its reason.
  RefusalCounts* errors = nullptr;
  // WatchEndpoints streams at a time; more is RESOURCE_EXHAUSTED.
  int watches_max = 100;
};

class AdminService {
 public:
  virtual ~AdminService() = default;
  // Registers the service and what looks after malformed calls (the builder's interceptors are
  // this service's). Must outlive the server.
  virtual void Register(grpc::ServerBuilder& builder) = 0;
  // Ends the watches with UNAVAILABLE, so that the server can shut down. Idempotent.
  virtual void Shutdown() = 0;
};

std::unique_ptr<AdminService> MakeAdminService(const AdminServiceOptions& options);

}  // namespace pointsman::controller
