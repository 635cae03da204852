#pragma once

// What a gRPC client may expect of a gateway between it and the server of echo.proto.

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

namespace pointsman::testing {

// One check: its name, and what was wrong, empty when nothing was.
struct CheckResult {
  std::string name;
  std::string wrong;
};

// All checks, one after the other, each with a deadline of its own. `key` makes the names of calls
// unique among clients of one server.
std::vector<CheckResult> RunGrpcChecks(const std::shared_ptr<grpc::Channel>& channel,
                                       const std::string& key);

}  // namespace pointsman::testing
