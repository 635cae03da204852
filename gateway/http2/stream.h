#pragma once

// One HTTP/2 stream as its codec sees it: what waits to be sent on it and how much of what came was
// not given back to the window yet. What it means is up to the object that derives from it, which
// is told by the calls below; they come from within Http2Session::Receive() and Produce() and may
// only record. Thread-compatible; owned by whoever owns the session, and must live until OnClosed()
// or Http2Session::Forget().

#include <cstdint>
#include <string>
#include <vector>

#include "gateway/http/message.h"
#include "gateway/net/out_queue.h"

namespace pointsman::gateway {

class Http2Stream {
 public:
  explicit Http2Stream(ChunkPool* chunks) : out_(chunks) {}
  virtual ~Http2Stream() = default;

  int32_t id() const { return id_; }
  // Body bytes not framed yet.
  size_t waiting_bytes() const { return out_.bytes(); }
  // Its request is to be sent later.
  bool held() const { return held_; }
  // The head of this side was framed.
  bool head_framed() const { return head_framed_; }
  // The peer's side is closed.
  bool input_ended() const { return input_ended_; }
  // It carries, or asks for, a tunnel: each direction ends by itself.
  bool tunnel() const { return tunnel_; }
  // Server: the whole answer was framed while the request still comes. It may, for a while: clients
  // take an answer whose stream is reset at once for none.
  bool lingers() const { return lingers_; }
  // SendEnd() was called, and the end is not framed yet.
  bool end_waits() const { return ended_ && !end_framed_; }
  // Both directions ended as they should.
  bool ended_regularly() const { return input_ended_ && end_framed_; }
  // Server: the stream was reset for a mistake of the peer's, a stream error of RFC 9113 5.4.2.
  bool peer_erred() const { return peer_erred_; }

 protected:
  // Where the coming head is written; null: it is not wanted any more.
  virtual RequestHead* RequestPlace() { return nullptr; }
  virtual ResponseHead* ResponsePlace() { return nullptr; }
  virtual Method RequestMethod() const { return Method::kOther; }
  virtual Upgrade RequestUpgrade() const { return Upgrade::kNone; }
  // A final head is complete (or was refused). `end`: nothing follows.
  virtual void OnHead(bool end, Reason refused) = 0;
  // An interim response stands in ResponsePlace(), which the next head will overwrite.
  virtual void OnInterim() {}
  virtual void OnData(Slice data) = 0;
  // The body is complete; trailers are behind the fields of the head. kNone, or why not.
  virtual void OnEnd(Reason refused) = 0;
  // Body bytes were framed, so that waiting_bytes() fell; or a tunnel's end was.
  virtual void OnFramed() = 0;
  // The stream is over, for whichever reason; `code` is of RFC 9113 7, 0 for a regular end.
  virtual void OnClosed(uint32_t code) = 0;

 private:
  friend class Http2Session;
  friend struct Http2Callbacks;

  void Reset() {
    id_ = -1;
    out_.Clear();
    trailers_.clear();
    unconsumed_ = 0;
    ended_ = deferred_ = input_ended_ = head_framed_ = head_seen_ = false;
    tunnel_ = end_framed_ = lingers_ = held_ = peer_erred_ = false;
  }

  int32_t id_ = -1;
  OutQueue out_;
  // Name, value, name, value ...: sent behind the last byte of out_.
  std::vector<std::string> trailers_;
  size_t unconsumed_ = 0;
  bool ended_ = false;     // Nothing will be added to out_.
  bool deferred_ = false;  // The library waits to be told of more.
  bool input_ended_ = false;
  bool head_framed_ = false;
  bool end_framed_ = false;
  bool tunnel_ = false;
  bool lingers_ = false;
  bool head_seen_ = false;  // The peer's final head.
  bool held_ = false;       // Its request will be sent later.
  bool peer_erred_ = false;
};

}  // namespace pointsman::gateway
