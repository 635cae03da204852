#pragma once

// The admin API as the commands use it: one call, one result, pages joined, a deadline on each.
// Errors are the server's, with their reason (common/core/error_reason.h); Unavailable names the
// address. Thread-safe. Owns its connection.

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "pointsman/v1/admin.pb.h"

namespace pointsman::cli {

struct ConnectOptions {
  // "HOST:PORT"; several with commas.
  std::string controller = "127.0.0.1:7400";
  // PEM files; all three or none.
  std::string tls_cert;
  std::string tls_key;
  std::string tls_ca;
  bool insecure = false;
  // For each call; a watch has none.
  absl::Duration timeout = absl::Seconds(10);
};

class AdminClient {
 public:
  // Entries of one list, all pages together; more are cut off.
  static constexpr int kEntriesMax = 200'000;

  // Connects with the first call. InvalidArgument, FailedPrecondition, NotFound: see
  // common/rpc/channel.h.
  static absl::StatusOr<std::unique_ptr<AdminClient>> Make(const ConnectOptions& options);
  ~AdminClient();

  absl::StatusOr<v1::ApplyResponse> Apply(const v1::ApplyRequest& request);
  absl::StatusOr<v1::ApplyResponse> Rollback(const v1::RollbackRequest& request);
  absl::StatusOr<v1::ConfigRevision> GetRevision(const v1::GetRevisionRequest& request);
  absl::StatusOr<v1::Explanation> Explain(const v1::ExplainRequest& request);
  absl::StatusOr<v1::ControllerStatus> GetStatus();
  absl::StatusOr<v1::Override> Drain(const v1::DrainRequest& request);
  absl::Status Undrain(const v1::UndrainRequest& request);
  absl::StatusOr<v1::FreezeResponse> Freeze(const v1::FreezeRequest& request);

  // At most `limit` entries (0: all); the request's paging is replaced.
  absl::StatusOr<v1::ListServicesResponse> ListServices();
  absl::StatusOr<v1::ListRoutesResponse> ListRoutes();
  absl::StatusOr<v1::ListOverridesResponse> ListOverrides();
  absl::StatusOr<v1::ListEndpointsResponse> ListEndpoints(const std::string& parent);
  absl::StatusOr<v1::ListAgentsResponse> ListAgents();
  absl::StatusOr<v1::ListGatewaysResponse> ListGateways();
  absl::StatusOr<v1::ListEventsResponse> ListEvents(v1::ListEventsRequest request, int limit);
  absl::StatusOr<v1::ListRevisionsResponse> ListRevisions(int limit);

  // Calls `take` with each message until it returns false or the stream ends.
  absl::Status WatchEndpoints(const v1::WatchEndpointsRequest& request,
                              const std::function<bool(const v1::WatchEndpointsResponse&)>& take);

 private:
  class Connection;
  explicit AdminClient(std::unique_ptr<Connection> connection);

  const std::unique_ptr<Connection> connection_;
};

}  // namespace pointsman::cli
