#pragma once

// A session of either side between a test that speaks frames byte by byte and streams that answer
// what they are asked. Time stands still, so that no budget refills. Thread-compatible.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gateway/http2/session.h"
#include "gtest/gtest.h"
#include "tests/gateway/proxy/raw_frames.h"

namespace pointsman::gateway {

// A frame as it was sent.
struct SeenFrame {
  uint8_t type = 0;
  uint8_t flags = 0;
  uint32_t stream = 0;
  std::string payload;

  // The big-endian number at `at` of the payload.
  uint32_t Number(size_t at) const {
    uint32_t value = 0;
    for (size_t i = at; i < at + 4; ++i) value = value << 8 | static_cast<uint8_t>(payload[i]);
    return value;
  }
};

// What is left at the end is no whole frame.
inline std::vector<SeenFrame> FramesOf(absl::string_view bytes) {
  constexpr size_t kHeadBytes = 9;
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<uint8_t>(bytes[i])); };
  std::vector<SeenFrame> frames;
  while (bytes.size() >= kHeadBytes) {
    const size_t length = byte(0) << 16 | byte(1) << 8 | byte(2);
    if (bytes.size() < kHeadBytes + length) break;
    frames.push_back({static_cast<uint8_t>(byte(3)), static_cast<uint8_t>(byte(4)),
                      byte(5) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8),
                      std::string(bytes.substr(kHeadBytes, length))});
    bytes.remove_prefix(kHeadBytes + length);
  }
  return frames;
}

// Records what came on it; takes what is sent to it.
class RecordingStream final : public Http2Stream {
 public:
  RecordingStream(ChunkPool* chunks, bool client) : Http2Stream(chunks), client_(client) {}

  RequestHead request;
  ResponseHead response;
  bool head = false;
  bool ended = false;
  bool closed = false;
  uint32_t code = 0;
  std::string body;

 protected:
  RequestHead* RequestPlace() override { return client_ ? nullptr : &request; }
  ResponseHead* ResponsePlace() override { return client_ ? &response : nullptr; }
  void OnHead(bool end, Reason refused) override {
    head = refused == Reason::kNone;
    ended = end;
  }
  void OnData(Slice data) override { body.append(data.data, data.size); }
  void OnEnd(Reason /*refused*/) override { ended = true; }
  void OnFramed() override {}
  void OnClosed(uint32_t reason) override {
    closed = true;
    code = reason;
  }

 private:
  const bool client_;
};

class SessionFixture : public ::testing::Test, public Http2Session::Owner {
 protected:
  static constexpr uint32_t kEnhanceYourCalm = 11;

  // Http2Session::Owner
  Http2Stream* OnStreamOpened() override { return NewStream(/*client=*/false); }
  void OnGoaway() override { ++goaways; }

  // A server that was greeted, unless the test greets it; its greeting is read.
  Http2Session& Serve(bool greeted = true) {
    Begin(Http2Session::Role::kServer);
    if (greeted) {
      EXPECT_TRUE(Receive(absl::StrCat(kHttp2Preface, RawFrame(kFrameSettings, 0, 0, ""))));
    }
    Sent();
    return *session_;
  }
  // A client whose endpoint has sent `settings`.
  Http2Session& Ask(absl::string_view settings = "") {
    Begin(Http2Session::Role::kClient);
    EXPECT_TRUE(Receive(RawFrame(kFrameSettings, 0, 0, settings)));
    Sent();
    return *session_;
  }
  bool Receive(absl::string_view bytes) {
    while (!bytes.empty()) {
      ChunkRef chunk = ChunkRef::Adopt(chunks.Take());
      const size_t n = std::min<size_t>(bytes.size(), kChunkDataBytes);
      bytes.copy(chunk->data(), n);
      bytes.remove_prefix(n);
      const char* data = chunk->data();
      if (!session_->Receive(Slice{std::move(chunk), data, n}, common::MonotonicTime())) {
        return false;
      }
    }
    return true;
  }
  // The frames that it sends now.
  std::vector<SeenFrame> Sent() {
    session_->Produce(1 << 24);
    std::string all;
    for (const Slice& slice : out_->slices()) all.append(slice.data, slice.size);
    out_->Clear();
    return FramesOf(all);
  }
  RecordingStream* NewStream(bool client) {
    streams.push_back(std::make_unique<RecordingStream>(&chunks, client));
    return streams.back().get();
  }
  // Of an answer with this body, which ends.
  void Answer(RecordingStream* stream, absl::string_view body) {
    OwnResponse response;
    response.status = 200;
    response.body = body;
    response.with_body = true;
    session_->SendOwn(stream, response);
  }
  Slice Data(absl::string_view text) {
    ChunkRef chunk = ChunkRef::Adopt(chunks.Take());
    text.copy(chunk->data(), text.size());
    const char* data = chunk->data();
    return Slice{std::move(chunk), data, text.size()};
  }
  // Streams that are over are forgotten, so that a test may have many.
  void DropClosed() {
    std::erase_if(streams, [](const auto& stream) { return stream->closed; });
  }
  static const SeenFrame* Find(const std::vector<SeenFrame>& frames, uint8_t type) {
    for (const SeenFrame& frame : frames) {
      if (frame.type == type) return &frame;
    }
    return nullptr;
  }
  // The code of the GOAWAY among them; -1: none.
  static int64_t GoawayCode(const std::vector<SeenFrame>& frames) {
    const SeenFrame* frame = Find(frames, kFrameGoaway);
    return frame == nullptr ? -1 : static_cast<int64_t>(frame->Number(4));
  }

  ChunkPool chunks;
  Http2Limits limits;
  std::vector<std::unique_ptr<RecordingStream>> streams;
  int goaways = 0;

 private:
  void Begin(Http2Session::Role role) {
    out_ = std::make_unique<OutQueue>(&chunks);
    session_ = std::make_unique<Http2Session>(role, limits, HeadLimits{}, this);
    session_->SetOutput(out_.get());
  }

  std::unique_ptr<OutQueue> out_;
  std::unique_ptr<Http2Session> session_;
};

}  // namespace pointsman::gateway
