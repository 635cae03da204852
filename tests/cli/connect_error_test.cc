// Against real handshakes: the texts that are recognised are gRPC's and OpenSSL's, and change with
// them.

#include "cli/connect_error.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "cli/next_step.h"
#include "common/rpc/tls.h"
#include "pointsman/v1/admin.grpc.pb.h"
#include "tests/common/rpc/test_certificates.h"
#include "tests/support/test_backend.h"

namespace pointsman::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class ConnectErrorTest : public ::testing::Test {
 protected:
  void Serve(const common::TlsFiles& files) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", common::MakeServerCredentials(files).value(), &port_);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }

  // "error; next", as a person sees them.
  std::string Ask(const std::string& controller, const common::TlsFiles& files) {
    ConnectOptions options;
    options.controller = controller;
    options.tls_cert = files.cert;
    options.tls_key = files.key;
    options.tls_ca = files.ca;
    const auto client = AdminClient::Make(options);
    if (!client.ok()) return client.status().ToString();
    const absl::Status status = (*client)->GetStatus().status();
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    return absl::StrCat(status.message(), "; ", NextStepOf(status));
  }
  std::string Address() const { return absl::StrCat("127.0.0.1:", port_); }

  common::TestAuthority authority_;
  v1::AdminService::Service service_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

TEST_F(ConnectErrorTest, AControllerThatWantsTls) {
  Serve(authority_.Issue("server", "IP:127.0.0.1"));
  EXPECT_THAT(Ask(Address(), {}), AllOf(HasSubstr(Address()), HasSubstr("it may want TLS"),
                                        HasSubstr("--tls-cert, --tls-key and --tls-ca")));
}

TEST_F(ConnectErrorTest, AControllerWithoutTls) {
  Serve({});
  EXPECT_THAT(Ask(Address(), authority_.Issue("me", "DNS:me.operator.pointsman")),
              AllOf(HasSubstr("this port speaks no TLS"), HasSubstr("leave out --tls-cert")));
}

TEST_F(ConnectErrorTest, ACertificateForAnotherNameSaysWhichWasExpected) {
  Serve(authority_.Issue("server", "DNS:controller.example.org"));
  EXPECT_THAT(Ask(Address(), authority_.Issue("me", "DNS:me.operator.pointsman")),
              AllOf(HasSubstr("its certificate is not made out to \"127.0.0.1\""),
                    HasSubstr("--controller NAME:PORT"), HasSubstr("put \"127.0.0.1\" into")));
}

TEST_F(ConnectErrorTest, CertificatesOfAnotherAuthority) {
  Serve(authority_.Issue("server", "IP:127.0.0.1"));
  common::TestAuthority stranger;
  const common::TlsFiles theirs = stranger.Issue("me", "DNS:me.operator.pointsman");
  EXPECT_THAT(Ask(Address(), theirs),
              AllOf(HasSubstr("does not lead to an authority of --tls-ca"), HasSubstr(theirs.ca)));
  const common::TlsFiles ours = authority_.Issue("us", "DNS:me.operator.pointsman");
  EXPECT_THAT(
      Ask(Address(), {theirs.cert, theirs.key, ours.ca}),
      AllOf(HasSubstr("ended the connection during the TLS handshake"), HasSubstr(theirs.cert)));
  EXPECT_THAT(
      Ask(Address(), {ours.cert, theirs.key, ours.ca}),
      HasSubstr(absl::StrCat(theirs.key, ": not the key of the first certificate in ", ours.cert)));
}

TEST_F(ConnectErrorTest, APortThatSpeaksHttp) {
  testing::TestBackend web("", {}, 1);
  ASSERT_TRUE(web.Listen(bench::ParseSocketAddress("127.0.0.1:0").value()).ok());
  std::thread thread([&] { web.Run(); });
  EXPECT_THAT(Ask(web.address(), {}), AllOf(HasSubstr("this port speaks HTTP/1, not gRPC"),
                                            HasSubstr("give the controller's gRPC port")));
  web.Stop();
  thread.join();
}

TEST_F(ConnectErrorTest, NobodyListens) {
  Serve({});
  server_->Shutdown();
  EXPECT_THAT(Ask(Address(), {}),
              AllOf(HasSubstr("Connection refused"), HasSubstr("start pointsman-controller")));
}

TEST(ConnectErrorTextTest, TellsTheTimeThatWasWaited) {
  ConnectOptions options;
  options.timeout = absl::Seconds(3);
  const absl::Status status =
      ExplainConnectFailure(absl::DeadlineExceededError("Deadline Exceeded"), options);
  EXPECT_EQ(status.message(), "the controller at 127.0.0.1:7400 did not answer within 3s");
  EXPECT_THAT(NextStepOf(status), HasSubstr("it may want --tls-cert"));
  options.tls_cert = "me.pem";
  EXPECT_EQ(NextStepOf(ExplainConnectFailure(status, options)),
            "see that a controller listens there, or wait longer with --timeout");
}

TEST(ConnectErrorTextTest, KeepsWordsItDoesNotKnow) {
  const absl::Status status = ExplainConnectFailure(absl::UnavailableError("moon in the way"), {});
  EXPECT_EQ(status.message(), "cannot reach the controller at 127.0.0.1:7400: moon in the way");
  EXPECT_FALSE(NextStepOf(status).empty());
}

}  // namespace
}  // namespace pointsman::cli
