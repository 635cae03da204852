#pragma once

// The sockets of the admin pages: one that listens, and a connection. The HTTP library's own would
// not do: they shut a socket down that another process may serve as well, and they wait with
// select(), which knows no descriptor above 1023. Thread-compatible.

#include <poll.h>
#include <sys/types.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/core/address.h"
#include "common/core/time.h"

namespace pointsman::common {

// A descriptor of a socket that listens, close-on-exec and non-blocking. InvalidArgument: not an IP
// address and a port; Unavailable: it cannot be bound.
absl::StatusOr<int> ListenForAdmin(const Address& address);
// "127.0.0.1:40123": where a socket listens. InvalidArgument: `fd` is no such socket.
absl::StatusOr<std::string> ListenAddressOf(int fd);

// One accepted connection. Owns the descriptor.
class AdminConnection {
 public:
  // Each wait for the peer has an end, and so have those for a request and those for its answer.
  static constexpr absl::Duration kWaitMax = absl::Seconds(2);
  static constexpr absl::Duration kLifeMax = absl::Seconds(10);

  explicit AdminConnection(int fd);
  ~AdminConnection();
  AdminConnection(const AdminConnection&) = delete;
  AdminConnection& operator=(const AdminConnection&) = delete;

  // Block until it is so; false: the time is over.
  bool AwaitReadable() const { return begin_ < end_ || Await(POLLIN); }
  bool AwaitWritable() const { return Await(POLLOUT); }
  // Bytes, 0 at the end, negative for errors and when the time is over.
  ssize_t Read(char* out, size_t size);
  ssize_t Write(const char* bytes, size_t size);
  // Left as they are when not known.
  void RemoteAddress(std::string* ip, int* port) const;
  void LocalAddress(std::string* ip, int* port) const;
  int fd() const { return fd_; }

 private:
  bool Await(short events) const;

  const int fd_;
  MonotonicTime deadline_;
  bool answering_ = false;
  char buffer_[4096];
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace pointsman::common
