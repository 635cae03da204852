// pm-relay: the floor that proxies are measured against. Takes a connection, opens one to a backend
// (in turn), and copies bytes both ways without looking at them. One thread, edge-triggered epoll;
// what a socket does not take at once is kept and sent when it can be.
//
//   pm-relay --listen 127.0.0.1:0 --backend 127.0.0.1:9001 [--backend ...] [--ready-file FILE]

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/support/socket_address.h"

namespace pointsman::bench {
namespace {

constexpr size_t kBufferBytes = 64 * 1024;

struct Pair;

// One socket of a pair, and the bytes that wait to be sent on it.
struct End {
  Pair* pair = nullptr;
  int fd = -1;
  End* other = nullptr;
  std::string waiting;
  bool readable = false;
  bool writable = false;
  bool input_ended = false;
};

struct Pair {
  std::array<End, 2> ends;
  bool closed = false;
};

class Relay {
 public:
  Relay(int listener, std::vector<SocketAddress> backends)
      : listener_(listener), backends_(std::move(backends)), epoll_(epoll_create1(0)) {
    Watch(listener_, EPOLLIN, nullptr);
  }

  void RunTurn() {
    std::array<epoll_event, 64> events;
    const int count = epoll_wait(epoll_, events.data(), events.size(), -1);
    for (int i = 0; i < count; ++i) {
      auto* end = static_cast<End*>(events[i].data.ptr);
      if (end == nullptr) {
        Accept();
      } else if (!end->pair->closed) {
        OnEvent(end, events[i].events);
      }
    }
    for (Pair* pair : dead_) delete pair;
    dead_.clear();
  }

 private:
  void Watch(int fd, uint32_t what, End* end) {
    epoll_event event{};
    event.events = what;
    event.data.ptr = end;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  void Accept() {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    const auto backend = StartConnection(backends_[next_++ % backends_.size()]);
    if (!backend.ok()) {
      close(fd);
      return;
    }
    const int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    auto* pair = new Pair;  // Deleted by RunTurn() after Close().
    const std::array<int, 2> fds = {fd, *backend};
    for (size_t i = 0; i < 2; ++i) {
      pair->ends[i].pair = pair;
      pair->ends[i].fd = fds[i];
      pair->ends[i].other = &pair->ends[1 - i];
      Watch(fds[i], EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, &pair->ends[i]);
    }
  }

  void OnEvent(End* end, uint32_t events) {
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) end->readable = true;
    if ((events & EPOLLOUT) != 0 && !end->writable) {
      end->writable = true;
      SendWaiting(end);
      // What could not be sent held back the other side.
      if (!end->pair->closed && end->waiting.empty()) Copy(end->other, 0);
    }
    if (!end->pair->closed) Copy(end, events);
  }

  // Moves what `from` received to the other side until there is no more or it does not take it.
  void Copy(End* from, uint32_t events) {
    End* to = from->other;
    while (!from->pair->closed && from->readable && to->waiting.empty()) {
      const ssize_t n = recv(from->fd, buffer_.data(), buffer_.size(), 0);
      if (n > 0) {
        Send(to, buffer_.data(), static_cast<size_t>(n));
        if (static_cast<size_t>(n) < buffer_.size() && (events & EPOLLRDHUP) == 0) {
          from->readable = false;
        }
      } else if (n < 0 && errno == EAGAIN) {
        from->readable = false;
      } else {
        Close(from->pair);
      }
    }
  }

  void Send(End* to, const char* data, size_t size) {
    if (to->writable) {
      const ssize_t n = send(to->fd, data, size, MSG_NOSIGNAL);
      if (n < 0 && errno != EAGAIN) return Close(to->pair);
      const size_t sent = n > 0 ? static_cast<size_t>(n) : 0;
      if (sent == size) return;
      to->writable = false;
      data += sent;
      size -= sent;
    }
    to->waiting.append(data, size);
  }

  void SendWaiting(End* to) {
    if (to->waiting.empty()) return;
    const ssize_t n = send(to->fd, to->waiting.data(), to->waiting.size(), MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) return Close(to->pair);
    to->waiting.erase(0, n > 0 ? static_cast<size_t>(n) : 0);
    if (!to->waiting.empty()) to->writable = false;
  }

  void Close(Pair* pair) {
    if (pair->closed) return;
    pair->closed = true;
    for (End& end : pair->ends) close(end.fd);
    dead_.push_back(pair);
  }

  const int listener_;
  const std::vector<SocketAddress> backends_;
  const int epoll_;
  size_t next_ = 0;
  std::array<char, kBufferBytes> buffer_;
  std::vector<Pair*> dead_;
};

bool WriteReadyFile(const std::string& path, const std::string& address) {
  const std::string text = absl::StrCat("{\"listen\":\"", address, "\",\"pid\":", getpid(), "}\n");
  const std::string temporary = path + ".tmp";
  FILE* file = std::fopen(temporary.c_str(), "w");
  if (file == nullptr) return false;
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  return (std::fclose(file) == 0) && written && std::rename(temporary.c_str(), path.c_str()) == 0;
}

int Main(const std::vector<std::string>& arguments) {
  std::string listen = "127.0.0.1:0";
  std::string ready_file;
  std::vector<SocketAddress> backends;
  for (size_t i = 0; i + 1 < arguments.size(); i += 2) {
    if (arguments[i] == "--listen") listen = arguments[i + 1];
    if (arguments[i] == "--ready-file") ready_file = arguments[i + 1];
    if (arguments[i] == "--backend") {
      const auto backend = ParseSocketAddress(arguments[i + 1]);
      if (backend.ok()) backends.push_back(*backend);
    }
  }
  const auto address = ParseSocketAddress(listen);
  if (!address.ok() || backends.empty() || arguments.size() % 2 != 0) {
    std::fprintf(stderr, "usage: pm-relay --listen HOST:PORT --backend HOST:PORT ...\n");
    return 2;
  }
  const auto listener = ListenOn(*address);
  if (!listener.ok()) {
    std::fprintf(stderr, "%s\n", listener.status().ToString().c_str());
    return 1;
  }
  if (!ready_file.empty() && !WriteReadyFile(ready_file, LocalAddressText(*listener))) return 1;
  Relay relay(*listener, std::move(backends));
  while (true) relay.RunTurn();
}

}  // namespace
}  // namespace pointsman::bench

int main(int argc, char** argv) {
  return pointsman::bench::Main(std::vector<std::string>(argv + 1, argv + argc));
}
