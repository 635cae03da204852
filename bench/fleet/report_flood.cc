#include "bench/fleet/report_flood.h"

#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/string_view.h"
#include "bench/fleet/agent_messages.h"
#include "bench/support/socket_address.h"
#include "common/clock.h"
#include "common/core/check.h"
#include "common/thread_name.h"

namespace pointsman::bench {
namespace {

// Written to a connection at a time; what is due beyond waits in its streams.
constexpr size_t kOutBytes = 64 << 10;

nghttp2_nv Field(absl::string_view name, absl::string_view value) {
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NONE};
}

// gRPC's frame: not compressed, length, message.
std::string GrpcFrame(const v1::AgentMessage& message) {
  std::string frame(5, '\0');
  for (int i = 0; i < 4; ++i) {
    frame[1 + i] = static_cast<char>(message.ByteSizeLong() >> (24 - 8 * i));
  }
  message.AppendToString(&frame);
  return frame;
}

// One agent on its stream.
struct FloodStream {
  int32_t id = 0;
  uint64_t sequence = 0;
  uint64_t assignment = 0;
  bool welcomed = false;
  std::string out;  // What the connection has not taken.
  size_t taken = 0;
  std::string in;  // The beginning of a message.
};

void TakeCommand(const v1::AgentCommand& command, FloodStream& stream) {
  if (command.has_welcome()) stream.welcomed = true;
  if (command.has_assignment()) stream.assignment = command.assignment().version();
}

void TakeBytes(absl::string_view bytes, FloodStream& stream) {
  stream.in.append(bytes.data(), bytes.size());
  while (stream.in.size() >= 5) {
    size_t length = 0;
    for (int i = 1; i < 5; ++i) length = length << 8 | static_cast<unsigned char>(stream.in[i]);
    if (stream.in.size() < 5 + length) return;
    v1::AgentCommand command;
    if (command.ParseFromArray(stream.in.data() + 5, static_cast<int>(length))) {
      TakeCommand(command, stream);
    }
    stream.in.erase(0, 5 + length);
  }
}

}  // namespace

// One connection with its streams; of the flood's thread, but for the counts.
class FloodConnection {
 public:
  FloodConnection(const FloodOptions& options, uint32_t first)
      : fd_(ConnectTo(options.target)), report_(HealthyReport()) {
    nghttp2_session_callbacks* callbacks = nullptr;
    PM_CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &OnData);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, &OnClose);
    PM_CHECK(nghttp2_session_client_new(&session_, callbacks, this) == 0);
    nghttp2_session_callbacks_del(callbacks);
    PM_CHECK(nghttp2_submit_settings(session_, 0, nullptr, 0) == 0);
    for (uint32_t i = first; i < options.agents; i += options.connections) Open(options, i);
  }
  ~FloodConnection() {
    nghttp2_session_del(session_);
    close(fd_);
  }
  FloodConnection(const FloodConnection&) = delete;
  FloodConnection& operator=(const FloodConnection&) = delete;

  int fd() const { return fd_; }
  bool wants_write() const { return !out_.empty(); }

  // Gives the agent's next report to its stream; false: the last one is still there.
  bool Report(size_t agent) {
    FloodStream& stream = *streams_[agent % streams_.size()];
    if (!stream.out.empty()) return false;
    NumberReport(++stream.sequence, &report_);
    report_.mutable_report()->mutable_instances(0)->set_assignment_version(stream.assignment);
    stream.out = GrpcFrame(report_);
    stream.taken = 0;
    nghttp2_session_resume_data(session_, stream.id);
    return true;
  }

  // Reads and writes what is possible without waiting.
  void Turn() {
    Read();
    Write();
    uint32_t welcomed = 0;
    if (welcomed_ == streams_.size()) return;
    for (const auto& stream : streams_) welcomed += stream->welcomed;
    welcomed_ = welcomed;
  }

  uint32_t welcomed() const { return welcomed_; }
  uint32_t ended() const { return ended_; }

 private:
  static int ConnectTo(const std::string& target) {
    const auto address = ParseSocketAddress(target);
    PM_CHECK(address.ok());
    const auto fd = StartConnection(*address);
    PM_CHECK(fd.ok());
    return *fd;
  }

  void Open(const FloodOptions& options, uint32_t agent) {
    auto stream = std::make_unique<FloodStream>();
    stream->out = GrpcFrame(HelloOfAgent(agent, options.services));
    const nghttp2_nv fields[] = {Field(":method", "POST"),
                                 Field(":scheme", "http"),
                                 Field(":path", "/pointsman.v1.AgentService/Connect"),
                                 Field(":authority", options.target),
                                 Field("te", "trailers"),
                                 Field("content-type", "application/grpc")};
    nghttp2_data_provider provider{{.ptr = stream.get()}, &ReadBody};
    stream->id = nghttp2_submit_request(session_, nullptr, fields, std::size(fields), &provider,
                                        stream.get());
    PM_CHECK(stream->id > 0);
    streams_.push_back(std::move(stream));
  }

  void Read() {
    while (true) {
      const ssize_t size = recv(fd_, buffer_, sizeof(buffer_), MSG_DONTWAIT);
      if (size <= 0) break;
      nghttp2_session_mem_recv(session_, buffer_, static_cast<size_t>(size));
    }
  }

  void Write() {
    while (true) {
      while (out_.size() < kOutBytes) {
        const uint8_t* data = nullptr;
        const ssize_t size = nghttp2_session_mem_send(session_, &data);
        if (size <= 0) break;
        out_.append(reinterpret_cast<const char*>(data), static_cast<size_t>(size));
      }
      if (out_.empty()) return;
      const ssize_t sent = send(fd_, out_.data(), out_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent <= 0) return;
      out_.erase(0, static_cast<size_t>(sent));
    }
  }

  static ssize_t ReadBody(nghttp2_session*, int32_t, uint8_t* buffer, size_t length, uint32_t*,
                          nghttp2_data_source* source, void*) {
    FloodStream& stream = *static_cast<FloodStream*>(source->ptr);
    const size_t size = std::min(length, stream.out.size() - stream.taken);
    if (size == 0) return NGHTTP2_ERR_DEFERRED;
    std::copy_n(stream.out.data() + stream.taken, size, buffer);
    stream.taken += size;
    if (stream.taken == stream.out.size()) {
      stream.out.clear();
      stream.taken = 0;
    }
    return static_cast<ssize_t>(size);
  }

  static int OnData(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* data,
                    size_t length, void*) {
    void* stream = nghttp2_session_get_stream_user_data(session, id);
    if (stream == nullptr) return 0;
    TakeBytes({reinterpret_cast<const char*>(data), length}, *static_cast<FloodStream*>(stream));
    return 0;
  }

  static int OnClose(nghttp2_session*, int32_t, uint32_t, void* self) {
    ++static_cast<FloodConnection*>(self)->ended_;
    return 0;
  }

  const int fd_;
  nghttp2_session* session_ = nullptr;
  std::vector<std::unique_ptr<FloodStream>> streams_;
  v1::AgentMessage report_;
  std::string out_;
  uint8_t buffer_[16 << 10];
  std::atomic<uint32_t> welcomed_{0};
  std::atomic<uint32_t> ended_{0};
};

ReportFlood::ReportFlood(const FloodOptions& options) : options_(options) {
  PM_CHECK(options.connections > 0 && options.agents % options.connections == 0);
  for (uint32_t i = 0; i < options.connections; ++i) {
    connections_.push_back(std::make_unique<FloodConnection>(options_, i));
  }
  thread_ = common::NamedThread("flood", [this] { Run(); });
}

ReportFlood::~ReportFlood() {
  stopping_ = true;
  thread_.join();
}

void ReportFlood::Run() {
  const common::Clock& clock = common::SystemClock();
  common::MonotonicTime last = clock.Now();
  std::vector<pollfd> polled(connections_.size());
  while (!stopping_) {
    const common::MonotonicTime now = clock.Now();
    SendDue(now - last);
    last = now;
    for (size_t i = 0; i < connections_.size(); ++i) {
      connections_[i]->Turn();
      const short write = connections_[i]->wants_write() ? POLLOUT : 0;
      polled[i] = {connections_[i]->fd(), static_cast<short>(POLLIN | write), 0};
    }
    poll(polled.data(), polled.size(), 1);
  }
}

// What is owed is owed to the next agents in turn; a turn that came late sends at most a tenth of
// a second's.
void ReportFlood::SendDue(absl::Duration elapsed) {
  const double rate = rate_;
  owed_ = std::min(owed_ + rate * absl::ToDoubleSeconds(elapsed), rate / 10);
  uint64_t due = 0;
  uint64_t sent = 0;
  for (; owed_ >= 1; owed_ -= 1) {
    const uint32_t agent = next_++ % options_.agents;
    ++due;
    sent += connections_[agent % options_.connections]->Report(agent / options_.connections);
  }
  due_ += due;
  sent_ += sent;
}

bool ReportFlood::WaitWelcomed(uint32_t count, absl::Duration timeout) const {
  const common::MonotonicTime deadline = common::SystemClock().Now() + timeout;
  while (welcomed() < count) {
    if (common::SystemClock().Now() > deadline) return false;
    poll(nullptr, 0, 5);
  }
  return true;
}

uint32_t ReportFlood::welcomed() const {
  uint32_t sum = 0;
  for (const auto& connection : connections_) sum += connection->welcomed();
  return sum;
}

uint32_t ReportFlood::ended() const {
  uint32_t sum = 0;
  for (const auto& connection : connections_) sum += connection->ended();
  return sum;
}

}  // namespace pointsman::bench
