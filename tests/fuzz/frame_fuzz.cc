// Bytes of a Bundle, as a controller or a snapshot could bring them, into everything that reads
// them. What was applied must survive a snapshot and give a table that can be picked from.

#include <cstddef>
#include <cstdint>
#include <random>

#include "common/core/check.h"
#include "gateway/core/picker.h"
#include "gateway/core/table_state.h"
#include "pointsman/v1/gateway.pb.h"

using pointsman::common::MonotonicTime;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace gateway = pointsman::gateway;
  pointsman::v1::Bundle bundle;
  if (!bundle.ParseFromArray(data, static_cast<int>(size))) return 0;
  gateway::EndpointCells cells(1);
  gateway::TableState state(cells, {});
  const MonotonicTime now = MonotonicTime::FromMicros(1);
  (void)state.Apply(bundle, now);
  (void)state.Advance(now + absl::Seconds(10));
  const gateway::BuiltTable built = state.Build();
  const gateway::LocalAvoidance avoidance(cells.worker(0));
  std::mt19937_64 random(size);
  for (const auto& service : built.table->services) {
    const gateway::PickResult result =
        gateway::Pick(*service, {cells.worker(0), avoidance, now}, {}, {}, random);
    PM_CHECK(result.endpoint == nullptr || result.endpoint->routable);
  }
  if (!state.has_config()) return 0;
  gateway::EndpointCells other_cells(1);
  gateway::TableState other(other_cells, {});
  PM_CHECK(other.Restore(state.Snapshot(), now).ok());
  // Slices of services that no configuration names are not part of a snapshot.
  for (const auto& [name, slice] : other.slices()) PM_CHECK(slice == state.slices().at(name));
  return 0;
}
