#pragma once

// Everything this gateway holds, and the routing table made of it: the running configuration, one
// that waits for its slices, all slices, and what names resolved to. A pure step: bundles, time and
// resolved names go in; tables, refusals and cells to retire come out. The last good is kept
// whatever is refused.
//
// A new configuration is staged until each service it newly names has its first slice, or 5 s after
// it was first named; a service without a slice then answers 503 ("no-slice") for itself alone.
// Slices leave with the configuration that drops their service, or with the second in a row that
// does not name it. A staged configuration counts as held in Hello and Ack: it needs nothing more
// from the controller to run.
//
// Thread-compatible. The EndpointCells must outlive this.

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/core/time.h"
#include "gateway/core/cells.h"
#include "gateway/core/router.h"
#include "gateway/core/routing_table.h"
#include "gateway/core/service_build.h"
#include "gateway/core/slice_state.h"
#include "pointsman/v1/gateway.pb.h"

namespace pointsman::gateway {

struct TableStateOptions {
  Place place;
  std::string gateway = {};  // This gateway's name.
  absl::Duration stage_wait = absl::Seconds(5);
};

// What became of a bundle.
struct BundleResult {
  struct Refused {
    std::string service;  // Empty: the configuration.
    Refusal refusal;
    VersionPair version;
  };
  std::vector<std::string> services;  // Named by frames, ascending, without repeats.
  bool config = false;                // The bundle had a configuration.
  std::vector<Refused> refused;
  bool changed = false;  // Something was applied: build a table.
};

struct BuiltTable {
  std::shared_ptr<const RoutingTable> table;
  // To be retired once no worker runs an older table.
  std::vector<CellRef> retired;
};

class TableState {
 public:
  static constexpr size_t kSlicesMax = 10'000;

  TableState(EndpointCells& cells, TableStateOptions options);

  BundleResult Apply(const v1::Bundle& bundle, common::MonotonicTime now);
  // A snapshot: its configuration runs at once. InvalidArgument: any part of it is refused; then
  // nothing may be used (make a new TableState).
  absl::Status Restore(const v1::Bundle& snapshot, common::MonotonicTime now);
  // Without a controller: configuration and its own endpoints, at once. `revision` ascends.
  absl::Status ApplyStatic(const v1::Config& config, uint64_t revision, common::MonotonicTime now);

  // Runs the staged configuration if its time has come; true: build a table.
  bool Advance(common::MonotonicTime now);
  // When Advance is due next; Infinite: nothing is staged.
  common::MonotonicTime wake_at() const;

  // Names to be resolved, ascending. O(1) while no endpoint says anew who it is.
  const std::vector<std::string>& Names();
  // True: an endpoint's address changed: build a table. `addresses` without ports; empty (the name
  // does not exist or cannot be resolved now) keeps what was known. When one of two families is
  // missing, as if its question had been lost, what was known of it is kept until that many answers
  // in a row say so.
  static constexpr int kAnswersWithoutFamily = 3;
  bool SetResolved(const std::string& name, std::vector<common::Address> addresses);

  // The table of what is held now. Parts that did not change are shared with the last one, and cost
  // nothing unless the configuration changed.
  BuiltTable Build();

  // Pair of the configuration, staged or running.
  VersionPair config_version() const;
  bool has_config() const { return running_ != nullptr; }
  const std::map<std::string, SliceState>& slices() const { return slices_; }
  const std::string& store_id() const { return store_id_; }
  // True: every service that runs has its slice; the gateway can serve what it is configured for.
  bool complete() const;

  // Running configuration and its slices, as Restore takes them.
  v1::Bundle Snapshot() const;

 private:
  struct Configuration {
    VersionPair version;
    v1::Config message;
    std::vector<std::string> services;        // Ascending: the order of RoutingTable::services.
    std::map<std::string, uint32_t> indexes;  // Into services.
    std::shared_ptr<const Router> router;
    std::map<std::string, ServiceSettings> settings;
    std::shared_ptr<const UpstreamTlsMap> upstream_tls;
  };

  absl::StatusOr<std::shared_ptr<const Configuration>> Read(const v1::ConfigFrame& frame) const;
  std::optional<Refusal> ApplyConfig(const v1::ConfigFrame& frame, common::MonotonicTime now,
                                     bool* changed);
  std::optional<Refusal> ApplySlice(const v1::SliceFrame& frame, bool* changed);
  void Activate(std::shared_ptr<const Configuration> next);
  void DropUnnamed(const Configuration& next);
  void Drop(const std::string& service);
  std::shared_ptr<const ServiceTable> BuildService(const std::string& name);
  void BuildServices();

  EndpointCells& cells_;
  const TableStateOptions options_;
  std::string store_id_;
  std::shared_ptr<const Configuration> running_;
  std::shared_ptr<const Configuration> staged_;
  std::map<std::string, common::MonotonicTime> waiting_since_;  // Services newly named.
  std::map<std::string, SliceState> slices_;
  std::set<std::string> unnamed_;  // Slices that the running configuration does not name.
  ResolvedNames names_;
  // Answers in a row that lacked a family which is known.
  std::map<std::string, int> lacking_;
  std::optional<std::vector<std::string>> wanted_names_;  // Empty: to be collected anew.
  std::map<std::string, ServiceBuilder> builders_;
  std::map<std::string, SliceChange> changes_;  // Since the last Build, of slices.
  std::map<std::string, std::shared_ptr<const ServiceTable>> built_;
  std::set<std::string> repolicied_;  // Services to build again for their policy alone.
  // As of the last Build.
  BlockList<std::shared_ptr<const ServiceTable>> services_;
  bool relist_ = false;  // The configuration changed since.
  uint64_t lineup_ = 0;
  std::vector<CellRef> retired_;
  uint64_t serial_ = 0;
};

}  // namespace pointsman::gateway
