#include "gateway/net/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/core/check.h"

namespace pointsman::gateway {

namespace {

absl::Status SystemError(absl::string_view what, const SocketAddress& address, int error) {
  return absl::UnavailableError(
      absl::StrCat(what, " ", address.ToString(), ": ", std::strerror(error)));
}

}  // namespace

SocketAddress SocketAddress::From(const common::Address& address) {
  SocketAddress result;
  switch (address.kind) {
    case common::Address::Kind::kIpv4: {
      auto* v4 = reinterpret_cast<sockaddr_in*>(&result.storage_);
      v4->sin_family = AF_INET;
      std::memcpy(&v4->sin_addr, address.bytes.data(), 4);
      result.length_ = sizeof(sockaddr_in);
      break;
    }
    case common::Address::Kind::kIpv6: {
      auto* v6 = reinterpret_cast<sockaddr_in6*>(&result.storage_);
      v6->sin6_family = AF_INET6;
      std::memcpy(&v6->sin6_addr, address.bytes.data(), 16);
      result.length_ = sizeof(sockaddr_in6);
      break;
    }
    case common::Address::Kind::kUnix: {
      auto* local = reinterpret_cast<sockaddr_un*>(&result.storage_);
      PM_CHECK(address.name.size() < sizeof(local->sun_path));
      local->sun_family = AF_UNIX;
      std::memcpy(local->sun_path, address.name.data(), address.name.size());
      result.length_ = offsetof(sockaddr_un, sun_path) + address.name.size() + 1;
      break;
    }
    case common::Address::Kind::kName:
      PM_CHECK(address.kind != common::Address::Kind::kName);
  }
  result.set_port(address.port);
  return result;
}

SocketAddress SocketAddress::From(const common::IpAddress& ip, uint16_t port) {
  return From(common::Address{
      .kind = ip.v6 ? common::Address::Kind::kIpv6 : common::Address::Kind::kIpv4,
      .bytes = ip.bytes,
      .port = port,
  });
}

absl::StatusOr<SocketAddress> SocketAddress::Local(int fd) {
  SocketAddress result;
  result.length_ = sizeof(result.storage_);
  if (getsockname(fd, result.mutable_get(), &result.length_) != 0) {
    return absl::InternalError(absl::StrCat("getsockname: ", std::strerror(errno)));
  }
  return result;
}

absl::StatusOr<SocketAddress> SocketAddress::Peer(int fd) {
  SocketAddress result;
  result.length_ = sizeof(result.storage_);
  if (getpeername(fd, result.mutable_get(), &result.length_) != 0) {
    return absl::UnavailableError(absl::StrCat("getpeername: ", std::strerror(errno)));
  }
  return result;
}

uint16_t SocketAddress::port() const {
  if (family() == AF_INET) {
    return ntohs(reinterpret_cast<const sockaddr_in*>(&storage_)->sin_port);
  }
  if (family() == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_port);
  }
  return 0;
}

void SocketAddress::set_port(uint16_t port) {
  if (family() == AF_INET) reinterpret_cast<sockaddr_in*>(&storage_)->sin_port = htons(port);
  if (family() == AF_INET6) reinterpret_cast<sockaddr_in6*>(&storage_)->sin6_port = htons(port);
}

size_t SocketAddress::WriteHost(char* out) const {
  char text[INET6_ADDRSTRLEN] = "unix";
  if (family() == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&storage_)->sin_addr, text,
              sizeof(text));
  } else if (family() == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_addr, text,
              sizeof(text));
  }
  const absl::string_view written(text);
  std::copy(written.begin(), written.end(), out);
  return written.size();
}

std::optional<common::IpAddress> SocketAddress::Ip() const {
  if (family() == AF_INET) {
    std::array<uint8_t, 4> bytes;
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in*>(&storage_)->sin_addr, 4);
    return common::IpFromIpv4(bytes);
  }
  if (family() == AF_INET6) {
    std::array<uint8_t, 16> bytes;
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_addr, 16);
    return common::IpFromIpv6(bytes);
  }
  return std::nullopt;
}

std::string SocketAddress::ToString() const {
  if (family() == AF_UNIX) {
    return absl::StrCat("unix:", reinterpret_cast<const sockaddr_un*>(&storage_)->sun_path);
  }
  char host[INET6_ADDRSTRLEN];
  const absl::string_view text(host, WriteHost(host));
  return family() == AF_INET6 ? absl::StrCat("[", text, "]:", port())
                              : absl::StrCat(text, ":", port());
}

absl::StatusOr<Fd> Listen(const SocketAddress& address, const ListenOptions& options) {
  Fd fd(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return SystemError("socket for", address, errno);
  const int one = 1;
  if (address.family() != AF_UNIX) {
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (options.reuse_port) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
    // Inherited by accepted connections.
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  }
  if (bind(fd.get(), address.get(), address.length()) != 0) {
    return SystemError("cannot bind", address, errno);
  }
  if (listen(fd.get(), options.backlog) != 0)
    return SystemError("cannot listen on", address, errno);
  return fd;
}

absl::Status CheckUnused(const SocketAddress& address) {
  if (address.port() == 0) return absl::OkStatus();
  const Fd fd(socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return SystemError("socket for", address, errno);
  const int one = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  if (bind(fd.get(), address.get(), address.length()) == 0) return absl::OkStatus();
  return SystemError("cannot bind", address, errno);
}

absl::StatusOr<Fd> Duplicate(const Fd& fd) {
  Fd copy(fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
  if (copy.valid()) return copy;
  return absl::ResourceExhaustedError(absl::StrCat("no descriptor: ", std::strerror(errno)));
}

ConnectStart StartConnect(const SocketAddress& address) {
  ConnectStart start;
  start.fd.Reset(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!start.fd.valid()) {
    start.error = errno;
    return start;
  }
  if (address.family() != AF_UNIX) {
    const int one = 1;
    setsockopt(start.fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  }
  if (connect(start.fd.get(), address.get(), address.length()) == 0) {
    start.done = true;
  } else if (errno != EINPROGRESS) {
    start.error = errno;
    start.fd.Reset();
  }
  return start;
}

int ConnectError(int fd) {
  int error = 0;
  socklen_t size = sizeof(error);
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

int AcceptOne(int listener, SocketAddress* peer) {
  socklen_t length = sizeof(sockaddr_storage);
  const int fd = accept4(listener, peer->mutable_get(), &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) peer->set_length(length);
  return fd;
}

}  // namespace pointsman::gateway
