#include <nghttp2/nghttp2.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/step/step_connections.h"
#include "common/core/check.h"

namespace pointsman::bench {

namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

class Http2Step final : public StepConnection {
 public:
  Http2Step(gateway::Fd fd, bool client, Fields head, size_t body_bytes)
      : fd_(std::move(fd)), client_(client), head_(std::move(head)), body_bytes_(body_bytes) {
    nghttp2_session_callbacks* callbacks = nullptr;
    PM_CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, &OnHeader);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &OnFrame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, &OnClose);
    const int made = client ? nghttp2_session_client_new(&session_, callbacks, this)
                            : nghttp2_session_server_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    PM_CHECK(made == 0);
    const nghttp2_settings_entry streams{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 256};
    nghttp2_submit_settings(session_, 0, &streams, 1);
    for (const auto& [name, value] : head_) {
      head_nvs_.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
                           reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(),
                           value.size(), NGHTTP2_NV_FLAG_NONE});
    }
  }
  ~Http2Step() override { nghttp2_session_del(session_); }

  void Ask(size_t count) override {
    const nghttp2_data_provider provider = Body();
    for (size_t i = 0; i < count; ++i) {
      PM_CHECK(nghttp2_submit_request(session_, nullptr, head_nvs_.data(), head_nvs_.size(),
                                      body_bytes_ > 0 ? &provider : nullptr, nullptr) > 0);
    }
  }
  uint64_t ended() const override { return ended_; }

  bool Pump() override {
    Receive();
    std::string out;
    while (true) {
      const uint8_t* data = nullptr;
      const ssize_t n = nghttp2_session_mem_send(session_, &data);
      PM_CHECK(n >= 0);
      if (n == 0) break;
      out.append(reinterpret_cast<const char*>(data), static_cast<size_t>(n));
    }
    if (out.empty()) return false;
    const ssize_t n = send(fd_.get(), out.data(), out.size(), MSG_NOSIGNAL);
    PM_CHECK(n == static_cast<ssize_t>(out.size()));
    return true;
  }

 private:
  static ssize_t ReadBody(nghttp2_session* session, int32_t stream, uint8_t* buffer, size_t length,
                          uint32_t* flags, nghttp2_data_source* /*source*/, void* user) {
    auto* self = static_cast<Http2Step*>(user);
    auto sent = reinterpret_cast<uintptr_t>(nghttp2_session_get_stream_user_data(session, stream));
    const size_t n = std::min(length, self->body_bytes_ - sent);
    std::memset(buffer, 'x', n);
    sent += n;
    nghttp2_session_set_stream_user_data(session, stream, reinterpret_cast<void*>(sent));
    if (sent == self->body_bytes_) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(n);
  }
  static nghttp2_data_provider Body() { return {{.ptr = nullptr}, &ReadBody}; }

  static int OnHeader(nghttp2_session* /*session*/, const nghttp2_frame* /*frame*/,
                      const uint8_t* name, size_t name_length, const uint8_t* value,
                      size_t value_length, uint8_t /*flags*/, void* user) {
    if (name_length == 7 && std::memcmp(name, ":status", 7) == 0) {
      PM_CHECK(static_cast<Http2Step*>(user)->client_ && value_length == 3);
      PM_CHECK(std::memcmp(value, "200", 3) == 0);
    }
    return 0;
  }
  static int OnFrame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    auto* self = static_cast<Http2Step*>(user);
    const bool message = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (self->client_ || !message || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
    const nghttp2_data_provider provider = Body();
    return nghttp2_submit_response(session, frame->hd.stream_id, self->head_nvs_.data(),
                                   self->head_nvs_.size(), &provider);
  }
  static int OnClose(nghttp2_session* /*session*/, int32_t /*stream*/, uint32_t error, void* user) {
    PM_CHECK(error == NGHTTP2_NO_ERROR);
    ++static_cast<Http2Step*>(user)->ended_;
    return 0;
  }

  void Receive() {
    uint8_t buffer[65536];
    while (true) {
      const ssize_t n = recv(fd_.get(), buffer, sizeof(buffer), 0);
      if (n <= 0) {
        PM_CHECK(n == 0 || errno == EAGAIN);
        return;
      }
      PM_CHECK(nghttp2_session_mem_recv(session_, buffer, static_cast<size_t>(n)) == n);
    }
  }

  const gateway::Fd fd_;
  const bool client_;
  const Fields head_;
  const size_t body_bytes_;
  std::vector<nghttp2_nv> head_nvs_;
  nghttp2_session* session_ = nullptr;
  uint64_t ended_ = 0;
};

}  // namespace

std::unique_ptr<StepConnection> MakeHttp2Client(gateway::Fd fd, const StepFields& fields) {
  const bool post = fields.request_bytes > 0;
  Fields head = {{":method", post ? "POST" : "GET"},
                 {":path", "/work"},
                 {":scheme", "http"},
                 {":authority", "127.0.0.1:8080"},
                 {"user-agent", "h2load nghttp2/1.52.0"}};
  head.insert(head.end(), fields.more.begin(), fields.more.end());
  if (post) head.push_back({"content-length", absl::StrCat(fields.request_bytes)});
  return std::make_unique<Http2Step>(std::move(fd), true, std::move(head), fields.request_bytes);
}

std::unique_ptr<StepConnection> MakeHttp2Origin(gateway::Fd fd, const StepFields& fields) {
  Fields head = {{":status", "200"},
                 {"content-type", "text/plain"},
                 {"content-length", absl::StrCat(fields.answer_bytes)},
                 {"date", "Mon, 01 Jan 2024 00:00:00 GMT"}};
  return std::make_unique<Http2Step>(std::move(fd), false, std::move(head), fields.answer_bytes);
}

}  // namespace pointsman::bench
