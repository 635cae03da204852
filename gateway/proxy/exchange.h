#pragma once

// The seam between streams and protocols. A stream is one request with its response; on each side
// stands a codec's object (HTTP/1 now), which is told what to send through the two interfaces here
// and tells what it received by appending events to the worker's ready list. Nobody calls back:
// events are worked off after the codec returned, sends leave after the events were worked off.
// Thread-compatible; one worker.

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "gateway/http/forwarding.h"
#include "gateway/http/message.h"
#include "gateway/net/chunk.h"

namespace pointsman::gateway {

class TlsFilter;

// Names a stream for as long as it lives; a later stream in the same place has another generation.
struct StreamHandle {
  uint32_t index = 0;
  uint32_t generation = 0;
};

struct StreamEvent {
  enum class Kind : uint8_t {
    kRequestHead,
    kRequestData,
    kRequestEnd,
    kRequestReset,  // `reason`.
    kClientSent,    // Room in the client's queue.
    kResume,        // What a filter waits for has come; `attempt`: which wait.
    kUpstreamConnected,
    kUpstreamFailed,  // Before any byte of this try was sent; `reason`.
    kUpstreamSent,    // Room in the upstream's queue.
    kInterimResponse,
    kResponseHead,
    kResponseData,
    kResponseEnd,
    kResponseReset,  // `reason`.
  };
  StreamHandle stream;
  Kind kind = Kind::kRequestHead;
  // Head and data: nothing follows in this direction.
  bool end = false;
  Reason reason = Reason::kNone;
  // Upstream events: which try they belong to; those of an ended try are dropped. kResume: the same
  // of waits.
  uint8_t attempt = 0;
  Slice data;
  // kInterimResponse of a connection that goes on reading; null: it is in the stream's response,
  // and the connection waits for ContinueAfterInterim().
  std::unique_ptr<ResponseHead> interim;
};

// Events not worked off yet, in order.
class ReadyList {
 public:
  void Push(StreamEvent event) { events_.push_back(std::move(event)); }
  bool empty() const { return next_ == events_.size(); }
  // REQUIRES: !empty().
  StreamEvent Pop() {
    StreamEvent event = std::move(events_[next_++]);
    if (next_ == events_.size()) {
      events_.clear();
      next_ = 0;
    }
    return event;
  }
  // Gives the memory of a turn with very many events back. REQUIRES: empty().
  void Trim() {
    if (events_.capacity() > kKeptMax) events_.shrink_to_fit();
  }

 private:
  static constexpr size_t kKeptMax = 1024;

  std::vector<StreamEvent> events_;
  size_t next_ = 0;
};

// The client's side of one stream. Calls only queue; the caller's worker flushes.
class ClientSide {
 public:
  virtual ~ClientSide() = default;
  // "100 Continue", or another interim response.
  virtual void SendContinue() = 0;
  virtual void SendInterim(const ResponseHead& head) = 0;
  // The final head. `end`: no body follows. `request_ended`: the whole request was received.
  virtual void SendHead(const ResponseHead& head, bool end, bool request_ended) = 0;
  virtual void SendData(Slice data) = 0;
  // The body is complete; trailers are in the head's block.
  virtual void SendEnd(const ResponseHead& head) = 0;
  // A whole answer of the gateway's own.
  virtual void SendOwn(const OwnResponse& response, bool request_ended) = 0;
  // The answer cannot be completed: the client must notice.
  virtual void Abort() = 0;
  // The stream is over (its answer is queued, or Abort() was called) and will not be touched again.
  virtual void StreamDone() = 0;
  // Bytes of the request's body that may come.
  virtual void SetRequestCredit(int64_t bytes) = 0;
  // Bytes of the answer not sent yet.
  virtual size_t UnsentBytes() const = 0;
  // Address of the peer, without port; "http" or "https"; "1.1 pointsman" and the like.
  virtual absl::string_view PeerHost() const = 0;
  // The peer is one of ProxyLimits::trusted_proxies.
  virtual bool PeerTrusted() const = 0;
  virtual absl::string_view Proto() const = 0;
  virtual absl::string_view Via() const = 0;
  // Null: the connection is plain.
  virtual const TlsFilter* Tls() const = 0;
  // The connection was agreed on under another certificate than this host's (421).
  virtual bool Misdirected(absl::string_view authority) const = 0;
};

// The upstream's side of one try.
class UpstreamSide {
 public:
  virtual ~UpstreamSide() = default;
  virtual void SendHead(const RequestHead& head, const ForwardedFacts& facts, bool end) = 0;
  virtual void SendData(Slice data) = 0;
  virtual void SendEnd(const RequestHead& head) = 0;
  // The interim response was taken over: go on reading.
  virtual void ContinueAfterInterim() = 0;
  // The try is over. `clean`: the whole response was received and the whole request sent, so that
  // the connection may serve another. This side must not be touched again.
  virtual void Release(bool clean) = 0;
  virtual void SetResponseCredit(int64_t bytes) = 0;
  virtual size_t UnsentBytes() const = 0;
  // The connection was lost (or refused the request unseen) for a reason that says nothing of the
  // endpoint: it had lain idle, or is being ended gracefully. Asked after the try failed.
  virtual bool stale() const = 0;
  virtual bool connected() const = 0;
  // The connection is, or was last being made, to Endpoint::other(). Also after it failed.
  virtual bool at_other() const = 0;
  // The endpoint has said that it did not look at the request.
  virtual bool refused_unseen() const = 0;
  // Bytes of this try were handed to the kernel, or came back.
  virtual bool sent_any() const = 0;
  virtual bool received_any() const = 0;
};

}  // namespace pointsman::gateway
