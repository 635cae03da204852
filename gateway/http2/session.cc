#include "gateway/http2/session.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "common/core/check.h"
#include "gateway/http/request_rules.h"
#include "gateway/http/upgrade.h"
#include "gateway/http2/nv_list.h"
#include "gateway/http2/session_memory.h"

namespace pointsman::gateway {

namespace {

absl::string_view View(nghttp2_rcbuf* buffer) {
  const nghttp2_vec bytes = nghttp2_rcbuf_get_buf(buffer);
  return absl::string_view(reinterpret_cast<const char*>(bytes.base), bytes.len);
}

// What differs with every request is not worth a place in the peer's table.
bool IsPassing(absl::string_view name) {
  return name == "x-request-id" || name == "traceparent" || name == "date" ||
         name == "grpc-timeout";
}

void PutField(absl::string_view name, absl::string_view value, NvList* list) {
  if (IsPassing(name)) {
    list->PutOnce(name, value);
  } else {
    list->Put(name, value);
  }
}

bool WantsTrailers(const HeaderBlock& block) {
  const Field* te = block.Find(FieldToken::kTe);
  return te != nullptr && absl::EqualsIgnoreCase(block.At(te->value), "trailers");
}

}  // namespace

// What nghttp2 calls; `user` is the session.
struct Http2Callbacks {
  static Http2Session* Self(void* user) { return static_cast<Http2Session*>(user); }
  static Http2Stream* Of(nghttp2_session* session, int32_t id) {
    return static_cast<Http2Stream*>(nghttp2_session_get_stream_user_data(session, id));
  }

  // The library ignores some frames without a word later on (priorities, unknown ones, those for
  // streams that are over), and it reads on behind the end when more came with it.
  static int OnBeginFrame(nghttp2_session* session, const nghttp2_frame_hd* head, void* user) {
    Http2Session* self = Self(user);
    if (self->goaway_received_ && nghttp2_session_want_read(session) == 0) {
      self->ended_ = true;
      return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    switch (head->type) {
      case NGHTTP2_DATA:
      case NGHTTP2_HEADERS:
        ++self->answer_frames_;
        return 0;
      case NGHTTP2_CONTINUATION:
      case NGHTTP2_RST_STREAM:
        return 0;
      case NGHTTP2_PRIORITY:
        // RFC 9113 6.3, which the library leaves out with the priorities.
        if (head->stream_id == 0) {
          nghttp2_session_terminate_session(session, NGHTTP2_PROTOCOL_ERROR);
        }
        [[fallthrough]];
      default:
        return self->Glitch(1) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
    }
  }

  // Without this one the library would not tell of unknown frames at all.
  static int OnUnknownFrame(nghttp2_session* /*session*/, void** /*payload*/,
                            const nghttp2_frame_hd* /*head*/, void* /*user*/) {
    return NGHTTP2_ERR_CANCEL;
  }

  static int OnBeginHeaders(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    Http2Session* self = Self(user);
    // Pushes are switched off; one that crossed the setting is refused.
    if (frame->hd.type != NGHTTP2_HEADERS) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    self->in_head_ = true;
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      Http2Stream* stream = self->owner_->OnStreamOpened();
      if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
      stream->Reset();
      stream->id_ = frame->hd.stream_id;
      nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream);
      ++self->open_streams_;
    }
    BeginSection(self, Of(session, frame->hd.stream_id));
    return 0;
  }

  static void BeginSection(Http2Session* self, Http2Stream* stream) {
    RequestHead* request = stream != nullptr ? stream->RequestPlace() : nullptr;
    ResponseHead* response = stream != nullptr ? stream->ResponsePlace() : nullptr;
    if (request == nullptr && response == nullptr) return self->collector_.StartNothing();
    if (stream->head_seen_) {
      return self->collector_.StartTrailers(request != nullptr ? &request->block
                                                               : &response->block);
    }
    if (request != nullptr) return self->collector_.StartRequest(request);
    self->collector_.StartResponse(response);
  }

  static int OnHeader(nghttp2_session* /*session*/, const nghttp2_frame* frame, nghttp2_rcbuf* name,
                      nghttp2_rcbuf* value, uint8_t /*flags*/, void* user) {
    if (frame->hd.type == NGHTTP2_HEADERS) Self(user)->collector_.Add(View(name), View(value));
    return 0;
  }

  static int OnFrame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    Http2Session* self = Self(user);
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
        self->in_head_ = false;
        EndSection(self, Of(session, frame->hd.stream_id), IsEnd(frame));
        return 0;
      case NGHTTP2_DATA:
        if (IsEnd(frame)) return EndData(Of(session, frame->hd.stream_id));
        return frame->hd.length == 0 && !self->Glitch(1) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
      case NGHTTP2_GOAWAY:
        self->goaway_received_ = true;
        self->owner_->OnGoaway();
        return 0;
      case NGHTTP2_SETTINGS:
        self->peer_settled_ = true;
        return 0;
      case NGHTTP2_RST_STREAM:
        return self->CountReset(Of(session, frame->hd.stream_id)) ? 0
                                                                  : NGHTTP2_ERR_CALLBACK_FAILURE;
      default:
        return 0;
    }
  }

  static bool IsEnd(const nghttp2_frame* frame) {
    return (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  }

  static int EndData(Http2Stream* stream) {
    if (stream == nullptr) return 0;
    stream->input_ended_ = true;
    stream->OnEnd(Reason::kNone);
    return 0;
  }

  static void EndSection(Http2Session* self, Http2Stream* stream, bool end) {
    if (stream == nullptr) return;
    if (end) stream->input_ended_ = true;
    RequestHead* request = stream->RequestPlace();
    ResponseHead* response = stream->ResponsePlace();
    if (request == nullptr && response == nullptr) return;
    // RFC 9113 8.5: nothing but data on a tunnel.
    const bool switched = response != nullptr ? response->switched : stream->tunnel_;
    if (switched && stream->head_seen_) return stream->OnEnd(Reason::kBadTrailer);
    if (stream->head_seen_) return stream->OnEnd(self->collector_.FinishTrailers());
    const Reason refused = request != nullptr
                               ? self->collector_.FinishRequest(end)
                               : self->collector_.FinishResponse(stream->RequestMethod(),
                                                                 stream->RequestUpgrade(), end);
    if (refused == Reason::kNone && response != nullptr && response->status < 200 &&
        !response->switched) {
      return stream->OnInterim();
    }
    stream->head_seen_ = true;
    stream->OnHead(end, refused);
  }

  static int OnData(nghttp2_session* session, uint8_t /*flags*/, int32_t id, const uint8_t* data,
                    size_t size, void* user) {
    Http2Session* self = Self(user);
    Http2Stream* stream = Of(session, id);
    self->payload_bytes_ += size;
    if (stream == nullptr) return nghttp2_session_consume(session, id, size);
    stream->unconsumed_ += size;
    stream->OnData(Slice{self->input_->chunk, reinterpret_cast<const char*>(data), size});
    return 0;
  }

  static int OnInvalidFrame(nghttp2_session* /*session*/, const nghttp2_frame* /*frame*/, int error,
                            void* user) {
    if (error == NGHTTP2_ERR_REFUSED_STREAM) return 0;  // Counted by its reset.
    return Self(user)->Glitch(10) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
  }

  static int OnStreamClose(nghttp2_session* session, int32_t id, uint32_t code, void* user) {
    Http2Session* self = Self(user);
    Http2Stream* stream = Of(session, id);
    if (self->role_ == Http2Session::Role::kServer || stream != nullptr) --self->open_streams_;
    if (self->role_ == Http2Session::Role::kClient) --self->live_streams_;
    if (code == NGHTTP2_NO_ERROR && nghttp2_session_get_stream_local_close(session, id) == 1 &&
        nghttp2_session_get_stream_remote_close(session, id) == 1) {
      self->glitches_forgiven_ += self->limits_.glitches_forgiven_per_request;
    }
    if (stream == nullptr) return 0;
    // What it held of the connection's window is free again.
    if (stream->unconsumed_ > 0) {
      nghttp2_session_consume_connection(session, std::exchange(stream->unconsumed_, 0));
    }
    stream->id_ = -1;
    // Its place may be used again late.
    stream->out_.Clear();
    stream->OnClosed(code);
    return 0;
  }

  // A reset that the peer's own mistake made necessary costs as much work as one it sends.
  static void CountOurReset(Http2Session* self, int32_t id, uint32_t code) {
    if (self->role_ != Http2Session::Role::kServer) return;
    switch (code) {
      case NGHTTP2_NO_ERROR:
      case NGHTTP2_INTERNAL_ERROR:
      case NGHTTP2_CANCEL:
        return;  // Our own.
      case NGHTTP2_REFUSED_STREAM:
        self->Glitch(1);
        return;
      default:
        self->Glitch(10);
        if (Http2Stream* stream = Of(self->session_, id); stream != nullptr) {
          stream->peer_erred_ = true;
        }
    }
  }

  static bool IsTunnel(nghttp2_session* session, int32_t id) {
    const Http2Stream* stream = Of(session, id);
    return stream != nullptr && stream->tunnel_;
  }

  static int OnFrameSent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
      CountOurReset(Self(user), frame->hd.stream_id, frame->rst_stream.error_code);
      return 0;
    }
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    const int32_t id = frame->hd.stream_id;
    if (frame->hd.type == NGHTTP2_HEADERS) {
      Http2Stream* stream = Of(session, id);
      if (stream != nullptr) stream->head_framed_ = true;
    }
    // RFC 9113 8.1: a server that needs no more of the request says so, behind its answer; not at
    // once, where there is somebody to read on.
    if (IsEnd(frame) && Self(user)->role_ == Http2Session::Role::kServer &&
        nghttp2_session_get_stream_remote_close(session, id) == 0 && !IsTunnel(session, id)) {
      Http2Stream* stream = Of(session, id);
      if (stream != nullptr) {
        stream->lingers_ = true;
      } else {
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
      }
    }
    return 0;
  }

  static ssize_t ReadData(nghttp2_session* session, int32_t id, uint8_t* /*buffer*/, size_t most,
                          uint32_t* flags, nghttp2_data_source* source, void* /*user*/) {
    auto* stream = static_cast<Http2Stream*>(source->ptr);
    const size_t waiting = stream->out_.bytes();
    if (waiting == 0 && !stream->ended_) {
      stream->deferred_ = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (waiting <= most && stream->ended_) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      stream->end_framed_ = true;
      if (!stream->trailers_.empty()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        SubmitTrailers(session, id, *stream);
      }
    }
    return static_cast<ssize_t>(std::min(waiting, most));
  }

  static void SubmitTrailers(nghttp2_session* session, int32_t id, const Http2Stream& stream) {
    NvList list;
    for (size_t i = 0; i + 1 < stream.trailers_.size(); i += 2) {
      list.Put(stream.trailers_[i], stream.trailers_[i + 1]);
    }
    nghttp2_submit_trailer(session, id, list.data(), list.size());
  }

  static int SendData(nghttp2_session* /*session*/, nghttp2_frame* /*frame*/,
                      const uint8_t* frame_head, size_t length, nghttp2_data_source* source,
                      void* user) {
    Self(user)->MoveData(static_cast<Http2Stream*>(source->ptr), frame_head, length);
    return 0;
  }

  static nghttp2_session_callbacks* Shared() {
    static nghttp2_session_callbacks* const callbacks = [] {
      nghttp2_session_callbacks* made = nullptr;
      PM_CHECK(nghttp2_session_callbacks_new(&made) == 0);
      nghttp2_session_callbacks_set_on_begin_frame_callback(made, &OnBeginFrame);
      nghttp2_session_callbacks_set_unpack_extension_callback(made, &OnUnknownFrame);
      nghttp2_session_callbacks_set_on_begin_headers_callback(made, &OnBeginHeaders);
      nghttp2_session_callbacks_set_on_header_callback2(made, &OnHeader);
      nghttp2_session_callbacks_set_on_frame_recv_callback(made, &OnFrame);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, &OnData);
      nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(made, &OnInvalidFrame);
      nghttp2_session_callbacks_set_on_stream_close_callback(made, &OnStreamClose);
      nghttp2_session_callbacks_set_on_frame_send_callback(made, &OnFrameSent);
      nghttp2_session_callbacks_set_send_data_callback(made, &SendData);
      return made;
    }();
    return callbacks;
  }

  static nghttp2_data_provider Provider(Http2Stream* stream) {
    nghttp2_data_provider provider;
    provider.source.ptr = stream;
    provider.read_callback = &ReadData;
    return provider;
  }
};

Http2Session::Http2Session(Role role, const Http2Limits& limits, const HeadLimits& head,
                           Owner* owner)
    : role_(role),
      limits_(limits),
      owner_(owner),
      collector_(head),
      glitch_tokens_(limits.glitches_burst),
      reset_tokens_(limits.resets_burst) {
  nghttp2_option* option = nullptr;
  PM_CHECK(nghttp2_option_new(&option) == 0);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  // Counted by us: the library ends with another code, and counts nothing behind a GOAWAY.
  nghttp2_option_set_stream_reset_rate_limit(option, UINT64_MAX, 0);
  for (unsigned type = NGHTTP2_CONTINUATION + 1; type <= 0xff; ++type) {
    nghttp2_option_set_user_recv_extension_type(option, static_cast<uint8_t>(type));
  }
  const int made = role == Role::kServer
                       ? nghttp2_session_server_new3(&session_, Http2Callbacks::Shared(), this,
                                                     option, SessionMemory())
                       : nghttp2_session_client_new3(&session_, Http2Callbacks::Shared(), this,
                                                     option, SessionMemory());
  nghttp2_option_del(option);
  PM_CHECK(made == 0);
  SendSettings(head);
}

Http2Session::~Http2Session() { nghttp2_session_del(session_); }

void Http2Session::TrimMemory() { TrimSessionMemory(); }

void Http2Session::SendSettings(const HeadLimits& head) {
  absl::InlinedVector<nghttp2_settings_entry, 6> entries = {
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits_.stream_window_bytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(head.bytes_max)},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
  };
  if (role_ == Role::kServer) {
    entries.push_back({NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits_.streams_max});
    entries.push_back({NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1});
  } else {
    entries.push_back({NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
  }
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, entries.data(), entries.size());
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                        static_cast<int32_t>(limits_.connection_window_bytes));
}

bool Http2Session::Glitch(uint32_t weight) {
  glitch_tokens_ -= weight;
  return glitch_tokens_ >= 0;
}

bool Http2Session::CountReset(const Http2Stream* stream) {
  if (role_ == Role::kClient || stream == nullptr) return Glitch(1);
  reset_tokens_ -= 1;
  return reset_tokens_ >= 0;
}

void Http2Session::RefillGlitches(common::MonotonicTime now) {
  const double seconds = absl::ToDoubleSeconds(now - std::exchange(refilled_, now));
  glitch_tokens_ = std::min<double>(limits_.glitches_burst,
                                    glitch_tokens_ + seconds * limits_.glitches_per_second +
                                        static_cast<double>(payload_bytes_) / 1024 +
                                        static_cast<double>(glitches_forgiven_));
  reset_tokens_ =
      std::min<double>(limits_.resets_burst, reset_tokens_ + seconds * limits_.resets_per_second);
  payload_bytes_ = glitches_forgiven_ = 0;
}

bool Http2Session::Receive(const Slice& bytes, common::MonotonicTime now) {
  if (broken_) return false;
  RefillGlitches(now);
  if (glitch_tokens_ < 0) return Calm();
  input_ = &bytes;
  const ssize_t taken =
      nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data), bytes.size);
  input_ = nullptr;
  // The library queues a GOAWAY for what it finds itself, and reads no further.
  if (taken == static_cast<ssize_t>(bytes.size) && nghttp2_session_want_read(session_) != 0) {
    return true;
  }
  broken_ = true;
  if (taken == NGHTTP2_ERR_CALLBACK_FAILURE && !ended_) return Calm();
  // More to acknowledge in a turn than the library keeps; a head in too many pieces.
  if (taken == NGHTTP2_ERR_FLOODED || taken == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS) return Calm();
  return false;
}

bool Http2Session::Calm() {
  broken_ = true;
  nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM);
  return false;
}

void Http2Session::MoveData(Http2Stream* stream, const uint8_t* frame_head, size_t length) {
  constexpr size_t kFrameHeadBytes = 9;
  out_->Append(absl::string_view(reinterpret_cast<const char*>(frame_head), kFrameHeadBytes));
  payload_bytes_ += length;
  size_t left = length;
  for (const Slice& slice : stream->out_.slices()) {
    if (left == 0) break;
    const size_t part = std::min(left, slice.size);
    out_->Append(slice.Prefix(part));
    left -= part;
  }
  if (length > 0) stream->out_.Consume(length);
  if (length > 0 && stream->out_.empty()) {
    glitches_forgiven_ += limits_.glitches_forgiven_per_message;
  }
  // The end of a tunnel may come without a byte.
  if (length > 0 || stream->tunnel_) stream->OnFramed();
}

bool Http2Session::MakeFrame() {
  const uint8_t* data = nullptr;
  const size_t before = out_->bytes();
  const ssize_t size = nghttp2_session_mem_send(session_, &data);
  if (size < 0) broken_ = true;
  if (size > 0) {
    out_->Append(absl::string_view(reinterpret_cast<const char*>(data), static_cast<size_t>(size)));
  }
  // Frames of data have gone there already.
  return size > 0 || out_->bytes() != before;
}

void Http2Session::Produce(size_t enough) {
  while (out_->bytes() < enough && MakeFrame()) {
  }
}

bool Http2Session::MayFrameAtOnce() const {
  return out_ != nullptr && input_ == nullptr && out_->bytes() < kEnoughBytes;
}

void Http2Session::FrameHeads() {
  while (nghttp2_session_get_outbound_queue_size(session_) > 0 && MakeFrame()) {
  }
}

bool Http2Session::finished() const {
  return nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
}

bool Http2Session::accepts_requests() const {
  return !broken_ && !goaway_received_ && nghttp2_session_check_request_allowed(session_) != 0;
}

bool Http2Session::has_room() const {
  return accepts_requests() && (peer_settled_ ? !at_limit() : live_streams_ == 0);
}

uint32_t Http2Session::peer_streams_max() const {
  return nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

bool Http2Session::peer_takes_upgrades() const {
  return peer_settled_ && nghttp2_session_get_remote_settings(
                              session_, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

void Http2Session::SendPing() { nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr); }

void Http2Session::HoldRequest(Http2Stream* stream) {
  stream->Reset();
  stream->held_ = true;
}

bool Http2Session::SendRequest(Http2Stream* stream, const RequestHead& head,
                               const ForwardedFacts& facts, bool end) {
  if (!accepts_requests()) return false;
  const HeaderBlock& block = head.block;
  const bool at_once = MayFrameAtOnce();
  NvList list(at_once);
  const bool upgrade = head.upgrade != Upgrade::kNone;
  list.Put(":method", upgrade ? "CONNECT" : block.At(head.method_text));
  if (upgrade) list.Put(":protocol", UpgradeName(head));
  list.Put(":scheme", scheme_);
  list.Put(":authority", HostToTell(head, facts));
  list.Put(":path", block.At(head.target));
  PutRequestFields(head, facts, [&list, upgrade](absl::string_view name, absl::string_view value) {
    // RFC 8441 5.1: the key stays with HTTP/1.
    if (upgrade && absl::EqualsIgnoreCase(name, "sec-websocket-key")) return;
    PutField(name, value, &list);
  });
  list.Put("via", facts.via);
  if (head.wants_trailers || WantsTrailers(block)) list.Put("te", "trailers");
  // A length of zero, which is all that an upgrade may have, would end the tunnel.
  if (head.body == BodyKind::kLength && !upgrade) {
    list.PutNumber("content-length", head.content_length);
  }
  if (!std::exchange(stream->held_, false)) stream->Reset();
  const nghttp2_data_provider provider = Http2Callbacks::Provider(stream);
  const int32_t id = nghttp2_submit_request(session_, nullptr, list.data(), list.size(),
                                            end && !upgrade ? nullptr : &provider, stream);
  if (id < 0) return false;
  stream->tunnel_ = upgrade;
  stream->id_ = id;
  ++open_streams_;
  ++live_streams_;
  if (!at_once) return true;
  while (!stream->head_framed_ && stream->id_ >= 0 && MakeFrame()) {
  }
  if (stream->head_framed_ || stream->id_ < 0) return true;
  // It must not be made of text that is gone then.
  Reset(stream, kCancel);
  Forget(stream);
  return false;
}

void Http2Session::SendHead(Http2Stream* stream, const ResponseHead& head, bool end) {
  if (stream->id_ < 0) return;
  // A stream that ends with its head would be told so from within here.
  const bool at_once = !end && MayFrameAtOnce();
  NvList list(at_once);
  stream->tunnel_ = head.switched;
  list.PutNumber(":status", head.switched ? 200 : head.status);
  PutFields(
      head.block, 0, head.block.head_fields(),
      [&list](absl::string_view name, absl::string_view value) { PutField(name, value, &list); });
  const bool sized = head.body == BodyKind::kLength || head.body == BodyKind::kNone;
  if (sized && head.content_length >= 0 && head.status >= 200 && head.status != 204) {
    list.PutNumber("content-length", head.content_length);
  }
  const nghttp2_data_provider provider = Http2Callbacks::Provider(stream);
  nghttp2_submit_response(session_, stream->id_, list.data(), list.size(),
                          end ? nullptr : &provider);
  if (at_once) FrameHeads();
}

void Http2Session::SendInterim(Http2Stream* stream, const ResponseHead& head) {
  if (stream->id_ < 0) return;
  NvList list;
  list.PutNumber(":status", head.status);
  PutFields(head.block, 0, head.block.head_fields(),
            [&list](absl::string_view name, absl::string_view value) { list.Put(name, value); });
  nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, stream->id_, nullptr, list.data(),
                         list.size(), nullptr);
}

void Http2Session::SendContinue(Http2Stream* stream) {
  if (stream->id_ < 0) return;
  NvList list;
  list.Put(":status", "100");
  nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, stream->id_, nullptr, list.data(),
                         list.size(), nullptr);
}

void Http2Session::SendOwn(Http2Stream* stream, const OwnResponse& response) {
  if (stream->id_ < 0) return;
  const bool grpc = response.grpc_status >= 0;
  const bool bodiless = response.status == 204 || response.status == 304 || grpc;
  NvList list;
  list.PutNumber(":status", grpc ? 200 : response.status);
  if (grpc) {
    list.Put("content-type", response.grpc_content_type);
    list.PutNumber("grpc-status", response.grpc_status);
    list.Put("grpc-message", ReasonName(response.reason));
  }
  if (!bodiless) {
    list.Put("content-type", "text/plain");
    list.PutNumber("content-length", static_cast<int64_t>(response.body.size()));
  }
  if (response.reason != Reason::kNone) {
    list.Put("x-pointsman-reason", ReasonName(response.reason));
    if (response.status == 405) list.Put("allow", kForwardedMethods);
    if (response.retry_after > 0) list.PutNumber("retry-after", response.retry_after);
  }
  if (!response.location.empty()) list.Put("location", response.location);
  const bool end = bodiless || !response.with_body || response.body.empty();
  if (!end) {
    stream->out_.Append(response.body);
    stream->ended_ = true;
  }
  const nghttp2_data_provider provider = Http2Callbacks::Provider(stream);
  nghttp2_submit_response(session_, stream->id_, list.data(), list.size(),
                          end ? nullptr : &provider);
}

void Http2Session::Resume(Http2Stream* stream) {
  if (!std::exchange(stream->deferred_, false)) return;
  nghttp2_session_resume_data(session_, stream->id_);
}

void Http2Session::SendData(Http2Stream* stream, const Slice& data) {
  if (stream->id_ < 0 && !stream->held_) return;
  stream->out_.Append(data);
  Resume(stream);
}

void Http2Session::SendEnd(Http2Stream* stream, const HeaderBlock& block) {
  if (stream->id_ < 0 && !stream->held_) return;
  PutFields(block, block.head_fields(), block.fields().size(),
            [stream](absl::string_view name, absl::string_view value) {
              stream->trailers_.emplace_back(name.data(), name.size());
              stream->trailers_.emplace_back(value.data(), value.size());
            });
  stream->ended_ = true;
  Resume(stream);
}

void Http2Session::Reset(Http2Stream* stream, uint32_t code) {
  if (stream->id_ < 0) return;
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream->id_, code);
}

void Http2Session::Consume(Http2Stream* stream) {
  const size_t n = std::exchange(stream->unconsumed_, 0);
  if (n == 0) return;
  if (stream->id_ < 0) {
    nghttp2_session_consume_connection(session_, n);
  } else {
    nghttp2_session_consume(session_, stream->id_, n);
  }
}

void Http2Session::Forget(Http2Stream* stream) {
  Consume(stream);
  if (std::exchange(stream->held_, false)) stream->Reset();
  if (stream->id_ < 0) return;
  nghttp2_session_set_stream_user_data(session_, stream->id_, nullptr);
  if (role_ == Role::kClient) --open_streams_;
  stream->id_ = -1;
}

void Http2Session::SendShutdownNotice() { nghttp2_submit_shutdown_notice(session_); }

void Http2Session::SendGoaway() {
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                        nullptr, 0);
}

}  // namespace pointsman::gateway
