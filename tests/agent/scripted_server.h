#pragma once

// A server of a few lines that does one scripted thing with each connection: what probes must cope
// with. One thread; port 0 or a unix socket. The destructor ends it.

#include <arpa/inet.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/core/check.h"

namespace pointsman::testing {

class ScriptedServer {
 public:
  // Called on the server's thread with each accepted connection; the server closes it afterwards.
  using Script = std::function<void(ScriptedServer& server, int fd)>;

  explicit ScriptedServer(Script script, const std::string& unix_path = "")
      : script_(std::move(script)), stop_(eventfd(0, EFD_CLOEXEC)) {
    if (unix_path.empty()) {
      listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      socklen_t size = sizeof(address);
      PM_CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
      PM_CHECK(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
      address_ = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
    } else {
      listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      unix_path.copy(address.sun_path, sizeof(address.sun_path) - 1);
      PM_CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
      address_ = absl::StrCat("unix:", unix_path);
    }
    PM_CHECK(listen(listener_, 128) == 0);
    thread_ = std::thread([this] { Serve(); });
  }

  ~ScriptedServer() {
    const uint64_t one = 1;
    PM_CHECK(write(stop_, &one, sizeof(one)) == sizeof(one));
    thread_.join();
    close(listener_);
    close(stop_);
  }

  const std::string& address() const { return address_; }

  // --- For scripts.
  // Reads up to the end of an HTTP head.
  std::string ReadHead(int fd) {
    std::string head;
    char c;
    while (head.find("\r\n\r\n") == std::string::npos && WaitReadable(fd) && read(fd, &c, 1) == 1) {
      head += c;
    }
    return head;
  }
  // False: the server is being stopped.
  bool WaitReadable(int fd) {
    pollfd fds[2] = {{fd, POLLIN, 0}, {stop_, POLLIN, 0}};
    poll(fds, 2, -1);
    return fds[1].revents == 0;
  }
  void Send(int fd, const std::string& text) {
    size_t sent = 0;
    while (sent < text.size()) {
      const ssize_t n = ::send(fd, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return;
      sent += static_cast<size_t>(n);
    }
  }
  // Takes its time, as a slow service does; ends early when the server is stopped.
  void Dawdle(int millis) {
    pollfd waiting{stop_, POLLIN, 0};
    poll(&waiting, 1, millis);
  }
  // Reads until the peer closes, answering nothing.
  void Swallow(int fd) {
    char buffer[256];
    while (WaitReadable(fd) && read(fd, buffer, sizeof(buffer)) > 0) {
    }
  }
  // The close that follows resets the connection.
  static void ResetOnClose(int fd) {
    const linger now{1, 0};
    PM_CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)) == 0);
  }

 private:
  void Serve() {
    while (WaitReadable(listener_)) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      script_(*this, fd);
      close(fd);
    }
  }

  const Script script_;
  const int stop_;
  int listener_;
  std::string address_;
  std::thread thread_;
};

// A script that answers every request with this text.
inline ScriptedServer::Script Answer(const std::string& text) {
  return [text](ScriptedServer& server, int fd) {
    server.ReadHead(fd);
    server.Send(fd, text);
  };
}

// "HTTP/1.1 200 OK" with the body and extra header lines ("X-A: b\r\n").
inline std::string Ok(const std::string& body, const std::string& headers = "") {
  return absl::StrCat("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ", body.size(),
                      "\r\n", headers, "\r\n", body);
}

}  // namespace pointsman::testing
