#include "gateway/certificate_keeper.h"

#include <filesystem>

#include "common/files.h"
#include "tests/gateway/control/temp_dir.h"
#include "tests/gateway/proxy/engine_fixture.h"
#include "tests/gateway/proxy/tls_peers.h"

namespace pointsman::gateway {
namespace {

class CertificateKeeperTest : public EngineFixture {
 protected:
  void WriteCertificate(const std::string& name) {
    const TlsCertificate made = peers_.Certificate(name, "DNS:a.example");
    ASSERT_TRUE(common::WriteFileAtomically(dir_.path() + "/a.pem", made.chain_pem).ok());
    ASSERT_TRUE(common::WriteFileAtomically(dir_.path() + "/a.key", made.key_pem).ok());
  }
  std::string Shown() {
    Peer peer = Client();
    if (!peer.StartTls(peers_.ClientContext().get(), "a.example")) return "none";
    X509* shown = SSL_get1_peer_certificate(peer.tls());
    char name[64] = {};
    X509_NAME_get_text_by_NID(X509_get_subject_name(shown), NID_commonName, name, sizeof(name));
    X509_free(shown);
    return name;
  }

  TempDir dir_;
  TlsPeers peers_;
};

TEST_F(CertificateKeeperTest, TakesChangedCertificatesAndRefusesBadOnes) {
  WriteCertificate("first");
  const std::string file = dir_.path() + "/listeners.yaml";
  ASSERT_TRUE(
      common::WriteFileAtomically(file,
                                  "listeners: [{address: '127.0.0.1:0', tls: {certificates: "
                                  "[{cert_file: a.pem, key_file: a.key}]}}]")
          .ok());
  auto read = ReadListenerFile(file);
  ASSERT_TRUE(read.ok()) << read.status();
  listener_tls = read->listeners[0].options.tls;
  Publish({});
  CertificateKeeper keeper(file, *read, &engine());
  EXPECT_EQ(Shown(), "first");
  WriteCertificate("second");
  keeper.ReadSoon();
  EXPECT_TRUE(WaitFor([&] { return Shown() == "second"; }));
  // A key that is not the certificate's: the last good pair goes on.
  ASSERT_TRUE(common::WriteFileAtomically(dir_.path() + "/a.key", "nonsense").ok());
  keeper.ReadSoon();
  WriteCertificate("third");
  keeper.ReadSoon();
  EXPECT_TRUE(WaitFor([&] { return Shown() == "third"; }));
}

}  // namespace
}  // namespace pointsman::gateway
