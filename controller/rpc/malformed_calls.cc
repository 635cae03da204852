#include "controller/rpc/malformed_calls.h"

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/core/error_reason.h"
#include "common/rpc/status.h"

namespace pointsman::controller {
namespace {

using grpc::experimental::InterceptionHookPoints;

constexpr char kAdminMethods[] = "/pointsman.v1.AdminService/";
constexpr char kMessageMalformed[] = "MESSAGE_MALFORMED";

class MalformedCall final : public grpc::experimental::Interceptor {
 public:
  MalformedCall(std::string method, RefusalCounts* errors)
      : method_(std::move(method)), errors_(errors) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS) &&
        methods->GetSendStatus().error_code() == grpc::StatusCode::UNIMPLEMENTED) {
      errors_->Count(kMessageMalformed);
      methods->ModifySendStatus(common::ToGrpcStatus(common::WithReason(
          absl::InvalidArgumentError(absl::StrCat(
              "not a request of ", method_,
              ": the message is damaged or holds text that is not UTF-8; is the client of the same "
              "version as the controller?")),
          kMessageMalformed)));
    }
    methods->Proceed();
  }

 private:
  const std::string method_;
  RefusalCounts* const errors_;
};

class MalformedCalls final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit MalformedCalls(RefusalCounts* errors) : errors_(errors) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override {
    const absl::string_view method = info->method();
    if (!absl::StartsWith(method, kAdminMethods)) return nullptr;
    return new MalformedCall(std::string(method), errors_);
  }

 private:
  RefusalCounts* const errors_;
};

}  // namespace

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> MakeMalformedCalls(
    RefusalCounts* errors) {
  return std::make_unique<MalformedCalls>(errors);
}

}  // namespace pointsman::controller
