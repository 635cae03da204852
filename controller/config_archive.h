#pragma once

// Reads and writes configurations in the shared store (config_objects.h says how they lie there).
// Every function blocks on the store, at most ten seconds for each of its answers: one thread of
// its own uses it. Thread-compatible. Does not own the store.
//
// Errors, all with a reason: Unavailable "STORE_UNAVAILABLE" (the store does not answer or take
// writes), DataLoss "STORE_DAMAGED" (what is stored cannot be read).

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controller/store/shared_store.h"
#include "pointsman/v1/admin.pb.h"
#include "pointsman/v1/config.pb.h"
#include "pointsman/v1/stored.pb.h"

namespace pointsman::controller {

// Names listed in ConfigRevision.changed at most; one more entry says how many are left out.
inline constexpr int kChangedNamesMax = 1'000;

class ConfigArchive {
 public:
  explicit ConfigArchive(SharedStore* store) : store_(store) {}

  // The number of the current revision; 0: there is none.
  absl::StatusOr<uint64_t> LoadHead();
  // NotFound "REVISION_NOT_FOUND".
  absl::StatusOr<v1::StoredRevision> LoadRecord(uint64_t revision);
  // O(resources).
  absl::StatusOr<v1::Config> LoadContent(const v1::StoredRevision& record);
  // Newest first, below `before` (0: all).
  absl::StatusOr<std::vector<v1::ConfigRevision>> ListRecords(uint64_t before, uint32_t limit);

  // Writes what is not there yet, then the record, then moves the head to it, guarded: Aborted
  // "CONCURRENT_CHANGE" when the head moved since LoadHead() or Store(). Deletes the record that
  // is `keep` revisions older. After a failure the head may have moved: LoadHead() tells.
  absl::Status Store(v1::StoredRevision record, const v1::Config& config, uint64_t keep);

  // Deletes objects that no kept revision names. O(all objects and records).
  absl::Status CollectGarbage();

  // Absent: not frozen.
  absl::StatusOr<v1::StoredFreeze> LoadFreeze();
  absl::Status StoreFreeze(const v1::StoredFreeze& freeze);

  // Which text the file of --config had when it was applied last; empty: none was.
  absl::StatusOr<std::string> LoadFileDigest();
  absl::Status StoreFileDigest(const std::string& digest);

 private:
  absl::StatusOr<ListResult> List(ListOptions options);
  absl::StatusOr<TxnResult> Txn(TxnRequest request);
  // The values by key; DataLoss when one is absent.
  absl::StatusOr<std::map<std::string, std::string>> GetObjects(
      const std::vector<std::string>& hashes);
  absl::StatusOr<std::vector<v1::Config>> LoadPages(const v1::StoredRevision& record);
  absl::Status WriteObjects(const std::map<std::string, std::string>& objects);

  SharedStore* const store_;
  uint64_t head_mod_revision_ = 0;
  // Hashes of objects known to be stored.
  std::set<std::string> stored_;
};

}  // namespace pointsman::controller
