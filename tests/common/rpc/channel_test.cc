#include "common/rpc/channel.h"

#include <grpcpp/grpcpp.h>

#include <future>

#include "common/rpc/identity.h"
#include "gtest/gtest.h"
#include "pointsman/v1/admin.grpc.pb.h"
#include "tests/common/rpc/test_certificates.h"

namespace pointsman::common {
namespace {

// Answers GetStatus with the caller's identity.
class WhoAmI final : public v1::AdminService::CallbackService {
 public:
  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const v1::GetStatusRequest*,
                                      v1::ControllerStatus* response) override {
    response->set_version(PeerIdentity(*context).ToString());
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

class ChannelTest : public testing::Test {
 protected:
  void Serve(const TlsFiles& files) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", MakeServerCredentials(files).value(), &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    target_ = "127.0.0.1:" + std::to_string(port);
  }

  // The caller as the server sees it, or "error CODE".
  std::string Ask(const TlsFiles& files) {
    ChannelOptions options;
    options.targets = {target_};
    options.tls = files;
    options.own_connection = true;
    const auto channel = MakeChannel(options);
    if (!channel.ok()) return channel.status().ToString();
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    v1::ControllerStatus response;
    const grpc::Status status =
        v1::AdminService::NewStub(*channel)->GetStatus(&context, {}, &response);
    if (!status.ok()) return "error " + std::to_string(status.error_code());
    return response.version();
  }

  WhoAmI service_;
  std::unique_ptr<grpc::Server> server_;
  std::string target_;
};

TEST_F(ChannelTest, SeesALocalPeerWithoutTls) {
  Serve({});
  EXPECT_EQ(Ask({}), "local");
}

TEST_F(ChannelTest, SeesTheCertificatesRoleWithTls) {
  TestAuthority authority;
  Serve(authority.Issue("server", "URI:spiffe://example.org/controller/one,IP:127.0.0.1"));
  EXPECT_EQ(Ask(authority.Issue("agent", "URI:spiffe://example.org/agent/host-7")), "agent:host-7");
  EXPECT_EQ(Ask(authority.Issue("alice", "DNS:alice.operator.pointsman.example.org")),
            "operator:alice");
  EXPECT_EQ(Ask(authority.Issue("nobody", "DNS:example.org")), "none:example.org");
}

TEST_F(ChannelTest, RefusesPeersOfAnotherAuthorityAndPlainText) {
  TestAuthority authority;
  TestAuthority stranger;
  const TlsFiles server =
      authority.Issue("server", "URI:spiffe://example.org/controller/one,IP:127.0.0.1");
  Serve(server);
  TlsFiles client = stranger.Issue("agent", "URI:spiffe://example.org/agent/host-7");
  client.ca = server.ca;  // Trusts the server, but is not trusted.
  EXPECT_EQ(Ask(client), "error 14");
  EXPECT_EQ(Ask({}), "error 14");
}

TEST_F(ChannelTest, RefusesAServerThatDoesNotNameTheHost) {
  TestAuthority authority;
  Serve(authority.Issue("server", "URI:spiffe://example.org/controller/one,DNS:example.org"));
  EXPECT_EQ(Ask(authority.Issue("agent", "URI:spiffe://example.org/agent/host-7")), "error 14");
}

TEST(ChannelOptionsTest, RefusesTargetsItCannotUse) {
  EXPECT_EQ(MakeChannel({}).status().code(), absl::StatusCode::kInvalidArgument);
  ChannelOptions options;
  options.targets = {"10.0.0.1:7400"};
  EXPECT_EQ(MakeChannel(options).status().code(), absl::StatusCode::kFailedPrecondition);
  options.insecure = true;
  EXPECT_TRUE(MakeChannel(options).ok());
  options.targets = {"10.0.0.1:7400", "10.0.0.2:7400"};
  EXPECT_TRUE(MakeChannel(options).ok());
  options.targets = {"10.0.0.1:7400", "controller.example.org:7400"};
  EXPECT_EQ(MakeChannel(options).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ChannelTest, TriesTheNextControllerWhenOneDoesNotListen) {
  Serve({});
  const std::string live = target_;
  ChannelOptions options;
  options.targets = {"127.0.0.1:1", live};
  const auto channel = MakeChannel(options);
  ASSERT_TRUE(channel.ok()) << channel.status();
  EXPECT_TRUE(
      (*channel)->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10)));
}

}  // namespace
}  // namespace pointsman::common
