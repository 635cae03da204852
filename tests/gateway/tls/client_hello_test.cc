#include "gateway/tls/client_hello.h"

#include <string>

#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

// What OpenSSL's own client says first.
std::string Hello(const char* name) {
  const SslContextPtr context(SSL_CTX_new(TLS_client_method()));
  const SslPtr session(SSL_new(context.get()));
  if (name != nullptr) SSL_set_tlsext_host_name(session.get(), name);
  BIO* out = BIO_new(BIO_s_mem());
  SSL_set_bio(session.get(), BIO_new(BIO_s_mem()), out);
  SSL_connect(session.get());
  char* data = nullptr;
  const auto size = BIO_get_mem_data(out, &data);
  return {data, static_cast<size_t>(size)};
}

TEST(ClientHelloTest, NamesTheServerOnceItIsComplete) {
  ClientHelloReader reader;
  const std::string hello = Hello("db.example.com");
  std::string name;
  for (size_t size = 1; size < hello.size(); ++size) {
    ASSERT_EQ(reader.Read(absl::string_view(hello).substr(0, size), &name),
              ClientHelloReader::Found::kMore)
        << size;
  }
  EXPECT_EQ(reader.Read(hello, &name), ClientHelloReader::Found::kHello);
  EXPECT_EQ(name, "db.example.com");
  EXPECT_EQ(reader.Read(hello + "more", &name), ClientHelloReader::Found::kHello);
}

TEST(ClientHelloTest, NoNameIsEmpty) {
  ClientHelloReader reader;
  std::string name = "before";
  EXPECT_EQ(reader.Read(Hello(nullptr), &name), ClientHelloReader::Found::kHello);
  EXPECT_EQ(name, "");
}

TEST(ClientHelloTest, OtherBytesAreNotTls) {
  ClientHelloReader reader;
  std::string name;
  EXPECT_EQ(reader.Read("GET / HTTP/1.1\r\n\r\n", &name), ClientHelloReader::Found::kNotTls);
  EXPECT_EQ(reader.Read("SSH-2.0-OpenSSH_9.2\r\n", &name), ClientHelloReader::Found::kNotTls);
  // A record that never ends.
  std::string endless("\x16\x03\x01\x40\x00\x01\x00\xff\xff\x03\x03", 11);
  endless.resize(ClientHelloReader::kBytesMax, 'x');
  EXPECT_EQ(reader.Read(endless, &name), ClientHelloReader::Found::kNotTls);
}

}  // namespace
}  // namespace pointsman::gateway
