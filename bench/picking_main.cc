// pm-bench-picking: what it costs to pick an endpoint, with each way of picking and with few
// endpoints and many; and to change one weight. Google Benchmark's own options apply.

#include <benchmark/benchmark.h>

#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "common/core/check.h"
#include "gateway/core/picker.h"
#include "gateway/core/service_build.h"
#include "pointsman/v1/slice.pb.h"

namespace pointsman::bench {
namespace {

using gateway::EndpointCells;
using gateway::PickerPolicy;

// A service with endpoints whose weights lie between half and one and a half of the nominal one.
class Service {
 public:
  Service(PickerPolicy::Kind kind, int endpoints) {
    settings_.picker.kind = kind;
    frame_.set_service("web");
    frame_.set_epoch(1);
    frame_.set_to(1);
    frame_.mutable_head()->set_revision(1);
    for (int i = 1; i <= endpoints; ++i) {
      v1::EndpointEntry* entry = frame_.add_entries();
      entry->set_handle(i);
      entry->set_revision(1);
      entry->set_info_revision(1);
      entry->mutable_info()->set_id(absl::StrCat("web-", i));
      entry->mutable_info()->set_address(
          absl::StrCat("10.", i / 65536, ".", i / 256 % 256, ".", i % 256, ":8080"));
      entry->set_weight(Weight());
      entry->set_routable(true);
    }
    Apply();
  }

  // Another weight of one endpoint, as a slice brings it.
  void ChangeWeight(int endpoint) {
    const uint64_t revision = frame_.to();
    frame_.Clear();
    frame_.set_service("web");
    frame_.set_epoch(1);
    frame_.set_base(revision);
    frame_.set_to(revision + 1);
    v1::EndpointEntry* entry = frame_.add_entries();
    entry->set_handle(endpoint + 1);
    entry->set_revision(revision + 1);
    entry->set_weight(Weight());
    entry->set_routable(true);
    Apply();
  }

  const gateway::ServiceTable& table() const { return *table_; }
  EndpointCells& cells() { return cells_; }

 private:
  uint32_t Weight() { return 32'768 + static_cast<uint32_t>(random_() % 65'536); }

  void Apply() {
    gateway::SliceChange change;
    PM_CHECK(!slice_.Apply(frame_, &change).has_value());
    table_ = builder_.Build(&slice_, change, settings_, {{}, names_, "gw-1"}, &retired_);
  }

  EndpointCells cells_{1};
  gateway::ServiceBuilder builder_{"web", cells_};
  gateway::ServiceSettings settings_;
  gateway::ResolvedNames names_;
  gateway::SliceState slice_;
  v1::SliceFrame frame_;
  std::vector<gateway::CellRef> retired_;
  std::mt19937_64 random_{1};
  std::shared_ptr<const gateway::ServiceTable> table_;
};

// Picks with up to two requests in flight at each endpoint. `failing`: one of eight has failed.
void Pick(benchmark::State& state, PickerPolicy::Kind kind, bool failing = false) {
  Service service(kind, static_cast<int>(state.range(0)));
  gateway::WorkerCells& cells = service.cells().worker(0);
  gateway::LocalAvoidance avoidance(cells);
  gateway::PickTurns turns;
  absl::InsecureBitGen random;
  const gateway::CountersView view{cells, avoidance, common::MonotonicTime(), &turns};
  for (const gateway::Endpoint& endpoint : service.table().endpoints) {
    const auto in_flight = static_cast<int>(random() % 3);
    for (int i = 0; i < in_flight; ++i) PM_CHECK(cells.StartTry(endpoint.cell));
    if (failing && random() % 8 == 0) {
      avoidance.OnOutcome(endpoint.cell, gateway::TryOutcome::kServerError, view.now);
    }
  }
  uint64_t hash = 1;
  for (auto _ : state) {
    hash = hash * 6364136223846793005 + 1442695040888963407;
    const gateway::PickResult pick =
        gateway::Pick(service.table(), view, {}, {.hash = hash, .affinity = 0}, random);
    benchmark::DoNotOptimize(pick);
    PM_CHECK(pick.status == gateway::PickResult::Status::kPicked);
  }
}

void ChangeWeight(benchmark::State& state, PickerPolicy::Kind kind) {
  Service service(kind, static_cast<int>(state.range(0)));
  int endpoint = 0;
  for (auto _ : state) {
    service.ChangeWeight(endpoint);
    endpoint = static_cast<int>((endpoint + 7919) % state.range(0));
  }
}

void Sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Arg(10)->Arg(1'000)->Arg(50'000);
}

BENCHMARK_CAPTURE(Pick, p2c, PickerPolicy::Kind::kP2c)->Apply(Sizes);
BENCHMARK_CAPTURE(Pick, p2c_while_some_fail, PickerPolicy::Kind::kP2c, true)->Apply(Sizes);
BENCHMARK_CAPTURE(Pick, random, PickerPolicy::Kind::kRandom)->Apply(Sizes);
BENCHMARK_CAPTURE(Pick, round_robin, PickerPolicy::Kind::kRoundRobin)->Apply(Sizes);
BENCHMARK_CAPTURE(Pick, least_request, PickerPolicy::Kind::kLeastRequest)->Apply(Sizes);
BENCHMARK_CAPTURE(Pick, maglev, PickerPolicy::Kind::kMaglev)->Apply(Sizes);
BENCHMARK_CAPTURE(Pick, ring_hash, PickerPolicy::Kind::kRingHash)->Apply(Sizes);
BENCHMARK_CAPTURE(ChangeWeight, p2c, PickerPolicy::Kind::kP2c)->Arg(50'000);
BENCHMARK_CAPTURE(ChangeWeight, maglev, PickerPolicy::Kind::kMaglev)->Arg(50'000);

}  // namespace
}  // namespace pointsman::bench

BENCHMARK_MAIN();
