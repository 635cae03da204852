// pm-bench-table: how long a gateway takes to run a large table and a change of one endpoint, and
// what changes do to requests meanwhile. In one process, from the controller's bytes to the moment
// when the worker runs the table: what a gateway does but for gRPC. Prints one line of JSON.
//
//   pm-bench-table --backend 127.0.0.1:9000   (something that answers, as pm-test-backend)

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "bench/support/load_run.h"
#include "common/clock.h"
#include "common/core/check.h"
#include "common/mutex.h"
#include "gateway/core/table_state.h"
#include "gateway/proxy/engine.h"
#include "pointsman/v1/gateway.pb.h"

namespace pointsman::bench {
namespace {

using common::MonotonicTime;

struct Options {
  std::string backend;
  uint32_t services = 10'000;
  uint32_t endpoints = 10;  // Of each service.
  uint32_t deltas = 2'000;
  double deltas_per_second = 100;
  double rps = 2'000;
  double seconds = 2;
  uint32_t pairs = 10;
};

MonotonicTime Now() { return common::SystemClock().Now(); }

double Millis(absl::Duration duration) { return absl::ToDoubleMilliseconds(duration); }

double Quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(q * static_cast<double>(values.size() - 1))];
}

// The controller's messages, as bytes.
class Messages {
 public:
  explicit Messages(const Options& options) : options_(options), revisions_(options.services, 1) {}

  std::string Everything() const {
    v1::Bundle bundle;
    bundle.set_store_id("bench");
    v1::ConfigFrame* config = bundle.mutable_config();
    config->mutable_version()->set_epoch(1);
    config->mutable_version()->set_revision(1);
    for (uint32_t i = 0; i < options_.services; ++i) {
      config->mutable_config()->add_services()->set_name(absl::StrCat("services/s", i));
      v1::Route* route = config->mutable_config()->add_routes();
      route->set_name(absl::StrCat("routes/s", i));
      route->add_hosts(absl::StrCat("s", i, ".test"));
      route->set_service(absl::StrCat("s", i));
      v1::SliceFrame* frame = Frame(i, 0, 1, &bundle);
      for (uint32_t handle = 1; handle <= options_.endpoints; ++handle) {
        AddEntry(i, handle, 65'536, frame);
      }
    }
    return bundle.SerializeAsString();
  }

  // Another weight for one endpoint; every second change is of the service under load.
  std::string Delta(uint32_t update) {
    const uint32_t service = update % 2 == 0 ? 0 : update * 7919 % options_.services;
    v1::Bundle bundle;
    const uint64_t base = revisions_[service]++;
    v1::SliceFrame* frame = Frame(service, base, base + 1, &bundle);
    AddEntry(service, 1 + update / 2 % options_.endpoints, 32'768 + update % 1000, frame);
    return bundle.SerializeAsString();
  }

 private:
  static v1::SliceFrame* Frame(uint32_t service, uint64_t base, uint64_t to, v1::Bundle* bundle) {
    v1::SliceFrame* frame = bundle->add_frames();
    frame->set_service(absl::StrCat("s", service));
    frame->set_epoch(1);
    frame->set_base(base);
    frame->set_to(to);
    return frame;
  }
  void AddEntry(uint32_t service, uint32_t handle, uint32_t weight, v1::SliceFrame* frame) const {
    v1::EndpointEntry* entry = frame->add_entries();
    entry->set_handle(handle);
    entry->set_revision(frame->to());
    entry->set_info_revision(1);
    entry->set_weight(weight);
    entry->set_routable(true);
    entry->set_verdict(v1::VERDICT_HEALTHY);
    if (frame->base() != 0) return;
    entry->mutable_info()->set_id(absl::StrCat("e", service, "-", handle));
    entry->mutable_info()->set_address(
        service == 0
            ? options_.backend
            : absl::StrCat("10.", service / 250, ".", service % 250, ".1:", 1000 + handle));
  }

  const Options& options_;
  std::vector<uint64_t> revisions_;
};

// Control side and data path of a gateway with one worker.
class Gateway {
 public:
  Gateway() {
    gateway::EngineOptions options;
    options.listeners.emplace_back();
    options.listeners.back().address = *common::ParseAddress("127.0.0.1:0");
    options.cells = &cells_;
    options.clock = &common::SystemClock();
    auto engine = gateway::Engine::Start(std::move(options));
    PM_CHECK(engine.ok());
    engine_ = *std::move(engine);
  }

  const std::string& address() const { return engine_->listen_addresses()[0]; }

  // From the bytes to the worker running them; false: a part was refused.
  bool Apply(const std::string& bytes, absl::Duration* took) {
    const MonotonicTime start = Now();
    v1::Bundle bundle;
    PM_CHECK(bundle.ParseFromString(bytes));
    const gateway::BundleResult result = state_.Apply(bundle, start);
    if (!result.changed || !result.refused.empty()) return false;
    gateway::BuiltTable built = state_.Build();
    {
      common::MutexLock lock(mutex_);
      adopted_ = false;
    }
    engine_->PublishTable(std::move(built.table), [this] {
      common::MutexLock lock(mutex_);
      adopted_ = true;
      changed_.NotifyOne();
    });
    {
      common::MutexLock lock(mutex_);
      while (!adopted_) changed_.Wait(mutex_);
    }
    *took = Now() - start;
    for (const gateway::CellRef cell : built.retired) cells_.Retire(cell);
    cells_.Recycle();
    engine_->FreeRetired();
    return true;
  }

 private:
  gateway::EndpointCells cells_{1};
  gateway::TableState state_{cells_, {}};
  std::unique_ptr<gateway::Engine> engine_;
  common::Mutex mutex_;
  common::CondVar changed_;
  bool adopted_ ABSL_GUARDED_BY(mutex_) = false;
};

class Bench {
 public:
  explicit Bench(const Options& options) : options_(options), messages_(options) {}

  bool Run() {
    absl::Duration took;
    if (!gateway_.Apply(messages_.Everything(), &took)) return false;
    apply_ms_ = Millis(took);
    for (uint32_t i = 0; i < options_.deltas; ++i) {
      if (!gateway_.Apply(messages_.Delta(update_++), &took)) return false;
      delta_ms_.push_back(Millis(took));
    }
    Load();  // Warms.
    for (uint32_t i = 0; i < options_.pairs; ++i) {
      // The order changes with each pair.
      const bool changing_first = i % 2 == 1;
      if (changing_first && !LoadWhileChanging()) return false;
      still_p99_ms_.push_back(Load());
      if (!changing_first && !LoadWhileChanging()) return false;
    }
    return true;
  }

  void Print() const {
    const auto list = [](const std::vector<double>& values) { return absl::StrJoin(values, ","); };
    std::printf(
        "{\"services\":%u,\"endpoints\":%u,\"apply_ms\":%.1f,\"delta_p50_ms\":%.3f,"
        "\"delta_p99_ms\":%.3f,\"delta_max_ms\":%.3f,\"failed\":%llu,\"changes\":%u,"
        "\"still_p99_ms\":[%s],\"changing_p99_ms\":[%s]}\n",
        options_.services, options_.services * options_.endpoints, apply_ms_,
        Quantile(delta_ms_, 0.5), Quantile(delta_ms_, 0.99), Quantile(delta_ms_, 1),
        static_cast<unsigned long long>(failed_), update_ - options_.deltas,
        list(still_p99_ms_).c_str(), list(changing_p99_ms_).c_str());
  }

 private:
  // Milliseconds that 99 % of requests did not exceed.
  double Load() {
    LoadOptions load;
    load.target = *ParseSocketAddress(gateway_.address());
    load.host = "s0.test";
    load.rps = options_.rps;
    load.duration = absl::Seconds(options_.seconds);
    LoadRun run(load, nullptr);
    PM_CHECK(run.Run().ok());
    failed_ += run.report().failed();
    return static_cast<double>(run.report().latency.QuantileMicros(0.99)) / 1000;
  }

  bool LoadWhileChanging() {
    std::atomic<bool> stop{false};
    bool applied = true;
    std::thread changing([&] {
      const MonotonicTime start = Now();
      for (uint32_t i = 0; !stop.load() && applied; ++i) {
        const absl::Duration due = absl::Seconds(i / options_.deltas_per_second);
        std::this_thread::sleep_for(absl::ToChronoMicroseconds(start + due - Now()));
        absl::Duration took;
        applied = gateway_.Apply(messages_.Delta(update_++), &took);
      }
    });
    changing_p99_ms_.push_back(Load());
    stop.store(true);
    changing.join();
    return applied;
  }

  const Options options_;
  Messages messages_;
  Gateway gateway_;
  uint32_t update_ = 0;
  double apply_ms_ = 0;
  uint64_t failed_ = 0;
  std::vector<double> delta_ms_;
  std::vector<double> still_p99_ms_;
  std::vector<double> changing_p99_ms_;
};

int Run(const Options& options) {
  Bench bench(options);
  if (!bench.Run()) {
    std::fprintf(stderr, "pm-bench-table: a part of the table was refused\n");
    return 1;
  }
  bench.Print();
  return 0;
}

}  // namespace
}  // namespace pointsman::bench

int main(int argc, char** argv) {
  using namespace pointsman::bench;
  Options options;
  CLI::App app("A large table, changes of it, and requests meanwhile.", "pm-bench-table");
  app.add_option("--backend", options.backend, "HOST:PORT that answers")->required();
  app.add_option("--services", options.services)->check(CLI::Range(1, 10'000));
  app.add_option("--endpoints", options.endpoints, "of each service")->check(CLI::Range(1, 12));
  app.add_option("--deltas", options.deltas, "timed one after another")
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--deltas-per-second", options.deltas_per_second, "under load")
      ->check(CLI::Range(1.0, 1e4));
  app.add_option("--rps", options.rps)->check(CLI::Range(1.0, 1e6));
  app.add_option("--seconds", options.seconds, "of each load")->check(CLI::Range(0.1, 1e3));
  app.add_option("--pairs", options.pairs, "of loads with and without changes")
      ->check(CLI::Range(1, 1000));
  CLI11_PARSE(app, argc, argv);
  return Run(options);
}
