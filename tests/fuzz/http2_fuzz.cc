// Any bytes as what a peer sends on an HTTP/2 connection, on either side and cut in any way: no
// crash, no read outside the input, every stream that was opened is let go of, and what is received
// does not depend on the cuts.

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gateway/http2/session.h"

namespace pointsman::gateway {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

// Writes down what it is told.
class Recorder final : public Http2Stream {
 public:
  Recorder(ChunkPool* chunks, Http2Session::Role role, std::string* log)
      : Http2Stream(chunks), role_(role), log_(log) {}
  RequestHead request;
  ResponseHead response;
  bool headed = false;
  bool closed = false;

 protected:
  RequestHead* RequestPlace() override {
    return role_ == Http2Session::Role::kServer ? &request : nullptr;
  }
  ResponseHead* ResponsePlace() override {
    return role_ == Http2Session::Role::kClient ? &response : nullptr;
  }
  Method RequestMethod() const override { return Method::kGet; }
  void OnHead(bool end, Reason refused) override {
    Require(!closed && !headed);
    headed = true;
    absl::StrAppend(log_, "head ", id(), " ", end, " ", ReasonName(refused), "\n");
  }
  void OnInterim() override { absl::StrAppend(log_, "interim ", id(), "\n"); }
  void OnData(Slice data) override {
    Require(!closed && headed);
    bytes_ += data.size;
  }
  void OnEnd(Reason refused) override {
    Require(!closed);
    absl::StrAppend(log_, "end ", id(), " ", bytes_, " ", ReasonName(refused), "\n");
  }
  void OnFramed() override {}
  void OnClosed(uint32_t /*code*/) override {
    Require(!closed);
    closed = true;
  }

 private:
  const Http2Session::Role role_;
  std::string* const log_;
  size_t bytes_ = 0;
};

class Owner final : public Http2Session::Owner {
 public:
  Owner(ChunkPool* chunks, Http2Session::Role role) : chunks_(chunks), role_(role) {}
  Http2Stream* OnStreamOpened() override {
    streams.push_back(std::make_unique<Recorder>(chunks_, role_, &log));
    return streams.back().get();
  }
  void OnGoaway() override { absl::StrAppend(&log, "goaway\n"); }

  std::string log;
  std::vector<std::unique_ptr<Recorder>> streams;

 private:
  ChunkPool* const chunks_;
  const Http2Session::Role role_;
};

std::string Run(Http2Session::Role role, const std::vector<absl::string_view>& pieces) {
  ChunkPool chunks;
  Owner owner(&chunks, role);
  OutQueue out(&chunks);
  Http2Session session(role, Http2Limits{}, HeadLimits{}, &owner);
  session.SetOutput(&out);
  RequestHead asked;
  if (role == Http2Session::Role::kClient) {
    asked.method = Method::kGet;
    asked.block.AppendText("GET/a");
    asked.method_text = {0, 3};
    asked.target = {3, 1};
    asked.authority = {4, 1};
    auto* stream = static_cast<Recorder*>(owner.OnStreamOpened());
    Require(session.SendRequest(stream, asked, ForwardedFacts{}, true));
    session.Produce(1 << 20);
  }
  bool open = true;
  for (absl::string_view piece : pieces) {
    if (!open || piece.empty()) continue;
    ChunkRef chunk = ChunkRef::Adopt(chunks.Take());
    Require(piece.size() <= kChunkDataBytes);
    piece.copy(chunk->data(), piece.size());
    const char* data = chunk->data();
    open = session.Receive(Slice{std::move(chunk), data, piece.size()}, common::MonotonicTime());
  }
  // Now everything that was asked is answered, and everything received is passed on.
  for (auto& stream : owner.streams) {
    session.Consume(stream.get());
    if (role == Http2Session::Role::kServer && stream->headed && !stream->closed) {
      session.SendOwn(stream.get(), OwnResponse{.status = 200, .body = "answer\n"});
    }
  }
  session.Produce(1 << 20);
  Require(out.bytes() < (2 << 20));
  out.Clear();
  for (auto& stream : owner.streams) session.Forget(stream.get());
  return owner.log;
}

}  // namespace
}  // namespace pointsman::gateway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pointsman::gateway;  // NOLINT
  if (size < 3 || size > 12'000) return 0;
  const auto role = (data[0] & 1) != 0 ? Http2Session::Role::kServer : Http2Session::Role::kClient;
  std::string input = role == Http2Session::Role::kServer && (data[0] & 2) != 0
                          ? "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                          : "";
  input.append(reinterpret_cast<const char*>(data) + 3, size - 3);
  const absl::string_view all(input);
  const size_t first = data[1] % (all.size() + 1);
  const size_t second = first + data[2] % (all.size() - first + 1);
  const std::string whole = Run(role, {all});
  Require(whole ==
          Run(role, {all.substr(0, first), all.substr(first, second - first), all.substr(second)}));
  return 0;
}
