// Certificates that are replaced while the program runs, over real connections.
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/rpc/tls.h"
#include "gtest/gtest.h"
#include "tests/common/rpc/test_certificates.h"

namespace pointsman::common {
namespace {

constexpr char kServer[] = "URI:spiffe://example.org/controller/one,IP:127.0.0.1";
constexpr char kClient[] = "URI:spiffe://example.org/agent/host-1";

// As tools that renew certificates do it: each file is replaced whole.
void Replace(const TlsFiles& from, const TlsFiles& to) {
  const auto move_in = [](const std::string& source, const std::string& target) {
    std::filesystem::copy_file(source, target + ".new");
    std::filesystem::rename(target + ".new", target);
  };
  move_in(from.key, to.key);
  move_in(from.cert, to.cert);
  move_in(from.ca, to.ca);
}

class TlsReloadTest : public testing::Test {
 protected:
  void Serve(const TlsFiles& files) {
    auto credentials = MakeServerCredentials(files);
    ASSERT_TRUE(credentials.ok()) << credentials.status();
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", *credentials, &port_);
    builder.RegisterCallbackGenericService(&methods_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }
  std::shared_ptr<grpc::ChannelCredentials> Credentials(const TlsFiles& files) {
    return MakeChannelCredentials(files).value();
  }
  // A new connection with these credentials comes about.
  bool Connects(const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto channel =
        grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", port_), credentials, arguments);
    grpc_connectivity_state state = channel->GetState(true);
    const auto deadline = std::chrono::system_clock::now() + std::chrono::seconds(10);
    while (state == GRPC_CHANNEL_IDLE || state == GRPC_CHANNEL_CONNECTING) {
      if (!channel->WaitForStateChange(state, deadline)) return false;
      state = channel->GetState(true);
    }
    return state == GRPC_CHANNEL_READY;
  }
  bool Eventually(const std::function<bool()>& condition) {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    while (absl::Now() < deadline) {
      if (condition()) return true;
    }
    return false;
  }

  TestAuthority old_;
  TestAuthority renewed_;
  int port_ = 0;
  grpc::CallbackGenericService methods_;  // None: only connections matter here.
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(TlsReloadTest, AServerTakesANewCertificateAndNewAuthorities) {
  TlsFiles files = old_.Issue("server", kServer);
  files.reload_every = absl::Seconds(1);
  Serve(files);
  const auto of_old = Credentials(old_.Issue("client", kClient));
  const auto of_renewed = Credentials(renewed_.Issue("client", kClient));
  EXPECT_TRUE(Connects(of_old));
  EXPECT_FALSE(Connects(of_renewed));
  Replace(renewed_.Issue("server", kServer), files);
  EXPECT_TRUE(Eventually([&] { return Connects(of_renewed); }));
  EXPECT_FALSE(Connects(of_old));
}

TEST_F(TlsReloadTest, AClientTakesANewCertificateAndNewAuthorities) {
  Serve(renewed_.Issue("server", kServer));
  TlsFiles files = old_.Issue("client", kClient);
  files.reload_every = absl::Seconds(1);
  const auto credentials = Credentials(files);
  EXPECT_FALSE(Connects(credentials));
  Replace(renewed_.Issue("client", kClient), files);
  EXPECT_TRUE(Eventually([&] { return Connects(credentials); }));
}

TEST_F(TlsReloadTest, AMissingFileChangesNothing) {
  TlsFiles files = old_.Issue("server", kServer);
  files.reload_every = absl::Seconds(1);
  Serve(files);
  const auto client = Credentials(old_.Issue("client", kClient));
  ASSERT_TRUE(Connects(client));
  std::filesystem::remove(files.key);
  // Beyond the next reading, connecting all the while.
  const absl::Time end = absl::Now() + absl::Milliseconds(1'500);
  while (absl::Now() < end) ASSERT_TRUE(Connects(client));
}

// Between the replacing of a key and of its certificate.
TEST_F(TlsReloadTest, APairThatDoesNotFitIsMendedByTheNextReading) {
  TlsFiles files = old_.Issue("server", kServer);
  files.reload_every = absl::Seconds(1);
  Serve(files);
  const auto client = Credentials(old_.Issue("client", kClient));
  const TlsFiles next = old_.Issue("next", kServer);
  std::filesystem::copy_file(next.key, files.key,
                             std::filesystem::copy_options::overwrite_existing);
  ASSERT_TRUE(Eventually([&] { return !Connects(client); }));
  std::filesystem::copy_file(next.cert, files.cert,
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_TRUE(Eventually([&] { return Connects(client); }));
}

}  // namespace
}  // namespace pointsman::common
