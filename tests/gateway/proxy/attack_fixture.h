#pragma once

// What holds after and during every attack: the engine serves the next good request, its memory is
// back, and what it held meanwhile stands in proportion to what it was sent.

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/gateway/proxy/engine_fixture.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PM_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PM_TEST_SANITIZED 1
#endif
#endif
#ifdef PM_TEST_SANITIZED
// Of the sanitizers' run-time library, whose header is not always installed.
extern "C" size_t __sanitizer_get_current_allocated_bytes();
#endif

namespace pointsman::gateway {

// Bytes of the whole process that were allocated and not freed.
inline size_t AllocatedBytes() {
#ifdef PM_TEST_SANITIZED
  return __sanitizer_get_current_allocated_bytes();
#else
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
#endif
}

// Looks at the process's memory again and again while it lives.
class MemoryWatch {
 public:
  MemoryWatch() : begin_(AllocatedBytes()), thread_([this] { Look(); }) {}
  ~MemoryWatch() { Stop(); }

  // The most that was seen above the beginning.
  size_t Stop() {
    if (thread_.joinable()) {
      {
        std::lock_guard<std::mutex> lock(mutex_);
        stop_ = true;
      }
      stopped_.notify_one();
      thread_.join();
    }
    return most_ > begin_ ? most_ - begin_ : 0;
  }

 private:
  void Look() {
    std::unique_lock<std::mutex> lock(mutex_);
    do {
      most_ = std::max(most_, AllocatedBytes());
    } while (!stopped_.wait_for(lock, std::chrono::milliseconds(1), [this] { return stop_; }));
  }

  const size_t begin_;
  size_t most_ = 0;
  bool stop_ = false;
  std::mutex mutex_;
  std::condition_variable stopped_;
  std::thread thread_;
};

class AttackFixture : public EngineFixture {
 protected:
  // Held memory may be so many times what was received, and this for what costs nothing to ask for.
  static constexpr size_t kHeldPerReceived = 100;
  static constexpr size_t kHeldPerConnection = 64 * 1024;
  static constexpr size_t kHeldPerStream = 8 * 1024;
  // Beside 5 %: what the test itself and the allocator's caches keep.
  static constexpr size_t kNoiseBytes = 64 * 1024;

  AttackFixture() { limits.sweep_interval = absl::Milliseconds(20); }

  // Asks for kGoodPath and begins to compare with now. What the test itself needs is allocated
  // before.
  void BeginRow() {
    ASSERT_TRUE(GoodRequest());
    ASSERT_TRUE(WaitFor([this] { return Quiet(); }));
    allocated_ = AllocatedBytes();
    received_ = engine().Stats().received_bytes;
  }

  static constexpr absl::string_view kGoodPath = "/good";
  virtual bool GoodRequest() {
    Peer client = Client();
    client.Write(absl::StrCat("GET ", kGoodPath, " HTTP/1.1\r\nHost: a\r\n\r\n"));
    return client.ReadMessage().status() == 200;
  }

  // An origin that takes requests for ever and answers good ones only.
  static ScriptedUpstream::Script AnsweringGoodOnly() {
    return [](Peer& peer, int) {
      TestMessage request = peer.ReadHead();
      while (absl::StrContains(request.first_line, kGoodPath) && peer.Write(Ok("good"))) {
        request = peer.ReadHead();
      }
      std::string all;
      peer.ReadToEnd(&all);
    };
  }

  // No request is under way and no buffer is held.
  bool Quiet() {
    const EngineStats stats = engine().Stats();
    return stats.requests_active == 0 && stats.buffer_bytes == 0 && stats.tunnels == 0;
  }

  // Until at most so many bytes are allocated. Who counts them holds the allocator's lock, and
  // nothing is freed meanwhile: most of the time belongs to those who free.
  static bool WaitForMemory(size_t most) {
    absl::Time next = absl::InfinitePast();
    const bool fits = WaitFor([&] {
      const absl::Time begun = absl::Now();
      if (begun < next) return false;
      if (AllocatedBytes() <= most) return true;
      const absl::Time counted = absl::Now();
      next = counted + std::min(10 * (counted - begun), absl::Milliseconds(200));
      return false;
    });
    return fits || AllocatedBytes() <= most;
  }

  // After a row: serving, quiet, memory back.
  void ExpectUnharmed(absl::string_view what = "") {
    EXPECT_TRUE(GoodRequest()) << what;
    EXPECT_TRUE(WaitFor([this] { return Quiet(); })) << what;
    const size_t most = allocated_ + allocated_ / 20 + kNoiseBytes;
    EXPECT_TRUE(WaitForMemory(most))
        << what << ": " << AllocatedBytes() << " bytes are allocated, were " << allocated_;
  }

  // `held`: the most that was seen during a row; `from_origins`: what they sent.
  void ExpectProportion(size_t held, size_t connections, size_t streams, size_t from_origins = 0) {
    const uint64_t received = engine().Stats().received_bytes - received_ + from_origins;
    EXPECT_LE(held, received * kHeldPerReceived + connections * kHeldPerConnection +
                        streams * kHeldPerStream)
        << "for " << received << " bytes received";
  }

 private:
  size_t allocated_ = 0;
  uint64_t received_ = 0;
};

}  // namespace pointsman::gateway
