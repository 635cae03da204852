#include "gateway/listener_file.h"

#include <filesystem>

#include "common/files.h"
#include "gtest/gtest.h"
#include "tests/gateway/control/temp_dir.h"

namespace pointsman::gateway {
namespace {

class ListenerFileTest : public ::testing::Test {
 protected:
  absl::StatusOr<ListenerFile> ReadWhole(const std::string& text) {
    const std::string path = dir_.path() + "/listeners.yaml";
    EXPECT_TRUE(common::WriteFileAtomically(path, text).ok());
    return ReadListenerFile(path);
  }
  absl::StatusOr<std::vector<NamedListener>> Read(const std::string& text) {
    auto file = ReadWhole(text);
    if (!file.ok()) return file.status();
    return std::move(file->listeners);
  }
  std::string Error(const std::string& text) { return std::string(Read(text).status().message()); }
  void Write(const std::string& name, const std::string& text) {
    ASSERT_TRUE(common::WriteFileAtomically(dir_.path() + "/" + name, text).ok());
  }

  TempDir dir_;
};

TEST_F(ListenerFileTest, ReadsEveryField) {
  Write("a.pem", "chain");
  Write("a.key", "key");
  Write("ca.pem", "ca");
  const auto listeners = Read(
      "listeners:\n"
      "- {name: web, address: 'localhost:8080'}\n"
      "- address: 127.0.0.1:8443\n"
      "  tls:\n"
      "    min_version: tls13\n"
      "    http1_only: true\n"
      "    certificates:\n"
      "    - {cert_file: a.pem, key_file: a.key, server_names: [a.example],\n"
      "       client_certificates: required, client_ca_file: ca.pem}\n");
  ASSERT_TRUE(listeners.ok()) << listeners.status();
  ASSERT_EQ(listeners->size(), 2u);
  EXPECT_EQ((*listeners)[0].name, "web");
  EXPECT_EQ(common::ToString((*listeners)[0].options.address), "127.0.0.1:8080");
  EXPECT_FALSE((*listeners)[0].options.tls.has_value());
  EXPECT_EQ((*listeners)[1].name, "127.0.0.1:8443");
  const TlsServerOptions& tls = *(*listeners)[1].options.tls;
  EXPECT_EQ(tls.min_version, TlsVersion::k13);
  EXPECT_FALSE(tls.http2);
  ASSERT_EQ(tls.certificates.size(), 1u);
  const TlsCertificate& certificate = tls.certificates[0];
  EXPECT_EQ(certificate.chain_pem, "chain");
  EXPECT_EQ(certificate.key_pem, "key");
  EXPECT_EQ(certificate.names, std::vector<std::string>{"a.example"});
  EXPECT_EQ(certificate.clients, ClientCertificates::kRequired);
  EXPECT_EQ(certificate.client_ca_pem, "ca");
}

TEST_F(ListenerFileTest, ReadsWhereConnectionsArePassedThrough) {
  const auto listeners = Read(
      "listeners:\n"
      "- address: 127.0.0.1:5432\n"
      "  tcp: {service: db, idle_timeout: 5s, by_server_name: [{server_names: ['*.a.example'], "
      "service: other}]}\n");
  ASSERT_TRUE(listeners.ok()) << listeners.status();
  const TcpForwarding& tcp = *(*listeners)[0].options.tcp;
  EXPECT_EQ(tcp.services, (std::vector<std::string>{"db", "other"}));
  EXPECT_EQ(tcp.names.Find("x.a.example"), 1u);
  EXPECT_EQ(tcp.idle_timeout, absl::Seconds(5));
}

TEST_F(ListenerFileTest, LimitsMayStandWithoutListeners) {
  const auto file = ReadWhole("limits: {head_bytes: 4096}");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(file->listeners.empty());
  EXPECT_EQ(file->limits->head_bytes(), 4096u);
  EXPECT_FALSE(ReadWhole("listeners: [{address: '127.0.0.1:1'}]")->limits.has_value());
}

TEST_F(ListenerFileTest, NamesWhatIsWrong) {
  const std::pair<const char*, const char*> kCases[] = {
      {"limits: {head_bytes: 17}", "limits.head_bytes: 17 is out of range: 4096 to 49152"},
      {"limits: {head_byts: 4096}", "did you mean \"head_bytes\""},
      {"listeners: []", "CONFIG_REQUIRED"},
      {"listeners: [{adress: '127.0.0.1:1'}]", "address"},
      {"listeners: [{address: 'example.com:1'}]", "CONFIG_ADDRESS"},
      {"listeners: [{address: 'unix:/run/gateway.sock'}]", "CONFIG_ADDRESS"},
      {"listeners: [{address: '127.0.0.1:1'}, {address: '127.0.0.1:1'}]", "CONFIG_DUPLICATE"},
      {"listeners: [{name: 'No Name', address: '127.0.0.1:1'}]", "CONFIG_VALUE"},
      {"listeners: [{address: '127.0.0.1:1', tcp: {}}]", "tcp.service"},
      {"listeners: [{address: '127.0.0.1:1', tcp: {service: 'No'}}]", "CONFIG_VALUE"},
      {"listeners: [{address: '127.0.0.1:1', tcp: {service: a, idle_timeout: 1ms}}]",
       "CONFIG_RANGE"},
      {"listeners: [{address: '127.0.0.1:1', tcp: {by_server_name: [{service: a}]}}]",
       "server_names"},
      {"listeners: [{address: '127.0.0.1:1', tls: {}}]", "tls.certificates"},
      {"listeners: [{address: '127.0.0.1:1', tls: {certificates: [{cert_file: a}]}}]", "key_file"},
      {"listeners: [{address: '127.0.0.1:1', tls: {certificates: [{cert_file: a, key_file: b, "
       "client_certificates: optional}]}}]",
       "client_ca_file"},
      {"listeners: [{address: '127.0.0.1:1', tls: {certificates: [{cert_file: a, key_file: b, "
       "client_ca_file: c}]}}]",
       "CONFIG_CONFLICT"},
      {"listeners: [{address: '127.0.0.1:1', tls: {certificates: [{cert_file: absent.pem, "
       "key_file: b}]}}]",
       "absent.pem"},
  };
  for (const auto& [text, part] : kCases) {
    EXPECT_NE(Error(text).find(part), std::string::npos) << text << "\n" << Error(text);
  }
}

}  // namespace
}  // namespace pointsman::gateway
