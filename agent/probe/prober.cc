#include "agent/probe/prober.h"

#include <curl/curl.h>

#include <algorithm>
#include <list>
#include <utility>

#include "agent/probe/transfer.h"

namespace pointsman::agent {
namespace {

using common::MonotonicTime;

constexpr size_t kIdleHandlesMax = 8;
constexpr long kConnectionsKept = 16;  // To metrics endpoints.
constexpr absl::Duration kPollMax = absl::Seconds(10);

class CurlProber final : public Prober {
 public:
  CurlProber(const common::Clock& clock, CURLM* multi) : clock_(clock), multi_(multi) {
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, kConnectionsKept);
    curl_multi_setopt(multi_, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
  }
  ~CurlProber() override {
    while (!transfers_.empty()) Release(transfers_.begin());
    for (CURL* easy : idle_) curl_easy_cleanup(easy);
    curl_multi_cleanup(multi_);
    curl_global_cleanup();
  }

  void StartProbe(const ProbeEffect& probe) override {
    const Transfer::Kind kind =
        probe.what->has_tcp() ? Transfer::Kind::kTcp : Transfer::Kind::kHttp;
    const absl::Status status = Start(kind, probe.token, [&](Transfer& transfer) {
      return transfer.SetUpProbe(probe, clock_.Now());
    });
    if (status.ok()) return;
    RunResult run;
    run.failure = v1::CHECK_FAILURE_PROTOCOL;
    run.detail = std::string(status.message());
    results_.probes.push_back({probe.token, std::move(run)});
  }

  void StartFetch(const MetricsEffect& fetch) override {
    const absl::Status status = Start(Transfer::Kind::kFetch, fetch.token, [&](Transfer& transfer) {
      return transfer.SetUpFetch(fetch, clock_.Now());
    });
    if (!status.ok()) results_.fetches.push_back({fetch.token, status});
  }

  ProberResults Poll(absl::Duration timeout, int extra_fd) override {
    Drive();
    if (results_.probes.empty() && results_.fetches.empty()) {
      Wait(timeout, extra_fd);
      Drive();
    }
    return std::exchange(results_, {});
  }

  void Wakeup() override { curl_multi_wakeup(multi_); }
  size_t active() const override { return transfers_.size(); }

 private:
  using Transfers = std::list<Transfer>;

  template <typename SetUp>
  absl::Status Start(Transfer::Kind kind, uint64_t token, SetUp set_up) {
    CURL* easy = TakeHandle();
    if (easy == nullptr) return absl::InternalError("libcurl gives no handle");
    transfers_.emplace_front(easy, kind, token);
    absl::Status status = set_up(transfers_.front());
    if (status.ok() && curl_multi_add_handle(multi_, easy) != CURLM_OK) {
      status = absl::InternalError("libcurl takes no further transfer");
    }
    if (!status.ok()) Release(transfers_.begin());
    return status;
  }

  CURL* TakeHandle() {
    if (idle_.empty()) return curl_easy_init();
    CURL* easy = idle_.back();
    idle_.pop_back();
    return easy;
  }

  Transfers::iterator Release(Transfers::iterator at) {
    CURL* easy = at->easy();
    curl_multi_remove_handle(multi_, easy);
    if (idle_.size() < kIdleHandlesMax) {
      curl_easy_reset(easy);
      idle_.push_back(easy);
    } else {
      curl_easy_cleanup(easy);
    }
    return transfers_.erase(at);
  }

  void Wait(absl::Duration timeout, int extra_fd) {
    std::vector<curl_waitfd> fds;
    if (extra_fd >= 0) fds.push_back({extra_fd, CURL_WAIT_POLLIN, 0});
    const MonotonicTime now = clock_.Now();
    timeout = std::min(timeout, kPollMax);
    for (const Transfer& transfer : transfers_) {
      if (transfer.socket() < 0) continue;
      const short events = transfer.wants_write() ? CURL_WAIT_POLLOUT : CURL_WAIT_POLLIN;
      fds.push_back({transfer.socket(), events, 0});
      timeout = std::min(timeout, transfer.deadline() - now);
    }
    const int64_t millis = timeout <= absl::ZeroDuration()
                               ? 0
                               : absl::ToInt64Milliseconds(timeout + absl::Microseconds(999));
    curl_multi_poll(multi_, fds.data(), static_cast<unsigned>(fds.size()), static_cast<int>(millis),
                    nullptr);
  }

  void Drive() {
    int running = 0;
    curl_multi_perform(multi_, &running);
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg == CURLMSG_DONE) OnDone(message->easy_handle, message->data.result);
    }
    const MonotonicTime now = clock_.Now();
    for (auto at = transfers_.begin(); at != transfers_.end();) {
      at = at->socket() < 0 ? std::next(at) : OnDialogue(at, now);
    }
  }

  void OnDone(CURL* easy, CURLcode code) {
    const auto at = std::find_if(transfers_.begin(), transfers_.end(),
                                 [easy](const Transfer& t) { return t.easy() == easy; });
    if (at == transfers_.end()) return;
    if (code == CURLE_OK && at->WantsDialogue()) {
      OnDialogue(at, clock_.Now());
      return;
    }
    if (at->kind() == Transfer::Kind::kFetch) {
      results_.fetches.push_back({at->token(), at->TakeBody(code)});
    } else {
      results_.probes.push_back({at->token(), at->JudgeProbe(code, judge_)});
    }
    Release(at);
  }

  Transfers::iterator OnDialogue(Transfers::iterator at, MonotonicTime now) {
    const Transfer::Dialogue state = at->Continue();
    if (state == Transfer::Dialogue::kOpen && now < at->deadline()) return std::next(at);
    results_.probes.push_back({at->token(), at->JudgeDialogue(state, now)});
    return Release(at);
  }

  const common::Clock& clock_;
  CURLM* const multi_;
  HttpJudge judge_;
  Transfers transfers_;
  std::vector<CURL*> idle_;
  ProberResults results_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Prober>> Prober::Create(const common::Clock& clock) {
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    return absl::InternalError("libcurl does not start");
  }
  CURLM* multi = curl_multi_init();
  if (multi == nullptr) {
    curl_global_cleanup();
    return absl::InternalError("libcurl gives no multi handle");
  }
  return std::make_unique<CurlProber>(clock, multi);
}

}  // namespace pointsman::agent
