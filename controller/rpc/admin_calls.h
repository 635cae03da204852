#pragma once

// What all methods of the admin API share: the way in (role), the way out (reason and count), and
// the parts of the controller they speak to. Thread-safe.

#include <functional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/core/error_reason.h"
#include "common/rpc/identity.h"
#include "common/rpc/status.h"
#include "controller/configuration.h"
#include "controller/event_log.h"
#include "controller/rpc/admin_service.h"
#include "controller/rpc/admin_state.h"
#include "controller/rpc/role.h"
#include "controller/rpc/stream_end.h"
#include "pointsman/v1/admin.grpc.pb.h"

namespace pointsman::controller {

class AdminCalls : public v1::AdminService::CallbackService {
 protected:
  using Empty = google::protobuf::Empty;
  using Context = grpc::CallbackServerContext;
  using Reactor = grpc::ServerUnaryReactor;
  // Ends the call; once.
  using Done = std::function<void(absl::Status)>;

  // What the options name must outlive this.
  explicit AdminCalls(const AdminServiceOptions& options)
      : configuration_(options.configuration),
        events_(options.events),
        state_(options.state),
        errors_(options.errors) {}

  // Which identity acts: only operators change things.
  static std::string Actor(const common::Identity& who) { return who.As(common::Role::kOperator); }

  // The way into every unary method: asks for the role, then runs `work`, which ends the call by
  // its Done, now or later. An error leaves with a reason, and is counted under it.
  template <typename Work>
  Reactor* Serve(Context* context, absl::string_view method, Work work) {
    Reactor* reactor = context->DefaultReactor();
    const auto who = CheckRole(*context, absl::StrCat("/pointsman.v1.AdminService/", method));
    const Done done = [reactor, errors = errors_](const absl::Status& status) {
      const absl::Status told = WithStreamReason(status);
      if (!told.ok()) errors->Count(common::ReasonOf(told));
      reactor->Finish(common::ToGrpcStatus(told));
    };
    if (who.ok()) {
      work(*who, done);
    } else {
      done(who.status());
    }
    return reactor;
  }

  // A callback that moves its value into the response, which lives until `done`.
  template <typename Response>
  static std::function<void(absl::StatusOr<Response>)> Into(Response* response, Done done) {
    return [response, done = std::move(done)](absl::StatusOr<Response> result) {
      if (result.ok()) *response = *std::move(result);
      done(result.status());
    };
  }

  Configuration* const configuration_;
  EventLog* const events_;
  AdminState* const state_;
  RefusalCounts* const errors_;
};

}  // namespace pointsman::controller
