#pragma once

// One stream socket behind a completion-shaped seam: the owner is told "connected", "these bytes
// came", "n bytes left", "the peer sends no more", "it failed", and never sees readiness. Receiving
// happens while the owner grants credit; sending happens in Flush(), which the loop's owner calls
// once for every connection that has something to send. Callbacks come from OnIo(),
// ReceiveNow() and Flush() only; the owner must not call the latter two from them.
// With a filter (TLS) all of this is about the decrypted bytes.
// Thread-compatible; owned by one worker's object.

#include <cstdint>
#include <memory>

#include "gateway/net/chunk.h"
#include "gateway/net/connect_race.h"
#include "gateway/net/event_loop.h"
#include "gateway/net/fd.h"
#include "gateway/net/out_queue.h"
#include "gateway/net/stream_filter.h"

namespace pointsman::gateway {

// Who is told. Callbacks may call SetCredit(), Close() and append to out().
class ConnectionOwner {
 public:
  virtual ~ConnectionOwner() = default;
  // The connection stands; only after Connect() or StartFilter().
  virtual void OnConnected() = 0;
  virtual void OnReceived(Slice bytes) = 0;
  // The peer will send no more; sending to it may still work.
  virtual void OnInputEnd() = 0;
  // Flush() begins: the last moment to append to out().
  virtual void OnBeforeFlush() {}
  // `n` bytes of out() were taken by the kernel. May append to out().
  virtual void OnSent(size_t n) = 0;
  // The peer reset or closed both directions while no credit was granted.
  virtual void OnHangUp() {}
  // The connection is unusable; `error` is an errno, EPROTO when the filter failed.
  virtual void OnFailed(int error) = 0;
};

class TcpConnection : public IoHandler {
 public:
  // Chunks received in one turn before others get theirs.
  static constexpr int kReadsPerTurnMax = 4;

  TcpConnection(EventLoop* loop, ChunkPool* chunks, ConnectionOwner* owner)
      : loop_(loop), chunks_(chunks), owner_(owner), out_(chunks) {}
  ~TcpConnection() override { Close(); }

  // Takes over a connected socket. False when it cannot be registered; then the socket is closed.
  bool Attach(Fd fd);
  // Begins to connect. False: it failed at once, at every address. A socket that stands at once is
  // not connecting(), and OnConnected() does not come for it.
  bool Connect(const ConnectTarget& target);
  // Once it stands, after Connect().
  const ReachedAddress& reached() const { return reached_; }
  // From now on the socket's bytes go through the filter; on an accepted socket the peer begins.
  // REQUIRES: after Attach() or Connect(), before anything is sent or received.
  void StartFilter(std::unique_ptr<StreamFilter> filter);
  // Null: plain.
  const StreamFilter* filter() const { return filter_.get(); }
  // Takes the socket (and the filter) of another connection of the same loop, which is closed
  // afterwards; may be called from that one's OnReceived(). False when the kernel refuses; then it
  // is closed.
  bool TakeOver(TcpConnection* other);
  // Gives the socket up, with what has come and was not received. REQUIRES: connected, plain,
  // nothing to send.
  Fd Detach();
  // Closes at once; unsent bytes are lost, no callback comes any more. A filter's peer is
  // told that this is the end. Idempotent.
  void Close();
  // As Close(), and the peer is told that it was cut (RST).
  void Reset();
  // Closes the sending direction after everything was flushed.
  void ShutdownWrite();
  // ShutdownWrite() or Close() will come as soon as out() was sent: all leaves together with it.
  void ExpectEnd() { end_follows_ = true; }

  bool open() const { return fd_.valid(); }
  int fd() const { return fd_.get(); }
  // Also while TLS is agreed on.
  bool connecting() const { return connecting_ || (filter_ != nullptr && filter_->handshaking()); }
  bool input_ended() const { return input_ended_; }

  // How many bytes the owner is ready to receive; up to one chunk more may come. Becoming positive
  // resumes receiving in the same or the next turn.
  void SetCredit(int64_t bytes);
  int64_t credit() const { return credit_; }

  OutQueue& out() { return out_; }
  const OutQueue& out() const { return out_; }
  // Receives what has come already, as if the loop had told of it. Not from a callback.
  void ReceiveNow();
  // Sends what is queued, as far as the kernel takes it.
  void Flush();
  // Set by whoever keeps the list of connections to flush.
  bool flush_listed = false;

  void OnIo(uint32_t events) override;

 private:
  bool ConnectTo(const SocketAddress& address);
  void FinishConnect();
  // The second address's socket takes the place of the first one's. False: it failed too.
  bool GoToSecond();
  void OnSecondStands();
  void ForgetSecond();
  void Receive();
  // One recv(), or what the filter holds; false when there is nothing more to do now.
  bool ReceiveOnce();
  // Bytes that came: to the owner, or to the filter and what it makes of them to the owner.
  bool Take(Slice bytes);
  bool TakeSealed();
  // False: the handshake goes on later, or failed.
  bool GoOnWithHandshake();
  void EndInput();
  // As far as the kernel takes them: 0, EAGAIN when it takes no more, or another errno.
  int Send(OutQueue* queue, size_t* sent);
  bool wants_input() const { return credit_ > 0 || (filter_ != nullptr && filter_->handshaking()); }
  void FlushPlain();
  void FlushSealed();
  void Fail(int error);
  void FailSending(int error);

  EventLoop* const loop_;
  ChunkPool* const chunks_;
  ConnectionOwner* const owner_;
  Fd fd_;
  OutQueue out_;
  std::unique_ptr<StreamFilter> filter_;
  // While connecting to the first of two addresses.
  std::unique_ptr<SecondConnect> second_;
  ReachedAddress reached_;
  // Bytes at the front of out_ whose records have not all left.
  size_t sealed_bytes_ = 0;
  int64_t credit_ = 0;
  bool connecting_ = false;
  bool readable_ = false;
  bool writable_ = false;
  bool hung_up_ = false;
  bool input_ended_ = false;
  bool end_follows_ = false;
  bool requeued_ = false;
};

}  // namespace pointsman::gateway
