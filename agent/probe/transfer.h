#pragma once

// One libcurl transfer of the prober: set up for an HTTP check, a TCP check or a metrics fetch, and
// judged when it ends. Keeps libcurl's types; included by the prober's .cc files only.
// Thread-compatible.

#include <curl/curl.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "agent/core/agent_core.h"
#include "agent/probe/http_judge.h"
#include "common/core/time.h"

namespace pointsman::agent {

class Transfer {
 public:
  enum class Kind { kHttp, kTcp, kFetch };
  enum class Dialogue { kOpen, kPassed, kFailed };

  // Takes an easy handle, reset.
  Transfer(CURL* easy, Kind kind, uint64_t token) : easy_(easy), kind_(kind), token_(token) {}
  ~Transfer() {
    curl_slist_free_all(headers_);
    curl_slist_free_all(connect_to_);
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  // InvalidArgument: the check cannot be put into a request; Internal: libcurl refuses.
  absl::Status SetUpProbe(const ProbeEffect& probe, common::MonotonicTime now);
  absl::Status SetUpFetch(const MetricsEffect& fetch, common::MonotonicTime now);

  // libcurl says that the transfer is over (TCP: that the connection stands).
  RunResult JudgeProbe(CURLcode code, HttpJudge& judge) const;
  absl::StatusOr<std::string> TakeBody(CURLcode code);

  // TCP: there is something to send or to wait for.
  bool WantsDialogue() const;
  // Sends and reads what can be without waiting. kOpen: poll socket() again.
  Dialogue Continue();
  RunResult JudgeDialogue(Dialogue state, common::MonotonicTime now) const;
  int socket() const { return socket_; }
  bool wants_write() const { return sent_ < to_send_.size(); }

  CURL* easy() const { return easy_; }
  Kind kind() const { return kind_; }
  uint64_t token() const { return token_; }
  common::MonotonicTime deadline() const { return deadline_; }

 private:
  static size_t OnBody(char* data, size_t size, size_t count, void* self);
  static size_t OnHeader(char* data, size_t size, size_t count, void* self);

  absl::Status SetUpCommon(absl::Duration timeout, common::MonotonicTime now);
  absl::Status SetUpHttp(const ProbeEffect& probe);
  absl::Status SetUpTcp(const ProbeEffect& probe);
  // Sends the connection to `authority`, whatever the URL names.
  absl::Status ConnectTo(const std::string& authority);
  absl::Status AddHeader(absl::string_view name, absl::string_view value);
  v1::CheckFailure FailureOf(CURLcode code) const;

  CURL* const easy_;
  const Kind kind_;
  const uint64_t token_;
  common::MonotonicTime started_;
  common::MonotonicTime deadline_;
  std::shared_ptr<const v1::HealthCheck> what_;
  curl_slist* headers_ = nullptr;
  curl_slist* connect_to_ = nullptr;
  HttpAnswer answer_;
  bool body_full_ = false;
  char error_[CURL_ERROR_SIZE] = {};
  // The dialogue of a TCP check, as bytes.
  std::string to_send_;
  std::string expected_;
  int socket_ = -1;
  size_t sent_ = 0;
  std::string received_;
  std::string dialogue_detail_;
  v1::CheckFailure dialogue_failure_ = v1::CHECK_FAILURE_PROTOCOL;
};

}  // namespace pointsman::agent
