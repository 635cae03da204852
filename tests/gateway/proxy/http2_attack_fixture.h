#pragma once

// An HTTP/2 client that says what no honest one does, byte by byte, and reads what the gateway
// makes of it.

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/gateway/proxy/attack_fixture.h"
#include "tests/gateway/proxy/raw_frames.h"

namespace pointsman::gateway {

// What the gateway said on a connection that it ended.
struct Ending {
  bool goaway = false;
  uint32_t goaway_code = 0;
  std::map<uint32_t, uint32_t> resets;  // Code by stream.
  std::map<uint32_t, int> heads;        // HEADERS frames by stream.
  bool closed = false;
};

class Http2AttackTest : public AttackFixture {
 protected:
  void SetUp() override {
    limits.http2.resets_burst = 50;
    limits.http2.resets_per_second = 10;
    limits.http2.glitches_burst = 100;
    limits.http2.glitches_per_second = 10;
  }
  void Serve() {
    upstream_ = std::make_unique<ScriptedUpstream>(Answering([this](const TestMessage& request) {
      if (!absl::StrContains(request.first_line, kGoodPath)) ++requests_;
      return Ok(request.body);
    }));
    Publish({upstream_->port()});
  }
  // Sends everything, then reads until the gateway closes or has answered two PINGs: the answer to
  // the first may overtake what was caused before it, but not that to the second.
  // Memory is held in proportion.
  Ending Attack(const std::string& bytes) {
    BeginRow();
    Ending ending;
    const size_t held = Say(bytes, &ending);
    ExpectProportion(held, 1, limits.http2.streams_max);
    return ending;
  }
  // The most memory that was held meanwhile.
  size_t Say(const std::string& bytes, Ending* ending) {
    const std::string all = absl::StrCat(kHttp2Preface, RawFrame(kFrameSettings, 0, 0, ""), bytes,
                                         RawFrame(kFramePing, 0, 0, "12345678"));
    MemoryWatch watch;
    Peer socket = Client();
    // The gateway may close before it has read everything.
    std::thread writer([&] { socket.Write(all); });
    std::string seen;
    while (Parse(seen, ending) == 0 && socket.ReadSome(&seen)) {
    }
    if (Parse(seen, ending) > 0) socket.Write(RawFrame(kFramePing, 0, 0, "12345678"));
    while (Parse(seen, ending) < 2 && socket.ReadSome(&seen)) {
    }
    ending->closed = Parse(seen, ending) < 2;
    socket.ShutdownBoth();
    writer.join();
    return watch.Stop();
  }
  // Reads whole frames; how many PINGs were answered.
  static int Parse(const std::string& seen, Ending* ending) {
    *ending = Ending();
    int pings = 0;
    size_t at = 0;
    const auto byte = [&](size_t i) {
      return static_cast<uint32_t>(static_cast<uint8_t>(seen[i]));
    };
    const auto big32 = [&](size_t i) {
      return byte(i) << 24 | byte(i + 1) << 16 | byte(i + 2) << 8 | byte(i + 3);
    };
    while (at + 9 <= seen.size()) {
      const size_t length = byte(at) << 16 | byte(at + 1) << 8 | byte(at + 2);
      const uint32_t type = byte(at + 3);
      const uint32_t stream = big32(at + 5);
      if (at + 9 + length > seen.size()) break;
      if (type == kFrameGoaway) {
        ending->goaway = true;
        ending->goaway_code = big32(at + 13);
      }
      if (type == kFrameRstStream) ending->resets[stream] = big32(at + 9);
      if (type == kFrameHeaders) ++ending->heads[stream];
      if (type == kFramePing && seen.substr(at + 9, 8) == "12345678") ++pings;
      at += 9 + length;
    }
    return pings;
  }
  std::unique_ptr<ScriptedUpstream> upstream_;
  std::atomic<int> requests_{0};
};

}  // namespace pointsman::gateway
