#pragma once

// The protocol state of one HTTP/2 connection, either side, without I/O: bytes that came go in,
// bytes to send come out, what happened is told to the streams. Frames, HPACK, states and windows
// are nghttp2's, which no file outside this folder sees. Windows are given back only for what the
// streams' owners have passed on, so that a slow reader holds its writer back. Thread-compatible;
// owned by a connection.

#include <cstdint>
#include <memory>

#include "absl/strings/string_view.h"
#include "common/core/time.h"
#include "gateway/http/forwarding.h"
#include "gateway/http/message.h"
#include "gateway/http2/field_collector.h"
#include "gateway/http2/limits.h"
#include "gateway/http2/stream.h"
#include "gateway/net/out_queue.h"

struct nghttp2_session;

namespace pointsman::gateway {

class Http2Session {
 public:
  enum class Role : uint8_t { kServer, kClient };

  // RFC 9113 7.
  static constexpr uint32_t kNoError = 0;
  static constexpr uint32_t kInternalError = 2;
  static constexpr uint32_t kRefusedStream = 7;
  static constexpr uint32_t kCancel = 8;

  // Frames wait in the session while the output holds so much.
  static constexpr size_t kEnoughBytes = 64 * 1024;

  // Told from within Receive(); may only record.
  class Owner {
   public:
    virtual ~Owner() = default;
    // Server: a client begins a stream. Null: it is refused.
    virtual Http2Stream* OnStreamOpened() = 0;
    // The peer takes no further stream; may be told again.
    virtual void OnGoaway() = 0;
  };

  Http2Session(Role role, const Http2Limits& limits, const HeadLimits& head, Owner* owner);
  ~Http2Session();
  Http2Session(const Http2Session&) = delete;
  Http2Session& operator=(const Http2Session&) = delete;

  // Gives back memory that this thread kept for sessions and did not need since the last call.
  static void TrimMemory();

  // False: nothing more is wanted of the peer, because it broke the protocol or its budget of
  // glitches, or because everything has ended; what Produce() still gives is to be sent, then the
  // connection closed.
  bool Receive(const Slice& bytes, common::MonotonicTime now);
  // From now on `out` takes frames: those of heads as soon as they are sent, which saves copies of
  // their text, the others by Produce(). Must outlive the session's use.
  void SetOutput(OutQueue* out) { out_ = out; }
  // Appends frames until the output holds `enough` bytes or nothing is ready. REQUIRES:
  // SetOutput().
  void Produce(size_t enough = kEnoughBytes);
  // Nothing will come or go any more.
  bool finished() const;
  // A head has begun and not ended.
  bool in_head() const { return in_head_; }
  // Streams open in the library.
  size_t open_streams() const { return open_streams_; }
  // Client: another request may be begun; the peer's limit of streams, as far as known.
  bool accepts_requests() const;
  uint32_t peer_streams_max() const;
  // Client: the endpoint's settings have come, and say that it takes extended CONNECT (RFC 8441 3).
  bool peer_settled() const { return peer_settled_; }
  bool peer_takes_upgrades() const;

  // Client: another request is within the endpoint's limit of streams. Until its settings have come
  // that is one.
  bool has_room() const;
  // Client: streams that the endpoint counts are as many as its limit, or more.
  bool at_limit() const { return live_streams_ >= peer_streams_max(); }
  // Client: HEADERS and DATA frames that came.
  uint64_t answer_frames() const { return answer_frames_; }
  // Client: `:scheme` of requests. Static storage.
  void SetScheme(absl::string_view scheme) { scheme_ = scheme; }
  // Asks the peer for a sign of life.
  void SendPing();

  // Client. The request is to be sent later: what is sent on the stream waits for it.
  void HoldRequest(Http2Stream* stream);
  // Client. False: this session takes no request any more. An upgrade is asked for by an extended
  // CONNECT; REQUIRES peer_takes_upgrades() then. REQUIRES: has_room(), or !accepts_requests().
  bool SendRequest(Http2Stream* stream, const RequestHead& head, const ForwardedFacts& facts,
                   bool end);
  // Server.
  void SendHead(Http2Stream* stream, const ResponseHead& head, bool end);
  void SendInterim(Http2Stream* stream, const ResponseHead& head);
  void SendContinue(Http2Stream* stream);
  void SendOwn(Http2Stream* stream, const OwnResponse& response);
  // Both. The library asks for data when the windows allow.
  void SendData(Http2Stream* stream, const Slice& data);
  // `block`: its trailers follow.
  void SendEnd(Http2Stream* stream, const HeaderBlock& block);
  void Reset(Http2Stream* stream, uint32_t code);

  // What was received on the stream was passed on: its windows open again.
  void Consume(Http2Stream* stream);
  // Nothing is told to the stream any more; it may be destroyed.
  void Forget(Http2Stream* stream);

  // Graceful end, first step: "begin no more streams", while those under way are still taken.
  void SendShutdownNotice();
  // Second step: what comes now is refused.
  void SendGoaway();

 private:
  friend struct Http2Callbacks;

  void SendSettings(const HeadLimits& head);
  // A budget of the peer's is used up: says so by GOAWAY. False.
  bool Calm();
  // Counts frames that carry nothing. False: too many.
  bool Glitch(uint32_t weight);
  // Counts a reset that came for a stream; null: the stream was over. False: too many.
  bool CountReset(const Http2Stream* stream);
  void RefillGlitches(common::MonotonicTime now);
  void MoveData(Http2Stream* stream, const uint8_t* frame_head, size_t length);
  // The next frame goes to the output. False: there is none.
  bool MakeFrame();
  bool MayFrameAtOnce() const;
  // Makes the frames of all heads, which go before data.
  void FrameHeads();
  void Resume(Http2Stream* stream);

  const Role role_;
  const Http2Limits limits_;
  Owner* const owner_;
  nghttp2_session* session_ = nullptr;
  FieldCollector collector_;
  bool in_head_ = false;
  // While receiving: the chunk that data points into.
  const Slice* input_ = nullptr;
  OutQueue* out_ = nullptr;
  size_t open_streams_ = 0;
  // Client: those the endpoint knows or will know of, forgotten ones included.
  size_t live_streams_ = 0;
  uint64_t answer_frames_ = 0;
  absl::string_view scheme_ = "http";
  double glitch_tokens_;
  double reset_tokens_;
  // What forgives glitches, since they were last counted up.
  uint64_t payload_bytes_ = 0;
  uint64_t glitches_forgiven_ = 0;
  common::MonotonicTime refilled_;
  bool goaway_received_ = false;
  bool peer_settled_ = false;
  // Nothing is left to happen, and the peer said that it begins nothing.
  bool ended_ = false;
  bool broken_ = false;
};

}  // namespace pointsman::gateway
