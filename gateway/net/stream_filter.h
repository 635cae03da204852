#pragma once

// What may stand between a connection and its socket: takes received bytes and gives the owner's,
// seals what the owner sends into a queue of its own. It has no descriptor and does no I/O; its
// connection does. (TLS is the one there is.) Thread-compatible; owned by one connection, and moved
// with its socket.

#include <cstddef>
#include <cstdint>
#include <utility>

#include "gateway/net/chunk.h"
#include "gateway/net/out_queue.h"

namespace pointsman::gateway {

class StreamFilter {
 public:
  explicit StreamFilter(ChunkPool* chunks) : sealed_(chunks) {}
  virtual ~StreamFilter() = default;
  StreamFilter(const StreamFilter&) = delete;
  StreamFilter& operator=(const StreamFilter&) = delete;

  // Bytes of the owner's pass only afterwards.
  bool handshaking() const { return handshaking_; }
  // False: enough handshakes were worked on in this turn.
  virtual bool TakeHandshakeStep() = 0;
  enum class Progress : uint8_t { kWaits, kDone, kFailed };
  // Goes on with what was fed so far. Also after kFailed, sealed() holds what the peer is to be
  // told.
  virtual Progress Handshake() = 0;
  // The peer begins.
  virtual bool server() const = 0;

  // Received bytes. REQUIRES: hungry().
  void Feed(Slice sealed) { input_ = std::move(sealed); }
  // Everything fed was worked off.
  bool hungry() const { return input_.empty() && !more_; }
  enum class Reading : uint8_t { kData, kNothing, kEnd, kFailed };
  // The owner's bytes, at most a chunk. kEnd: the peer said that nothing more comes.
  virtual Reading Read(Slice* plain) = 0;

  // Seals bytes from the front of `plain` (which is not changed); returns how many, 0: failed.
  virtual size_t Seal(const OutQueue& plain) = 0;
  // Says that nothing more will be sent; once.
  virtual void SealEnd() = 0;
  // What the peer is owed (tickets) leaves with the first bytes that are sealed; or by this
  // without.
  virtual void SealOwed() = 0;
  // To be sent.
  OutQueue& sealed() { return sealed_; }

 protected:
  Slice input_;
  OutQueue sealed_;
  bool handshaking_ = true;
  // The owner's bytes may be left inside.
  bool more_ = false;
};

}  // namespace pointsman::gateway
