#pragma once

// A plain HTTP/2 client or server over a blocking socket, made of nghttp2 alone, for the engine's
// tests. Every wait has a deadline of kPatience. Thread-compatible.

#include <nghttp2/nghttp2.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/core/check.h"
#include "tests/gateway/proxy/peer.h"

namespace pointsman::gateway {

using H2Fields = std::vector<std::pair<std::string, std::string>>;

// What came on one stream.
struct H2Message {
  H2Fields fields;                 // Pseudo-fields included.
  std::vector<H2Fields> interims;  // Heads with a status below 200.
  H2Fields trailers;
  std::string body;
  bool head = false;
  bool ended = false;
  bool closed = false;
  uint32_t reset = 0;  // Code of the RST_STREAM that came, if any.

  std::string Field(absl::string_view name) const { return Find(fields, name); }
  std::string Trailer(absl::string_view name) const { return Find(trailers, name); }
  int status() const { return std::atoi(Field(":status").c_str()); }

  static std::string Find(const H2Fields& fields, absl::string_view name) {
    for (const auto& [key, value] : fields) {
      if (key == name) return value;
    }
    return "";
  }
};

class Http2Peer {
 public:
  enum class Side { kClient, kServer };

  Http2Peer(Side side, Peer* socket, std::vector<nghttp2_settings_entry> settings = {})
      : socket_(socket) {
    nghttp2_session_callbacks* callbacks = nullptr;
    PM_CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, &OnBeginHeaders);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, &OnHeader);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &OnFrame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &OnData);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, &OnClose);
    if (side == Side::kClient) {
      nghttp2_session_client_new(&session_, callbacks, this);
    } else {
      nghttp2_session_server_new(&session_, callbacks, this);
    }
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session_, 0, settings.data(), settings.size());
  }
  ~Http2Peer() { nghttp2_session_del(session_); }
  Http2Peer(const Http2Peer&) = delete;
  Http2Peer& operator=(const Http2Peer&) = delete;

  static H2Fields Get(const std::string& path = "/") {
    return {{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", path}};
  }
  static H2Fields Post(const std::string& path = "/") {
    return {{":method", "POST"}, {":scheme", "http"}, {":authority", "a"}, {":path", path}};
  }

  // A request with its whole body. Sent by the next Flush() or wait.
  int32_t Request(const H2Fields& fields, const std::string& body = "", H2Fields trailers = {}) {
    auto [nvs, provider] = Prepare(fields, body, std::move(trailers));
    return nghttp2_submit_request(session_, nullptr, nvs.data(), nvs.size(),
                                  provider.source.ptr == nullptr ? nullptr : &provider, nullptr);
  }
  // A request whose body comes later, by Send().
  int32_t Open(const H2Fields& fields) {
    auto source = std::make_unique<Source>();
    source->open = true;
    nghttp2_data_provider provider{{.ptr = source.get()}, &Read};
    const auto nvs = Nvs(fields);
    const int32_t id =
        nghttp2_submit_request(session_, nullptr, nvs.data(), nvs.size(), &provider, nullptr);
    open_[id] = source.get();
    sources_.push_back(std::move(source));
    return id;
  }
  void Send(int32_t id, const std::string& data, bool end) {
    open_[id]->body += data;
    open_[id]->open = !end;
    nghttp2_session_resume_data(session_, id);
    Flush();
  }
  void Respond(int32_t id, const H2Fields& fields, const std::string& body = "",
               H2Fields trailers = {}) {
    auto [nvs, provider] = Prepare(fields, body, std::move(trailers));
    nghttp2_submit_response(session_, id, nvs.data(), nvs.size(),
                            provider.source.ptr == nullptr ? nullptr : &provider);
    Flush();
  }
  // A head whose body comes later, by Send().
  void RespondOpen(int32_t id, const H2Fields& fields) {
    auto source = std::make_unique<Source>();
    source->open = true;
    nghttp2_data_provider provider{{.ptr = source.get()}, &Read};
    const auto nvs = Nvs(fields);
    nghttp2_submit_response(session_, id, nvs.data(), nvs.size(), &provider);
    open_[id] = source.get();
    sources_.push_back(std::move(source));
    Flush();
  }
  void Interim(int32_t id, const H2Fields& fields) {
    const auto nvs = Nvs(fields);
    nghttp2_submit_headers(session_, 0, id, nullptr, nvs.data(), nvs.size(), nullptr);
    Flush();
  }
  void Reset(int32_t id, uint32_t code) {
    nghttp2_submit_rst_stream(session_, 0, id, code);
    Flush();
  }
  void Goaway(int32_t last, uint32_t code = 0) {
    nghttp2_submit_goaway(session_, 0, last, code, nullptr, 0);
    Flush();
  }

  bool Flush() {
    const uint8_t* data = nullptr;
    while (true) {
      const ssize_t size = nghttp2_session_mem_send(session_, &data);
      if (size <= 0) return size == 0;
      if (!socket_->Write({reinterpret_cast<const char*>(data), static_cast<size_t>(size)})) {
        return false;
      }
    }
  }
  // Sends and receives once; false at the end or when patience is lost.
  bool Pump() {
    if (!Flush()) return false;
    std::string bytes;
    if (!socket_->ReadSome(&bytes)) return false;
    const ssize_t taken = nghttp2_session_mem_recv(
        session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    Flush();
    return taken >= 0;
  }
  // Until the stream has ended or was closed.
  const H2Message& Await(int32_t id) {
    while (!messages_[id].ended && !messages_[id].closed && Pump()) {
    }
    return messages_[id];
  }
  // Until the head of the stream has come.
  const H2Message& AwaitHead(int32_t id) {
    while (!messages_[id].head && !messages_[id].closed && Pump()) {
    }
    return messages_[id];
  }
  // Server: the next request that is complete; 0 at the end.
  int32_t AwaitRequest() {
    while (complete_.empty()) {
      if (!Pump()) return 0;
    }
    const int32_t id = complete_.front();
    complete_.erase(complete_.begin());
    return id;
  }
  // Server: the next request whose head is there; 0 at the end.
  int32_t AwaitRequestHead() {
    while (heads_.empty()) {
      if (!Pump()) return 0;
    }
    const int32_t id = heads_.front();
    heads_.erase(heads_.begin());
    return id;
  }
  // Pumps until the condition holds.
  template <typename Condition>
  bool Until(Condition condition) {
    while (!condition()) {
      if (!Pump()) return condition();
    }
    return true;
  }

  H2Message& message(int32_t id) { return messages_[id]; }
  std::map<int32_t, H2Message>& messages() { return messages_; }
  bool goaway() const { return goaway_; }
  // That came and are no answers.
  int pings() const { return pings_; }
  uint32_t goaway_code() const { return goaway_code_; }
  nghttp2_session* session() { return session_; }

 private:
  struct Source {
    std::string body;
    size_t at = 0;
    bool open = false;
    H2Fields trailers;
  };

  static Http2Peer* Self(void* user) { return static_cast<Http2Peer*>(user); }
  static std::vector<nghttp2_nv> Nvs(const H2Fields& fields) {
    std::vector<nghttp2_nv> nvs;
    for (const auto& [name, value] : fields) {
      nvs.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
                     reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(),
                     value.size(), NGHTTP2_NV_FLAG_NONE});
    }
    return nvs;
  }
  std::pair<std::vector<nghttp2_nv>, nghttp2_data_provider> Prepare(const H2Fields& fields,
                                                                    const std::string& body,
                                                                    H2Fields trailers) {
    nghttp2_data_provider provider{{.ptr = nullptr}, &Read};
    if (!body.empty() || !trailers.empty()) {
      auto source = std::make_unique<Source>();
      source->body = body;
      source->trailers = std::move(trailers);
      provider.source.ptr = source.get();
      sources_.push_back(std::move(source));
    }
    return {Nvs(fields), provider};
  }
  static ssize_t Read(nghttp2_session* session, int32_t id, uint8_t* buffer, size_t most,
                      uint32_t* flags, nghttp2_data_source* from, void* /*user*/) {
    auto* source = static_cast<Source*>(from->ptr);
    const size_t n = std::min(most, source->body.size() - source->at);
    if (n == 0 && source->open) return NGHTTP2_ERR_DEFERRED;
    source->body.copy(reinterpret_cast<char*>(buffer), n, source->at);
    source->at += n;
    if (source->at == source->body.size() && !source->open) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      source->body = std::string();  // Connections live long.
      source->at = 0;
      if (!source->trailers.empty()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        const auto nvs = Nvs(source->trailers);
        nghttp2_submit_trailer(session, id, nvs.data(), nvs.size());
      }
    }
    return static_cast<ssize_t>(n);
  }
  static int OnBeginHeaders(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user) {
    Self(user)->section_.clear();
    Self(user)->messages_[frame->hd.stream_id];
    return 0;
  }
  static int OnHeader(nghttp2_session* /*session*/, const nghttp2_frame* /*frame*/,
                      const uint8_t* name, size_t name_size, const uint8_t* value,
                      size_t value_size, uint8_t /*flags*/, void* user) {
    Self(user)->section_.emplace_back(
        std::string(reinterpret_cast<const char*>(name), name_size),
        std::string(reinterpret_cast<const char*>(value), value_size));
    return 0;
  }
  static int OnFrame(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user) {
    Http2Peer* self = Self(user);
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) ++self->pings_;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
      self->goaway_ = true;
      self->goaway_code_ = frame->goaway.error_code;
    }
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
      self->messages_[frame->hd.stream_id].reset = frame->rst_stream.error_code;
    }
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    H2Message& message = self->messages_[frame->hd.stream_id];
    if (frame->hd.type == NGHTTP2_HEADERS) self->KeepSection(frame->hd.stream_id, message);
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
      message.ended = true;
      self->complete_.push_back(frame->hd.stream_id);
    }
    return 0;
  }
  void KeepSection(int32_t id, H2Message& message) {
    if (message.head) {
      message.trailers = section_;
    } else if (H2Message::Find(section_, ":status").substr(0, 1) == "1") {
      message.interims.push_back(section_);
    } else {
      message.fields = section_;
      message.head = true;
      heads_.push_back(id);
    }
  }
  static int OnData(nghttp2_session* /*session*/, uint8_t /*flags*/, int32_t id,
                    const uint8_t* data, size_t size, void* user) {
    Self(user)->messages_[id].body.append(reinterpret_cast<const char*>(data), size);
    return 0;
  }
  static int OnClose(nghttp2_session* /*session*/, int32_t id, uint32_t /*code*/, void* user) {
    Self(user)->messages_[id].closed = true;
    return 0;
  }

  Peer* const socket_;
  nghttp2_session* session_ = nullptr;
  std::map<int32_t, H2Message> messages_;
  std::vector<int32_t> complete_;
  std::vector<int32_t> heads_;
  std::map<int32_t, Source*> open_;
  std::vector<std::unique_ptr<Source>> sources_;
  H2Fields section_;
  bool goaway_ = false;
  int pings_ = 0;
  uint32_t goaway_code_ = 0;
};

// A script that answers every request on its HTTP/2 connection.
struct H2Answer {
  H2Fields fields = {{":status", "200"}};
  std::string body;
  H2Fields trailers;
};
inline ScriptedUpstream::Script Http2Answering(
    std::function<H2Answer(const H2Message& request)> answer) {
  return [answer = std::move(answer)](Peer& peer, int) {
    Http2Peer http2(Http2Peer::Side::kServer, &peer);
    while (const int32_t id = http2.AwaitRequest()) {
      const H2Answer made = answer(http2.message(id));
      http2.Respond(id, made.fields, made.body, made.trailers);
    }
  };
}

}  // namespace pointsman::gateway
