#include "gateway/tls/client_hello.h"

#include <openssl/err.h>

#include <utility>

#include "gateway/tls/contexts.h"

namespace pointsman::gateway {

namespace {
struct Seen {
  bool hello = false;
  std::string* name = nullptr;
};
}  // namespace

absl::string_view ServerNameOf(SSL* session) {
  const unsigned char* data = nullptr;
  size_t size = 0;
  if (SSL_client_hello_get0_ext(session, TLSEXT_TYPE_server_name, &data, &size) != 1) return {};
  // List length (2), type 0 (1), name length (2), name.
  if (size < 5 || data[2] != TLSEXT_NAMETYPE_host_name) return {};
  const size_t list = static_cast<size_t>(data[0]) << 8 | data[1];
  const size_t name = static_cast<size_t>(data[3]) << 8 | data[4];
  if (list != size - 2 || name > size - 5) return {};
  return {reinterpret_cast<const char*>(data + 5), name};
}

int ClientHelloReader::OnHello(SSL* session, int* /*alert*/, void* /*self*/) {
  auto* seen = static_cast<Seen*>(SSL_get_app_data(session));
  seen->hello = true;
  const absl::string_view name = ServerNameOf(session);
  seen->name->assign(name.data(), name.size());
  // This is as far as it goes.
  return SSL_CLIENT_HELLO_ERROR;
}

ClientHelloReader::Found ClientHelloReader::Read(absl::string_view bytes, std::string* name) {
  if (context_ == nullptr) {
    if (library_ == nullptr) library_ = MakeTlsLibrary();
    if (library_ == nullptr) return Found::kNotTls;
    context_.reset(SSL_CTX_new_ex(library_.get(), nullptr, TLS_server_method()));
    if (context_ == nullptr) return Found::kNotTls;
    SSL_CTX_set_client_hello_cb(context_.get(), &ClientHelloReader::OnHello, nullptr);
  }
  const SslPtr session(SSL_new(context_.get()));
  BIO* input = BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size()));
  if (session == nullptr || input == nullptr) {
    BIO_free(input);
    return Found::kNotTls;
  }
  BIO_set_mem_eof_return(input, -1);
  Seen seen{false, name};
  SSL_set_app_data(session.get(), &seen);
  // Alerts go nowhere.
  SSL_set_bio(session.get(), input, BIO_new(BIO_s_null()));
  const int result = SSL_accept(session.get());
  const bool waits = SSL_get_error(session.get(), result) == SSL_ERROR_WANT_READ;
  ERR_clear_error();
  if (seen.hello) return Found::kHello;
  return waits && bytes.size() < kBytesMax ? Found::kMore : Found::kNotTls;
}

}  // namespace pointsman::gateway
