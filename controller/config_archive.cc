#include "controller/config_archive.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/core/error_reason.h"
#include "common/core/status_macros.h"
#include "controller/config_objects.h"
#include "controller/store/await.h"
#include "controller/store/store_error.h"

namespace pointsman::controller {
namespace {

constexpr char kFreezeKey[] = "switch/freeze";
constexpr char kFileKey[] = "switch/file";
// Room for the rest of a transaction that carries objects.
constexpr size_t kObjectTxnBytes = kTxnBytesMax / 2;

absl::Status Damaged(absl::string_view what) {
  return common::WithReason(absl::DataLossError(absl::StrCat("store: ", what, " cannot be read")),
                            "STORE_DAMAGED");
}

std::string ObjectKey(absl::string_view hash) { return absl::StrCat(kConfigObjectPrefix, hash); }

}  // namespace

absl::StatusOr<ListResult> ConfigArchive::List(ListOptions options) {
  absl::StatusOr<ListResult> result =
      Await<ListResult>([&](auto done) { store_->List(std::move(options), std::move(done)); });
  if (!result.ok()) return WithStoreReason(result.status());
  return result;
}

absl::StatusOr<TxnResult> ConfigArchive::Txn(TxnRequest request) {
  absl::StatusOr<TxnResult> result =
      Await<TxnResult>([&](auto done) { store_->Txn(std::move(request), std::move(done)); });
  if (!result.ok()) return WithStoreReason(result.status());
  return result;
}

absl::StatusOr<uint64_t> ConfigArchive::LoadHead() {
  PM_ASSIGN_OR_RETURN(const ListResult head, List({.prefix = kConfigHeadKey}));
  head_mod_revision_ = 0;
  if (head.items.empty()) return 0;
  uint64_t revision;
  if (!absl::SimpleAtoi(head.items[0].value, &revision)) return Damaged(kConfigHeadKey);
  head_mod_revision_ = head.items[0].mod_revision;
  return revision;
}

absl::StatusOr<v1::StoredRevision> ConfigArchive::LoadRecord(uint64_t revision) {
  const std::string key = RevisionKey(revision);
  PM_ASSIGN_OR_RETURN(const ListResult list, List({.prefix = key}));
  if (list.items.empty()) {
    return common::WithReason(
        absl::NotFoundError(absl::StrCat("no revision ", revision, " (the newest ones are kept)")),
        "REVISION_NOT_FOUND", {{"revision", absl::StrCat(revision)}});
  }
  v1::StoredRevision record;
  if (!record.ParseFromString(list.items[0].value)) return Damaged(key);
  return record;
}

absl::StatusOr<std::map<std::string, std::string>> ConfigArchive::GetObjects(
    const std::vector<std::string>& hashes) {
  std::map<std::string, std::string> objects;
  for (size_t begin = 0; begin < hashes.size(); begin += kGetKeysMax) {
    std::vector<std::string> keys;
    const size_t end = std::min(hashes.size(), begin + kGetKeysMax);
    for (size_t i = begin; i < end; ++i) keys.push_back(ObjectKey(hashes[i]));
    absl::StatusOr<ListResult> result =
        Await<ListResult>([&](auto done) { store_->Get(std::move(keys), std::move(done)); });
    if (!result.ok()) return WithStoreReason(result.status());
    for (StoreItem& item : result->items) {
      objects[item.key.substr(sizeof(kConfigObjectPrefix) - 1)] = std::move(item.value);
    }
  }
  return objects;
}

absl::StatusOr<std::vector<v1::Config>> ConfigArchive::LoadPages(const v1::StoredRevision& record) {
  const std::vector<std::string> hashes(record.pages().begin(), record.pages().end());
  PM_ASSIGN_OR_RETURN(const auto objects, GetObjects(hashes));
  std::vector<v1::Config> pages;
  for (const std::string& hash : hashes) {
    const auto found = objects.find(hash);
    v1::Config page;
    if (found == objects.end() || !page.ParseFromString(found->second)) {
      return Damaged(ObjectKey(hash));
    }
    pages.push_back(std::move(page));
  }
  return pages;
}

absl::StatusOr<v1::Config> ConfigArchive::LoadContent(const v1::StoredRevision& record) {
  PM_ASSIGN_OR_RETURN(const std::vector<v1::Config> pages, LoadPages(record));
  std::vector<std::string> hashes;
  for (const v1::Config& page : pages) {
    for (std::string& hash : PageHashes(page)) hashes.push_back(std::move(hash));
  }
  PM_ASSIGN_OR_RETURN(const auto objects, GetObjects(hashes));
  absl::StatusOr<v1::Config> config = JoinConfig(pages, objects);
  if (!config.ok()) return WithStoreReason(config.status());
  return config;
}

absl::StatusOr<std::vector<v1::ConfigRevision>> ConfigArchive::ListRecords(uint64_t before,
                                                                           uint32_t limit) {
  ListOptions options;
  options.prefix = kConfigRevisionPrefix;
  options.descending = true;
  options.limit = limit;
  if (before > 0) options.after = RevisionKey(before);
  PM_ASSIGN_OR_RETURN(const ListResult list, List(std::move(options)));
  std::vector<v1::ConfigRevision> revisions;
  for (const StoreItem& item : list.items) {
    v1::StoredRevision record;
    if (!record.ParseFromString(item.value)) return Damaged(item.key);
    revisions.push_back(std::move(*record.mutable_revision()));
  }
  return revisions;
}

absl::Status ConfigArchive::WriteObjects(const std::map<std::string, std::string>& objects) {
  TxnRequest txn;
  std::vector<std::string> hashes;
  size_t bytes = 0;
  const auto flush = [&]() -> absl::Status {
    if (txn.puts.empty()) return absl::OkStatus();
    PM_RETURN_IF_ERROR(Txn(std::exchange(txn, {})).status());
    stored_.insert(hashes.begin(), hashes.end());
    hashes.clear();
    bytes = 0;
    return absl::OkStatus();
  };
  for (const auto& [hash, content] : objects) {
    if (stored_.contains(hash)) continue;
    const size_t size = content.size() + ObjectKey(hash).size();
    if (bytes + size > kObjectTxnBytes || txn.puts.size() >= kTxnOperationsMax) {
      PM_RETURN_IF_ERROR(flush());
    }
    txn.puts.push_back({ObjectKey(hash), content});
    hashes.push_back(hash);
    bytes += size;
  }
  return flush();
}

absl::Status ConfigArchive::Store(v1::StoredRevision record, const v1::Config& config,
                                  uint64_t keep) {
  const ConfigObjects objects = SplitConfig(config);
  PM_RETURN_IF_ERROR(WriteObjects(objects.objects));
  for (const std::string& page : objects.pages) record.add_pages(page);
  const uint64_t revision = record.revision().revision();
  TxnRequest txn;
  txn.compares = {{kConfigHeadKey, head_mod_revision_}};
  txn.puts = {{RevisionKey(revision), record.SerializeAsString()},
              {kConfigHeadKey, absl::StrCat(revision)}};
  if (revision > keep) txn.deletes = {RevisionKey(revision - keep)};
  PM_ASSIGN_OR_RETURN(const TxnResult result, Txn(std::move(txn)));
  if (!result.succeeded) {
    return common::WithReason(
        absl::AbortedError("the configuration was changed at the same time; try again"),
        "CONCURRENT_CHANGE");
  }
  head_mod_revision_ = result.revision;
  return absl::OkStatus();
}

absl::Status ConfigArchive::CollectGarbage() {
  PM_ASSIGN_OR_RETURN(const ListResult records, List({.prefix = kConfigRevisionPrefix}));
  std::set<std::string> page_hashes;
  v1::StoredRevision pages;
  for (const StoreItem& item : records.items) {
    v1::StoredRevision record;
    if (!record.ParseFromString(item.value)) return Damaged(item.key);
    page_hashes.insert(record.pages().begin(), record.pages().end());
  }
  for (const std::string& hash : page_hashes) pages.add_pages(hash);
  PM_ASSIGN_OR_RETURN(const std::vector<v1::Config> indexes, LoadPages(pages));
  std::set<std::string> named = std::move(page_hashes);
  for (const v1::Config& index : indexes) {
    for (std::string& hash : PageHashes(index)) named.insert(std::move(hash));
  }
  PM_ASSIGN_OR_RETURN(const ListResult objects,
                      List({.prefix = kConfigObjectPrefix, .keys_only = true}));
  stored_.clear();
  TxnRequest txn;
  for (const StoreItem& item : objects.items) {
    std::string hash = item.key.substr(sizeof(kConfigObjectPrefix) - 1);
    if (named.contains(hash)) {
      stored_.insert(std::move(hash));
      continue;
    }
    txn.deletes.push_back(item.key);
    if (txn.deletes.size() == kTxnOperationsMax) {
      PM_RETURN_IF_ERROR(Txn(std::exchange(txn, {})).status());
    }
  }
  return txn.deletes.empty() ? absl::OkStatus() : Txn(std::move(txn)).status();
}

absl::StatusOr<v1::StoredFreeze> ConfigArchive::LoadFreeze() {
  PM_ASSIGN_OR_RETURN(const ListResult list, List({.prefix = kFreezeKey}));
  v1::StoredFreeze freeze;
  if (!list.items.empty() && !freeze.ParseFromString(list.items[0].value)) {
    return Damaged(kFreezeKey);
  }
  return freeze;
}

absl::Status ConfigArchive::StoreFreeze(const v1::StoredFreeze& freeze) {
  TxnRequest txn;
  txn.puts = {{kFreezeKey, freeze.SerializeAsString()}};
  return Txn(std::move(txn)).status();
}

absl::StatusOr<std::string> ConfigArchive::LoadFileDigest() {
  PM_ASSIGN_OR_RETURN(const ListResult list, List({.prefix = kFileKey}));
  return list.items.empty() ? std::string() : list.items[0].value;
}

absl::Status ConfigArchive::StoreFileDigest(const std::string& digest) {
  TxnRequest txn;
  txn.puts = {{kFileKey, digest}};
  return Txn(std::move(txn)).status();
}

}  // namespace pointsman::controller
