#include "gateway/net/tcp_connection.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "common/core/check.h"
#include "gateway/net/socket.h"

namespace pointsman::gateway {

bool TcpConnection::Attach(Fd fd) {
  if (!loop_->Register(fd.get(), this)) return false;
  fd_ = std::move(fd);
  writable_ = true;
  return true;
}

bool TcpConnection::ConnectTo(const SocketAddress& address) {
  ConnectStart start = StartConnect(address);
  if (!start.fd.valid() || !loop_->Register(start.fd.get(), this)) return false;
  fd_ = std::move(start.fd);
  connecting_ = !start.done;
  writable_ = start.done;
  return true;
}

bool TcpConnection::Connect(const ConnectTarget& target) {
  if (!target.other.has_value()) return ConnectTo(target.address);
  const SocketAddress& first = target.other_first ? *target.other : target.address;
  const SocketAddress& second = target.other_first ? target.address : *target.other;
  reached_ = {.had_choice = true, .other = target.other_first, .second = false};
  if (!ConnectTo(first)) {
    reached_ = {.had_choice = true, .other = !target.other_first, .second = true};
    return ConnectTo(second);
  }
  if (connecting_) {
    second_ = std::make_unique<SecondConnect>(loop_, second, target.head_start,
                                              [this] { OnSecondStands(); });
  }
  return true;
}

void TcpConnection::StartFilter(std::unique_ptr<StreamFilter> filter) {
  filter_ = std::move(filter);
  if (!connecting_ && !filter_->server()) GoOnWithHandshake();
}

bool TcpConnection::TakeOver(TcpConnection* other) {
  const bool registered = loop_->Reregister(other->fd_.get(), this);
  fd_ = std::move(other->fd_);
  filter_ = std::move(other->filter_);
  writable_ = other->writable_;
  hung_up_ = other->hung_up_;
  // What came since is told of, as to one that was just registered.
  readable_ = other->readable_;
  if (other->requeued_) loop_->Forget(other);
  other->out_.Clear();
  other->connecting_ = other->readable_ = other->writable_ = other->requeued_ = false;
  if (!registered) Close();
  return registered;
}

Fd TcpConnection::Detach() {
  PM_CHECK(fd_.valid() && filter_ == nullptr && !connecting_ && out_.empty());
  loop_->Unregister(fd_.get());
  if (requeued_) loop_->Forget(this);
  connecting_ = readable_ = writable_ = requeued_ = false;
  return std::move(fd_);
}

void TcpConnection::Close() {
  if (!fd_.valid()) return;
  if (filter_ != nullptr) {
    // Best effort: a peer that takes nothing is not waited for.
    filter_->SealEnd();
    size_t sent = 0;
    if (writable_ && !connecting_ && sealed_bytes_ == 0) Send(&filter_->sealed(), &sent);
    filter_.reset();
    sealed_bytes_ = 0;
  }
  ForgetSecond();
  fd_.Reset();
  if (requeued_) loop_->Forget(this);
  out_.Clear();
  connecting_ = readable_ = writable_ = requeued_ = false;
}

void TcpConnection::Reset() {
  const linger hard{1, 0};
  filter_.reset();
  sealed_bytes_ = 0;
  if (fd_.valid()) setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  Close();
}

void TcpConnection::ShutdownWrite() {
  if (filter_ != nullptr && fd_.valid()) {
    filter_->SealEnd();
    size_t sent = 0;
    Send(&filter_->sealed(), &sent);
  }
  if (fd_.valid()) shutdown(fd_.get(), SHUT_WR);
}

void TcpConnection::SetCredit(int64_t bytes) {
  const bool resumed = credit_ <= 0 && bytes > 0;
  credit_ = bytes;
  const bool waiting = readable_ || (filter_ != nullptr && !filter_->hungry());
  if (resumed && waiting && fd_.valid() && !requeued_) {
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
    if (!out_.empty() || (filter_ != nullptr && !filter_->sealed().empty())) Flush();
  }
  if (!fd_.valid()) return;
  const bool handshaking = filter_ != nullptr && filter_->handshaking();
  if (handshaking && readable_ && !filter_->TakeHandshakeStep()) {
    if (!std::exchange(requeued_, true)) loop_->Requeue(this);
    return;
  }
  if (!readable_ && (filter_ == nullptr || filter_->hungry())) return;
  if (wants_input()) {
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
    if (!GoToSecond()) Fail(error);
    return;
  }
  ForgetSecond();
  connecting_ = false;
  writable_ = true;
  if (filter_ != nullptr) {
    GoOnWithHandshake();
    return;
  }
  owner_->OnConnected();
}

bool TcpConnection::GoToSecond() {
  if (second_ == nullptr) return false;
  Fd fd = second_->Take();
  ForgetSecond();
  // The turn may hold an event of the first one's socket.
  loop_->Forget(this);
  requeued_ = false;
  if (!fd.valid() || !loop_->Reregister(fd.get(), this)) return false;
  fd_ = std::move(fd);
  reached_.other = !reached_.other;
  reached_.second = true;
  return true;
}

void TcpConnection::OnSecondStands() {
  if (!GoToSecond()) return Fail(ECONNABORTED);
  FinishConnect();
}

void TcpConnection::ForgetSecond() {
  if (second_ == nullptr) return;
  second_->Stop();
  loop_->Bury(std::move(second_));
}

void TcpConnection::Receive() {
  for (int reads = 0; reads < kReadsPerTurnMax; ++reads) {
    if (!ReceiveOnce()) return;
    const bool held = filter_ != nullptr && !filter_->hungry();
    if (!fd_.valid() || !(readable_ || held) || !wants_input()) return;
  }
  if (!requeued_) {
    requeued_ = true;
    loop_->Requeue(this);
  }
}

bool TcpConnection::ReceiveOnce() {
  if (filter_ != nullptr && !filter_->hungry()) return TakeSealed();
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
    const char* data = chunk->data();
    return Take(Slice{std::move(chunk), data, static_cast<size_t>(n)});
  }
  if (n < 0 && errno == EINTR) return true;
  readable_ = false;
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
  if (n < 0) {
    Fail(errno);
  } else if (filter_ != nullptr && (filter_->handshaking() || !filter_->server())) {
    // Cut off without a word: what an endpoint sent so far may be half of it.
    Fail(ECONNRESET);
  } else {
    EndInput();
  }
  return false;
}

void TcpConnection::EndInput() {
  readable_ = false;
  if (std::exchange(input_ended_, true)) return;
  owner_->OnInputEnd();
}

bool TcpConnection::Take(Slice bytes) {
  if (filter_ != nullptr) {
    filter_->Feed(std::move(bytes));
    return TakeSealed();
  }
  credit_ -= static_cast<int64_t>(bytes.size);
  owner_->OnReceived(std::move(bytes));
  return true;
}

bool TcpConnection::TakeSealed() {
  if (filter_->handshaking()) return GoOnWithHandshake();
  Slice plain;
  switch (filter_->Read(&plain)) {
    case StreamFilter::Reading::kData:
      credit_ -= static_cast<int64_t>(plain.size);
      owner_->OnReceived(std::move(plain));
      break;
    case StreamFilter::Reading::kNothing:
      break;
    case StreamFilter::Reading::kEnd:
      EndInput();
      return false;
    case StreamFilter::Reading::kFailed:
      Fail(EPROTO);
      return false;
  }
  // Answers of the session's own.
  if (filter_ != nullptr && !filter_->sealed().empty() && sealed_bytes_ == 0) FlushSealed();
  return fd_.valid() && filter_ != nullptr;
}

bool TcpConnection::GoOnWithHandshake() {
  const StreamFilter::Progress progress = filter_->Handshake();
  size_t sent = 0;
  const int error = writable_ ? Send(&filter_->sealed(), &sent) : 0;
  // A peer that was content and left already is the owner's affair.
  const bool cut = error != 0 && error != EAGAIN && progress == StreamFilter::Progress::kWaits;
  if (cut || progress == StreamFilter::Progress::kFailed) {
    Fail(cut ? error : EPROTO);
    return false;
  }
  if (progress == StreamFilter::Progress::kWaits) return filter_->hungry();
  owner_->OnConnected();
  // The owner may have given the socket to another.
  return fd_.valid() && filter_ != nullptr;
}

void TcpConnection::Flush() {
  owner_->OnBeforeFlush();
  if (filter_ == nullptr) {
    FlushPlain();
  } else {
    FlushSealed();
  }
}

int TcpConnection::Send(OutQueue* queue, size_t* sent) {
  constexpr size_t kPartsMax = 16;
  // What the end follows waits in the kernel for it: one segment for both.
  const int flags = MSG_NOSIGNAL | (end_follows_ ? MSG_MORE : 0);
  *sent = 0;
  while (!queue->empty()) {
    iovec parts[kPartsMax];
    const size_t count = queue->Gather(parts, kPartsMax);
    ssize_t n;
    if (count == 1) {
      n = send(fd_.get(), parts[0].iov_base, parts[0].iov_len, flags);
    } else {
      msghdr message{};
      message.msg_iov = parts;
      message.msg_iovlen = count;
      n = sendmsg(fd_.get(), &message, flags);
    }
    if (n >= 0) {
      queue->Consume(static_cast<size_t>(n));
      *sent += static_cast<size_t>(n);
    } else if (errno != EINTR) {
      writable_ = false;
      return errno == EWOULDBLOCK ? EAGAIN : errno;
    }
  }
  return 0;
}

void TcpConnection::FlushPlain() {
  while (fd_.valid() && writable_ && !out_.empty()) {
    size_t sent = 0;
    const int error = Send(&out_, &sent);
    if (sent > 0) owner_->OnSent(sent);
    if (error != 0 && error != EAGAIN && fd_.valid()) FailSending(error);
  }
}

void TcpConnection::FlushSealed() {
  while (fd_.valid() && filter_ != nullptr && writable_) {
    if (out_.empty()) filter_->SealOwed();
    if (sealed_bytes_ == 0 && !out_.empty() && !filter_->handshaking()) {
      sealed_bytes_ = filter_->Seal(out_);
      if (sealed_bytes_ == 0) return Fail(EPROTO);
      if (end_follows_ && sealed_bytes_ == out_.bytes()) filter_->SealEnd();
    }
    if (filter_->sealed().empty()) return;
    size_t sent = 0;
    const int error = Send(&filter_->sealed(), &sent);
    if (error != 0) {
      // Some of a record may have left: as good as sent when it comes to trying again.
      if (error != EAGAIN && sealed_bytes_ > 0 && sent > 0) owner_->OnSent(0);
      if (error != EAGAIN && fd_.valid()) FailSending(error);
      return;
    }
    if (const size_t left = std::exchange(sealed_bytes_, 0); left > 0) {
      out_.Consume(left);
      owner_->OnSent(left);
    }
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
