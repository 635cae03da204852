#pragma once

// Plain blocking sockets for the engine's tests: clients that say exactly what they are told, and
// upstreams whose every connection runs a script. Every wait has a deadline of kPatience.
// Thread-compatible unless said otherwise.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "common/core/check.h"
#include "gateway/net/fd.h"

namespace pointsman::gateway {

inline constexpr int kPatienceMillis = 10'000;

struct TestMessage {
  bool complete = false;
  std::string first_line;
  std::vector<std::pair<std::string, std::string>> fields;  // Names in lower case.
  std::string body;
  std::vector<std::pair<std::string, std::string>> trailers;

  int status() const {
    int value = 0;
    return first_line.size() > 12 && absl::SimpleAtoi(first_line.substr(9, 3), &value) ? value : 0;
  }
  // Value of the first field of this name, "" if there is none.
  std::string Field(absl::string_view name) const {
    for (const auto& [key, value] : fields) {
      if (key == name) return value;
    }
    return "";
  }
  bool Has(absl::string_view name) const {
    for (const auto& [key, value] : fields) {
      if (key == name) return true;
    }
    return false;
  }
};

// One end of a connection.
class Peer {
 public:
  Peer() = default;
  explicit Peer(Fd fd) : fd_(std::move(fd)) {}

  static Peer Connect(uint16_t port, int receive_buffer = 0) {
    Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (receive_buffer > 0) {
      setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    }
    const int one = 1;
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    PM_CHECK(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    return Peer(std::move(fd));
  }

  // Speaks TLS from now on; false when it is not agreed on. SSL_CTX of a client or a server.
  bool StartTls(SSL_CTX* context, const std::string& server_name = "",
                SSL_SESSION* resume = nullptr) {
    // OpenSSL writes without MSG_NOSIGNAL.
    std::signal(SIGPIPE, SIG_IGN);
    const timeval patience{kPatienceMillis / 1000, 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    tls_.reset(SSL_new(context), SSL_free);
    SSL_set_fd(tls_.get(), fd_.get());
    if (resume != nullptr) SSL_set_session(tls_.get(), resume);
    if (!server_name.empty()) SSL_set_tlsext_host_name(tls_.get(), server_name.c_str());
    return (SSL_is_server(tls_.get()) == 1 ? SSL_accept(tls_.get()) : SSL_connect(tls_.get())) == 1;
  }
  SSL* tls() { return tls_.get(); }

  bool Write(absl::string_view bytes) {
    while (tls_ != nullptr && !bytes.empty()) {
      const int n = SSL_write(tls_.get(), bytes.data(), static_cast<int>(bytes.size()));
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    while (!bytes.empty()) {
      const ssize_t n = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }

  // More bytes into the buffer; false at the end, on an error or when patience is lost.
  bool Fill() {
    if (tls_ != nullptr) return FillFromTls();
    pollfd wait{fd_.get(), POLLIN, 0};
    if (poll(&wait, 1, kPatienceMillis) != 1) {
      timed_out_ = true;
      return false;
    }
    char bytes[65536];
    const ssize_t n = recv(fd_.get(), bytes, sizeof(bytes), 0);
    if (n <= 0) {
      reset_ = n < 0;
      return false;
    }
    buffer_.append(bytes, static_cast<size_t>(n));
    return true;
  }

  bool FillFromTls() {
    char bytes[16384];
    const int n = SSL_read(tls_.get(), bytes, sizeof(bytes));
    if (n > 0) {
      buffer_.append(bytes, static_cast<size_t>(n));
      return true;
    }
    const int error = SSL_get_error(tls_.get(), n);
    timed_out_ = error == SSL_ERROR_WANT_READ;
    reset_ = error != SSL_ERROR_ZERO_RETURN && !timed_out_;
    return false;
  }

  // What has come, at least a byte; false as Fill().
  bool ReadSome(std::string* out) {
    if (buffer_.empty() && !Fill()) return false;
    out->append(buffer_);
    buffer_.clear();
    return true;
  }

  // A head up to its empty line, without a body.
  TestMessage ReadHead() {
    TestMessage message;
    size_t end;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!Fill()) return message;
    }
    std::vector<std::string> lines = absl::StrSplit(buffer_.substr(0, end), "\r\n");
    buffer_.erase(0, end + 4);
    message.first_line = lines[0];
    for (size_t i = 1; i < lines.size(); ++i) message.fields.push_back(SplitField(lines[i]));
    message.complete = true;
    return message;
  }

  // A whole message; `bodiless` for answers to HEAD.
  TestMessage ReadMessage(bool bodiless = false) {
    TestMessage message = ReadHead();
    if (!message.complete) return message;
    const int status = message.status();
    if (bodiless || status == 204 || status == 304 || (status >= 100 && status < 200)) {
      return message;
    }
    message.complete = false;
    size_t length = 0;
    if (message.Field("transfer-encoding") == "chunked") {
      message.complete = ReadChunks(&message);
    } else if (absl::SimpleAtoi(message.Field("content-length"), &length)) {
      message.complete = ReadExact(length, &message.body);
    } else if (absl::StartsWith(message.first_line, "HTTP/")) {
      message.complete = ReadToEnd(&message.body);
    } else {
      message.complete = true;  // A request without a body.
    }
    return message;
  }

  bool ReadExact(size_t n, std::string* out) {
    while (buffer_.size() < n) {
      if (!Fill()) return false;
    }
    out->append(buffer_, 0, n);
    buffer_.erase(0, n);
    return true;
  }

  // True when the other side ended orderly.
  bool ReadToEnd(std::string* out) {
    while (Fill()) {
    }
    out->append(buffer_);
    buffer_.clear();
    return !timed_out_ && !reset_;
  }

  // The other side closed (or reset) without sending anything more.
  bool Closed() {
    std::string rest;
    ReadToEnd(&rest);
    return !timed_out_ && rest.empty();
  }

  // Ends both directions; may be called while another thread writes.
  void ShutdownBoth() { shutdown(fd_.get(), SHUT_RDWR); }
  void ShutdownWrite() {
    if (tls_ != nullptr) SSL_shutdown(tls_.get());
    shutdown(fd_.get(), SHUT_WR);
  }
  void Close() { fd_.Reset(); }
  void Reset() {
    linger hard{1, 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    fd_.Reset();
  }
  int fd() const { return fd_.get(); }

 private:
  static std::pair<std::string, std::string> SplitField(const std::string& line) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos) return {line, ""};
    return {absl::AsciiStrToLower(line.substr(0, colon)),
            std::string(absl::StripAsciiWhitespace(line.substr(colon + 1)))};
  }

  bool ReadLine(std::string* line) {
    size_t end;
    while ((end = buffer_.find("\r\n")) == std::string::npos) {
      if (!Fill()) return false;
    }
    *line = buffer_.substr(0, end);
    buffer_.erase(0, end + 2);
    return true;
  }

  bool ReadChunks(TestMessage* message) {
    while (true) {
      std::string line;
      if (!ReadLine(&line)) return false;
      const size_t size = std::strtoul(line.c_str(), nullptr, 16);
      if (size == 0) break;
      if (!ReadExact(size, &message->body) || !ReadLine(&line)) return false;
    }
    std::string line;
    while (ReadLine(&line)) {
      if (line.empty()) return true;
      message->trailers.push_back(SplitField(line));
    }
    return false;
  }

  Fd fd_;
  std::shared_ptr<SSL> tls_;
  std::string buffer_;
  bool timed_out_ = false;
  bool reset_ = false;
};

// A server on a free port; every connection runs `script` on a thread of its own.
class ScriptedUpstream {
 public:
  // `connection` counts from 0.
  using Script = std::function<void(Peer& peer, int connection)>;

  // On 127.0.0.1, or on this address.
  explicit ScriptedUpstream(Script script, uint32_t host = INADDR_LOOPBACK, uint16_t port = 0)
      : script_(std::move(script)) {
    listener_.Reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(host);
    PM_CHECK(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    PM_CHECK(listen(listener_.get(), 128) == 0);
    socklen_t size = sizeof(address);
    PM_CHECK(getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { Accept(); });
  }
  ~ScriptedUpstream() { Stop(); }

  // Refuses connections from now on and breaks those that stand.
  void Stop() {
    if (!acceptor_.joinable()) return;
    shutdown(listener_.get(), SHUT_RDWR);
    acceptor_.join();
    listener_.Reset();
    {
      std::lock_guard<std::mutex> lock(mutex_);
      for (int fd : open_) shutdown(fd, SHUT_RDWR);
    }
    for (auto& [number, thread] : threads_) thread.join();
  }

  uint16_t port() const { return port_; }
  int connections() const { return connections_.load(); }
  // Those that stand now.
  size_t open() {
    std::lock_guard<std::mutex> lock(mutex_);
    return open_.size();
  }

 private:
  void Accept() {
    while (true) {
      Fd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!fd.valid()) return;
      // Or a window's last bytes wait for an acknowledgement that is delayed.
      const int one = 1;
      setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
      Reap();
      const int number = connections_.fetch_add(1);
      std::lock_guard<std::mutex> lock(mutex_);
      open_.push_back(fd.get());
      auto run = [this, number, peer = std::make_shared<Peer>(std::move(fd))] {
        const int raw = peer->fd();
        script_(*peer, number);
        std::lock_guard<std::mutex> done(mutex_);
        std::erase(open_, raw);
        finished_.push_back(number);
        peer->Close();
      };
      threads_.emplace(number, std::thread(std::move(run)));
    }
  }
  // A thread that has ended holds its stack until it is joined.
  void Reap() {
    std::vector<std::thread> ended;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      for (const int number : std::exchange(finished_, {})) {
        ended.push_back(std::move(threads_.extract(number).mapped()));
      }
    }
    for (std::thread& thread : ended) thread.join();
  }

  const Script script_;
  Fd listener_;
  uint16_t port_ = 0;
  std::atomic<int> connections_{0};
  std::thread acceptor_;
  std::mutex mutex_;
  std::vector<int> open_;
  std::map<int, std::thread> threads_;  // By connection.
  std::vector<int> finished_;
};

// A script that answers every request on its connection with what `answer` returns ("" closes).
inline ScriptedUpstream::Script Answering(
    std::function<std::string(const TestMessage& request)> answer) {
  return [answer = std::move(answer)](Peer& peer, int) {
    while (true) {
      const TestMessage request = peer.ReadMessage();
      if (!request.complete) return;
      const std::string bytes = answer(request);
      if (bytes.empty() || !peer.Write(bytes)) return;
    }
  };
}

inline std::string Ok(absl::string_view body) {
  return absl::StrCat("HTTP/1.1 200 OK\r\ncontent-length: ", body.size(), "\r\n\r\n", body);
}

inline ScriptedUpstream::Script AnsweringX() {
  return Answering([](const TestMessage&) { return Ok("x"); });
}

}  // namespace pointsman::gateway
