// Who may call what: the table against the contract, and a whole controller with TLS against the
// table.
#include "controller/rpc/role.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/rpc/channel.h"
#include "controller/server.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "gtest/gtest.h"
#include "pointsman/v1/admin.pb.h"
#include "pointsman/v1/agent.pb.h"
#include "pointsman/v1/gateway.pb.h"
#include "tests/common/rpc/test_certificates.h"
#include "tests/controller/store/temp_folder.h"

namespace pointsman::controller {
namespace {

using common::Role;
using common::RoleSet;

// Every method of every service of the contract: "/pointsman.v1.AdminService/GetService".
std::vector<std::string> ContractMethods() {
  std::vector<std::string> methods;
  for (const auto* file :
       {v1::GetStatusRequest::descriptor()->file(), v1::AgentMessage::descriptor()->file(),
        v1::GatewayMessage::descriptor()->file()}) {
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        methods.push_back(absl::StrCat("/", file->service(s)->full_name(), "/",
                                       file->service(s)->method(m)->name()));
      }
    }
  }
  return methods;
}

constexpr Role kRoles[] = {Role::kAgent, Role::kGateway, Role::kOperator, Role::kViewer,
                           Role::kController};

// The rule, told apart from the table: methods that only read begin so.
RoleSet Expected(const std::string& method) {
  if (method == "/pointsman.v1.AgentService/Connect") return {Role::kAgent};
  if (method == "/pointsman.v1.GatewayService/Subscribe") return {Role::kGateway};
  const std::string name = method.substr(method.rfind('/') + 1);
  for (const char* prefix : {"Get", "List", "Watch", "Explain"}) {
    if (name.rfind(prefix, 0) == 0) return {Role::kViewer, Role::kOperator};
  }
  return {Role::kOperator};
}

TEST(RoleTest, EveryMethodOfTheContractHasTheRolesOfTheRule) {
  const std::vector<std::string> methods = ContractMethods();
  ASSERT_GE(methods.size(), 30u);
  for (const std::string& method : methods) {
    EXPECT_FALSE(AllowedRoles(method).empty()) << method << " has no entry in role.cc";
    for (const Role role : kRoles) {
      EXPECT_EQ(AllowedRoles(method).Has(role), Expected(method).Has(role))
          << method << " " << common::RoleName(role);
    }
  }
}

TEST(RoleTest, DeniesMethodsWithoutAnEntry) {
  for (const char* method : {"", "/pointsman.v1.AdminService/", "/pointsman.v1.AdminService/Shell",
                             "pointsman.v1.AdminService/Apply", "/x/y", "~"}) {
    EXPECT_TRUE(AllowedRoles(method).empty()) << method;
  }
}

TEST(RoleTest, TheTableIsSortedAndNamesNothingThatIsGone) {
  const std::vector<std::string> table = MethodsWithRoles();
  EXPECT_TRUE(std::is_sorted(table.begin(), table.end()));
  const std::vector<std::string> contract = ContractMethods();
  for (const std::string& method : table) {
    if (method.rfind("/grpc.", 0) == 0) continue;
    EXPECT_THAT(contract, testing::Contains(method));
  }
}

// Calls a method of any kind with one empty message; the status it ends with, or OK when it
// answered and went on.
grpc::StatusCode CallEmpty(const std::shared_ptr<grpc::Channel>& channel,
                           const std::string& method) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  grpc::CompletionQueue queue;
  auto call = stub.PrepareCall(&context, method, &queue);
  const auto wait = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    return ok;
  };
  call->StartCall(nullptr);
  if (wait()) {
    const grpc::Slice nothing;
    call->WriteLast(grpc::ByteBuffer(&nothing, 1), grpc::WriteOptions(), nullptr);
    wait();
    grpc::ByteBuffer answer;
    call->Read(&answer, nullptr);
    if (wait()) context.TryCancel();
  }
  grpc::Status status;
  call->Finish(&status, nullptr);
  wait();
  queue.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue.Next(&tag, &ok)) {
  }
  return status.error_code() == grpc::StatusCode::CANCELLED ? grpc::StatusCode::OK
                                                            : status.error_code();
}

class RoleServerTest : public testing::Test {
 protected:
  void SetUp() override {
    ServerOptions options;
    options.listen = "127.0.0.1:0";
    options.admin = "127.0.0.1:0";
    options.data_dir = folder_.path();
    options.tls =
        authority_.Issue("server", "URI:spiffe://example.org/controller/one,IP:127.0.0.1");
    auto server = Server::Start(options);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  void TearDown() override {
    if (server_ != nullptr) server_->Stop(absl::Seconds(5));
  }

  std::shared_ptr<grpc::Channel> ChannelAs(const std::string& file, const std::string& names) {
    common::ChannelOptions options;
    options.targets = {server_->grpc_address()};
    options.tls = authority_.Issue(file, names);
    options.own_connection = true;
    return common::MakeChannel(options).value();
  }

  TempFolder folder_;
  common::TestAuthority authority_;
  std::unique_ptr<Server> server_;
};

TEST_F(RoleServerTest, EveryMethodAsksEveryRole) {
  for (const Role role : kRoles) {
    const std::string name(common::RoleName(role));
    const auto channel = ChannelAs(name, absl::StrCat("URI:spiffe://example.org/", name, "/me"));
    for (const std::string& method : ContractMethods()) {
      const bool denied = CallEmpty(channel, method) == grpc::StatusCode::PERMISSION_DENIED;
      EXPECT_EQ(denied, !AllowedRoles(method).Has(role)) << method << " as " << name;
    }
  }
}

TEST_F(RoleServerTest, ACertificateWithoutARoleMayDoNothing) {
  const auto channel = ChannelAs("nobody", "DNS:example.org");
  for (const std::string& method : ContractMethods()) {
    EXPECT_EQ(CallEmpty(channel, method), grpc::StatusCode::PERMISSION_DENIED) << method;
  }
}

}  // namespace
}  // namespace pointsman::controller
