#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "bench/step/step_connections.h"
#include "common/core/check.h"

namespace pointsman::bench {

namespace {

// Asks by equal requests and answers by equal answers: a message ends `body_bytes` behind its head.
class Http1Step final : public StepConnection {
 public:
  Http1Step(gateway::Fd fd, bool client, std::string message, size_t peer_body_bytes)
      : fd_(std::move(fd)),
        client_(client),
        message_(std::move(message)),
        peer_body_bytes_(peer_body_bytes) {}

  void Ask(size_t count) override { asked_ += count; }
  uint64_t ended() const override { return ended_; }

  bool Pump() override {
    Receive();
    const uint64_t due = client_ ? std::min(asked_, ended_ + 1) : ended_;
    bool sent = false;
    for (; sent_ < due; ++sent_) {
      const ssize_t n = send(fd_.get(), message_.data(), message_.size(), MSG_NOSIGNAL);
      PM_CHECK(n == static_cast<ssize_t>(message_.size()));
      sent = true;
    }
    return sent;
  }

 private:
  void Receive() {
    char buffer[65536];
    while (true) {
      const ssize_t n = recv(fd_.get(), buffer, sizeof(buffer), 0);
      if (n <= 0) {
        PM_CHECK(n == 0 || errno == EAGAIN);
        break;
      }
      received_.append(buffer, static_cast<size_t>(n));
    }
    while (true) {
      const size_t head = received_.find("\r\n\r\n");
      if (head == std::string::npos || received_.size() < head + 4 + peer_body_bytes_) return;
      PM_CHECK(!client_ || absl::StartsWith(received_, "HTTP/1.1 200 "));
      received_.erase(0, head + 4 + peer_body_bytes_);
      ++ended_;
    }
  }

  const gateway::Fd fd_;
  const bool client_;
  const std::string message_;
  const size_t peer_body_bytes_;
  std::string received_;
  uint64_t asked_ = 0;
  uint64_t sent_ = 0;
  uint64_t ended_ = 0;
};

}  // namespace

std::unique_ptr<StepConnection> MakeHttp1Client(gateway::Fd fd, const StepFields& fields) {
  const bool post = fields.request_bytes > 0;
  std::string message =
      absl::StrCat(post ? "POST" : "GET", " /work HTTP/1.1\r\n",
                   "Host: 127.0.0.1:8080\r\nuser-agent: h2load nghttp2/1.52.0\r\n");
  for (const auto& [name, value] : fields.more)
    absl::StrAppend(&message, name, ": ", value, "\r\n");
  if (post) absl::StrAppend(&message, "content-length: ", fields.request_bytes, "\r\n");
  message += "\r\n" + std::string(fields.request_bytes, 'x');
  return std::make_unique<Http1Step>(std::move(fd), true, std::move(message), fields.answer_bytes);
}

std::unique_ptr<StepConnection> MakeHttp1Origin(gateway::Fd fd, const StepFields& fields) {
  std::string message = absl::StrCat(
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ", fields.answer_bytes,
      "\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n\r\n", std::string(fields.answer_bytes, 'x'));
  return std::make_unique<Http1Step>(std::move(fd), false, std::move(message),
                                     fields.request_bytes);
}

}  // namespace pointsman::bench
