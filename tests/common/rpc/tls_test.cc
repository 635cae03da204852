#include "common/rpc/tls.h"

#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/common/rpc/test_certificates.h"

namespace pointsman::common {
namespace {

using ::testing::HasSubstr;

TEST(TlsTest, TellsLoopbackAddressesFromOthers) {
  for (const char* address :
       {"127.0.0.1:7400", "127.8.9.10:0", "localhost:7400", "[::1]:7400", "127.0.0.1", "::1",
        "[::ffff:127.0.0.1]:1", "unix:/run/pointsman.sock"}) {
    EXPECT_TRUE(IsLoopbackAddress(address)) << address;
  }
  for (const char* address : {"0.0.0.0:7400", "[::]:7400", "10.0.0.1:7400", "", ":7400", "*:7400",
                              "example.org:7400", "127.0.0.1.example.org:7400", "127.0.0:7400",
                              "127.0.0.256:7400", "[fe80::1]:7400", "[::1"}) {
    EXPECT_FALSE(IsLoopbackAddress(address)) << address;
  }
}

TEST(TlsTest, AllowsOnlyLoopbackWithoutCertificates) {
  const TlsFiles none;
  EXPECT_TRUE(CheckBindAllowed("127.0.0.1:0", none, false).ok());
  EXPECT_TRUE(CheckBindAllowed("0.0.0.0:0", none, true).ok());
  EXPECT_TRUE(CheckBindAllowed("0.0.0.0:0", {"c", "k", "a"}, false).ok());
  const absl::Status refused = CheckBindAllowed("0.0.0.0:7400", none, false);
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("--insecure"));
}

TEST(TlsTest, NamesTheMissingFlagsOfAHalfGivenSet) {
  const absl::Status status = CheckTlsFiles({"cert.pem", "", ""});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("--tls-key, --tls-ca"));
}

TEST(TlsTest, NamesTheFileThatCannotBeRead) {
  TestAuthority authority;
  TlsFiles files = authority.Issue("server", "DNS:localhost");
  files.key = authority.folder() + "/absent.key";
  const auto credentials = MakeServerCredentials(files);
  EXPECT_EQ(credentials.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(credentials.status().message()), HasSubstr("--tls-key"));
  EXPECT_THAT(std::string(credentials.status().message()), HasSubstr("absent.key"));
}

TEST(TlsTest, RefusesAFileWithoutThePemBlockItShouldHold) {
  TestAuthority authority;
  TlsFiles files = authority.Issue("server", "DNS:localhost");
  std::ofstream(files.cert) << "hello\n";
  const auto credentials = MakeChannelCredentials(files);
  EXPECT_EQ(credentials.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(credentials.status().message()), HasSubstr("CERTIFICATE"));
}

TEST(TlsTest, RefusesAKeyOfAnotherCertificateOrWithAPassword) {
  TestAuthority authority;
  TlsFiles files = authority.Issue("server", "DNS:localhost");
  files.key = authority.Issue("other", "DNS:localhost").key;
  const auto other = MakeServerCredentials(files);
  EXPECT_EQ(other.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(other.status().message()), HasSubstr("not the key of"));
  std::ofstream(files.key) << "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n"
                              "-----END ENCRYPTED PRIVATE KEY-----\n";
  EXPECT_THAT(std::string(MakeServerCredentials(files).status().message()),
              HasSubstr("without a password"));
}

}  // namespace
}  // namespace pointsman::common
