#pragma once

// An HTTP/1 endpoint that holds each request until the test lets one go. Thread-safe.

#include <condition_variable>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "tests/gateway/proxy/kept.h"
#include "tests/gateway/proxy/peer.h"

namespace pointsman::gateway {

class GatedEndpoint {
 public:
  explicit GatedEndpoint(std::string answer = Ok("gated"))
      : upstream_(Answering([this, answer = std::move(answer)](const TestMessage& request) {
          requests_.Add(request);
          Wait();
          return answer;
        })) {}
  ~GatedEndpoint() { Open(); }

  uint16_t port() const { return upstream_.port(); }
  int connections() const { return upstream_.connections(); }
  size_t open() { return upstream_.open(); }
  size_t asked() const { return requests_.size(); }
  TestMessage last() const { return requests_.last(); }
  // What was asked for, in order.
  std::vector<std::string> targets() const {
    std::vector<std::string> all;
    for (const TestMessage& one : requests_.all()) {
      const size_t begin = one.first_line.find(' ') + 1;
      all.push_back(one.first_line.substr(begin, one.first_line.find(' ', begin) - begin));
    }
    return all;
  }
  // So many more are answered.
  void Let(int requests) {
    std::lock_guard<std::mutex> lock(mutex_);
    may_answer_ += requests;
    changed_.notify_all();
  }
  // All are, until Shut().
  void Open() { SetOpen(true); }
  void Shut() { SetOpen(false); }

 private:
  void SetOpen(bool open) {
    std::lock_guard<std::mutex> lock(mutex_);
    open_ = open;
    changed_.notify_all();
  }
  void Wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return open_ || may_answer_ > 0; });
    if (!open_) --may_answer_;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  int may_answer_ = 0;
  bool open_ = false;
  Kept<TestMessage> requests_;
  ScriptedUpstream upstream_;
};

}  // namespace pointsman::gateway
