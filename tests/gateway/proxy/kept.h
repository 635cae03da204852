#pragma once

// What endpoints and an access log were told, kept by their threads for a test to look at.
// Thread-safe.

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "common/core/check.h"
#include "gateway/proxy/options.h"
#include "tests/gateway/proxy/http2_peer.h"
#include "tests/gateway/proxy/peer.h"

namespace pointsman::gateway {

template <typename T>
class Kept {
 public:
  void Add(T one) {
    std::lock_guard<std::mutex> lock(mutex_);
    all_.push_back(std::move(one));
  }
  size_t size() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return all_.size();
  }
  std::vector<T> all() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return all_;
  }
  // REQUIRES: there is one.
  T last() const {
    std::lock_guard<std::mutex> lock(mutex_);
    PM_CHECK(!all_.empty());
    return all_.back();
  }

 private:
  mutable std::mutex mutex_;
  std::vector<T> all_;
};

// An HTTP/1 endpoint that keeps what it is asked and gives one answer to everything.
class KeepingEndpoint {
 public:
  explicit KeepingEndpoint(std::string answer)
      : upstream_(Answering([this, answer = std::move(answer)](const TestMessage& request) {
          requests_.Add(request);
          return answer;
        })) {}
  uint16_t port() const { return upstream_.port(); }
  int connections() const { return upstream_.connections(); }
  size_t asked() const { return requests_.size(); }
  TestMessage last() const { return requests_.last(); }
  void Stop() { upstream_.Stop(); }

 private:
  Kept<TestMessage> requests_;
  ScriptedUpstream upstream_;
};

// The same for HTTP/2.
class KeepingHttp2Endpoint {
 public:
  explicit KeepingHttp2Endpoint(H2Answer answer)
      : upstream_(Http2Answering([this, answer = std::move(answer)](const H2Message& request) {
          requests_.Add(request);
          return answer;
        })) {}
  uint16_t port() const { return upstream_.port(); }
  int connections() const { return upstream_.connections(); }
  size_t asked() const { return requests_.size(); }
  H2Message last() const { return requests_.last(); }

 private:
  Kept<H2Message> requests_;
  ScriptedUpstream upstream_;
};

// What is looked at of a RequestRecord, which lives for its call only.
struct LoggedRequest {
  std::string client;
  std::string target;
  std::string service;
  std::string endpoint;  // Empty: none.
  int status = 0;
  int tries = 0;
  bool answered = false;  // Some endpoint's answer was begun.
};

class RequestLog final : public RequestObserver {
 public:
  void OnRequest(const RequestRecord& record) override {
    requests_.Add({std::string(record.client), std::string(record.target),
                   std::string(record.service),
                   record.endpoint == nullptr ? "" : common::ToString(*record.endpoint),
                   record.status, record.tries, record.first_byte >= absl::ZeroDuration()});
  }
  const Kept<LoggedRequest>& requests() const { return requests_; }

 private:
  Kept<LoggedRequest> requests_;
};

// The values of all fields of this name, which is in lower case.
inline std::vector<std::string> ValuesOf(const H2Fields& fields, absl::string_view name) {
  std::vector<std::string> values;
  for (const auto& [key, value] : fields) {
    if (key == name) values.push_back(value);
  }
  return values;
}

}  // namespace pointsman::gateway
