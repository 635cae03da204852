#include "gateway/net/tcp_connection.h"

#include <sys/socket.h>

#include <cerrno>

#include "gateway/net/socket.h"

namespace pointsman::gateway {

bool TcpConnection::Attach(Fd fd) {
  if (!loop_->Register(fd.get(), this)) return false;
  fd_ = std::move(fd);
  writable_ = true;
  return true;
}

bool TcpConnection::AttachConnecting(Fd fd) {
  if (!loop_->Register(fd.get(), this)) return false;
  fd_ = std::move(fd);
  connecting_ = true;
  return true;
}

bool TcpConnection::TakeOver(TcpConnection* other) {
  const bool registered = loop_->Reregister(other->fd_.get(), this);
  fd_ = std::move(other->fd_);
  writable_ = other->writable_;
  hung_up_ = other->hung_up_;
  // An edge that came to the other one is not told again.
  readable_ = true;
  if (other->requeued_) loop_->Forget(other);
  other->out_.Clear();
  other->connecting_ = other->readable_ = other->writable_ = other->requeued_ = false;
  if (!registered) Close();
  return registered;
}

void TcpConnection::Close() {
  if (!fd_.valid()) return;
  fd_.Reset();
  if (requeued_) loop_->Forget(this);
  out_.Clear();
  connecting_ = readable_ = writable_ = requeued_ = false;
}

void TcpConnection::Reset() {
  const linger hard{1, 0};
  if (fd_.valid()) setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  Close();
}

void TcpConnection::ShutdownWrite() {
  if (fd_.valid()) shutdown(fd_.get(), SHUT_WR);
}

void TcpConnection::SetCredit(int64_t bytes) {
  const bool resumed = credit_ <= 0 && bytes > 0;
  credit_ = bytes;
  if (resumed && readable_ && fd_.valid() && !requeued_) {
    requeued_ = true;
    loop_->Requeue(this);
  }
}

void TcpConnection::OnIo(uint32_t events) {
  if (!fd_.valid()) return;  // Closed earlier in this turn.
  if (events == 0) requeued_ = false;
  if (connecting_) {
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0) return;
    FinishConnect();
    if (!fd_.valid() || connecting_) return;
  }
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) hung_up_ = true;
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) readable_ = true;
  if ((events & EPOLLOUT) != 0 && !writable_) {
    writable_ = true;
    if (!out_.empty()) Flush();
  }
  if (!readable_ || !fd_.valid()) return;
  if (credit_ > 0) {
    Receive();
  } else if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
    owner_->OnHangUp();
  }
}

void TcpConnection::ReceiveNow() {
  if (!fd_.valid() || connecting_ || credit_ <= 0) return;
  readable_ = true;
  Receive();
}

void TcpConnection::FinishConnect() {
  const int error = ConnectError(fd_.get());
  if (error != 0) {
    Fail(error);
    return;
  }
  connecting_ = false;
  writable_ = true;
  owner_->OnConnected();
}

void TcpConnection::Receive() {
  for (int reads = 0; reads < kReadsPerTurnMax; ++reads) {
    if (!ReceiveOnce()) return;
    if (!fd_.valid() || !readable_ || credit_ <= 0) return;
  }
  if (!requeued_) {
    requeued_ = true;
    loop_->Requeue(this);
  }
}

bool TcpConnection::ReceiveOnce() {
  if (input_ended_) {
    readable_ = false;
    return false;
  }
  ChunkRef chunk = ChunkRef::Adopt(chunks_->Take());
  const ssize_t n = recv(fd_.get(), chunk->data(), kChunkDataBytes, 0);
  if (n > 0) {
    chunk->used = static_cast<uint32_t>(n);
    // A short read emptied the socket: what comes later is a new edge. After a hang-up none comes.
    if (static_cast<size_t>(n) < kChunkDataBytes && !hung_up_) readable_ = false;
    credit_ -= n;
    const char* data = chunk->data();
    owner_->OnReceived(Slice{std::move(chunk), data, static_cast<size_t>(n)});
    return true;
  }
  if (n < 0 && errno == EINTR) return true;
  readable_ = false;
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
  if (n == 0) {
    input_ended_ = true;
    owner_->OnInputEnd();
  } else {
    Fail(errno);
  }
  return false;
}

void TcpConnection::Flush() {
  constexpr size_t kPartsMax = 16;
  owner_->OnBeforeFlush();
  while (fd_.valid() && writable_ && !out_.empty()) {
    iovec parts[kPartsMax];
    const size_t count = out_.Gather(parts, kPartsMax);
    ssize_t n;
    if (count == 1) {
      n = send(fd_.get(), parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL);
    } else {
      msghdr message{};
      message.msg_iov = parts;
      message.msg_iovlen = count;
      n = sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
    }
    if (n < 0) {
      if (errno == EINTR) continue;
      writable_ = false;
      if (errno != EAGAIN && errno != EWOULDBLOCK) FailSending(errno);
      return;
    }
    out_.Consume(static_cast<size_t>(n));
    owner_->OnSent(static_cast<size_t>(n));
  }
}

void TcpConnection::FailSending(int error) {
  // The peer may have answered before it stopped listening: its last words are read first.
  hung_up_ = readable_ = true;
  while (fd_.valid() && readable_ && credit_ > 0) {
    if (!ReceiveOnce()) break;
  }
  if (fd_.valid()) Fail(error);
}

void TcpConnection::Fail(int error) {
  Close();
  owner_->OnFailed(error);
}

}  // namespace pointsman::gateway
