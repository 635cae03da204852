#include "common/admin_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/core/status_macros.h"

namespace pointsman::common {
namespace {

constexpr int kBacklog = 64;

socklen_t FillIn(const Address& address, sockaddr_storage* out) {
  *out = {};
  if (address.kind == Address::Kind::kIpv4) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(out);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(address.port);
    std::memcpy(&v4->sin_addr, address.bytes.data(), sizeof(v4->sin_addr));
    return sizeof(*v4);
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(out);
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(address.port);
  std::memcpy(&v6->sin6_addr, address.bytes.data(), sizeof(v6->sin6_addr));
  return sizeof(*v6);
}

// False: not an IP address.
bool Describe(const sockaddr_storage& address, std::string* ip, int* port) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text));
    *port = ntohs(v4.sin_port);
  } else if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof(text));
    *port = ntohs(v6.sin6_port);
  } else {
    return false;
  }
  *ip = text;
  return true;
}

absl::Status Unbound(const Address& address) {
  return absl::UnavailableError(absl::StrCat("admin address ", ToString(address),
                                             ": cannot be bound: ", std::strerror(errno)));
}

}  // namespace

absl::StatusOr<int> ListenForAdmin(const Address& address) {
  if (address.kind != Address::Kind::kIpv4 && address.kind != Address::Kind::kIpv6) {
    return absl::InvalidArgumentError(absl::StrCat("admin address ", ToString(address),
                                                   ": must be an IPv4 or IPv6 address and a port"));
  }
  sockaddr_storage storage;
  const socklen_t length = FillIn(address, &storage);
  const int fd = ::socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return Unbound(address);
  // Not SO_REUSEPORT, with which two programs would share a port unnoticed.
  const int yes = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  if (bind(fd, reinterpret_cast<sockaddr*>(&storage), length) != 0 || listen(fd, kBacklog) != 0) {
    const absl::Status status = Unbound(address);
    close(fd);
    return status;
  }
  return fd;
}

absl::StatusOr<std::string> ListenAddressOf(int fd) {
  int listens = 0;
  socklen_t size = sizeof(listens);
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  std::string ip;
  int port = 0;
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0 ||
      !Describe(storage, &ip, &port)) {
    return absl::InvalidArgumentError(absl::StrCat("descriptor ", fd, ": no TCP socket listens"));
  }
  return storage.ss_family == AF_INET6 ? absl::StrCat("[", ip, "]:", port)
                                       : absl::StrCat(ip, ":", port);
}

AdminConnection::AdminConnection(int fd) : fd_(fd), deadline_(SystemClock().Now() + kLifeMax) {}

AdminConnection::~AdminConnection() {
  // What the peer still sends must not make the kernel take the answer back.
  shutdown(fd_, SHUT_RDWR);
  close(fd_);
}

bool AdminConnection::Await(short events) const {
  while (true) {
    const absl::Duration left = std::min(deadline_ - SystemClock().Now(), kWaitMax);
    if (left <= absl::ZeroDuration()) return false;
    pollfd waiting{fd_, events, 0};
    const int result = poll(&waiting, 1, static_cast<int>(absl::ToInt64Milliseconds(left)) + 1);
    if (result < 0 && errno == EINTR) continue;
    return result > 0;
  }
}

ssize_t AdminConnection::Read(char* out, size_t size) {
  if (begin_ == end_) {
    if (!Await(POLLIN)) return -1;
    const ssize_t got = recv(fd_, buffer_, sizeof(buffer_), 0);
    if (got <= 0) return got;
    begin_ = 0;
    end_ = static_cast<size_t>(got);
  }
  const size_t n = std::min(size, end_ - begin_);
  std::memcpy(out, buffer_ + begin_, n);
  begin_ += n;
  return static_cast<ssize_t>(n);
}

ssize_t AdminConnection::Write(const char* bytes, size_t size) {
  // A page may take its time.
  if (!std::exchange(answering_, true)) deadline_ = SystemClock().Now() + kLifeMax;
  if (!Await(POLLOUT)) return -1;
  return send(fd_, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void AdminConnection::RemoteAddress(std::string* ip, int* port) const {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  if (getpeername(fd_, reinterpret_cast<sockaddr*>(&storage), &length) == 0) {
    Describe(storage, ip, port);
  }
}

void AdminConnection::LocalAddress(std::string* ip, int* port) const {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  if (getsockname(fd_, reinterpret_cast<sockaddr*>(&storage), &length) == 0) {
    Describe(storage, ip, port);
  }
}

}  // namespace pointsman::common
