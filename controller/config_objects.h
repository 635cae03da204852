#pragma once

// How configurations lie in the shared store: immutable objects named by the hash of their bytes,
// and one head moved by compare-and-swap.
//   config/object/HASH      one resource, or one page of a revision's index
//   config/revision/NUMBER  v1::StoredRevision: who, when, why, and the pages of its index
//   config/head             NUMBER of the current revision
// A page is a v1::Config of at most kPageResources resources reduced to name, revision and etag
// (the object's hash). Unchanged resources and pages are shared between revisions. Pure; values
// are thread-compatible.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "pointsman/v1/config.pb.h"

namespace pointsman::controller {

inline constexpr char kConfigHeadKey[] = "config/head";
inline constexpr char kConfigObjectPrefix[] = "config/object/";
inline constexpr char kConfigRevisionPrefix[] = "config/revision/";
inline constexpr int kPageResources = 1'000;

// "config/revision/00000000000000000007": keys sort as numbers do.
std::string RevisionKey(uint64_t revision);
// 32 hexadecimal digits of SHA-256.
std::string ContentHash(absl::string_view bytes);
// Equal messages give equal bytes (maps by key).
std::string StableBytes(const google::protobuf::Message& message);
// The resource's object: its bytes without revision and etag.
std::string ObjectBytes(const v1::Service& service);
std::string ObjectBytes(const v1::Route& route);
std::string ObjectBytes(const v1::Override& override);

struct ConfigObjects {
  // Hash to bytes: resources and pages.
  std::map<std::string, std::string> objects;
  // Hashes of the index's pages, in order.
  std::vector<std::string> pages;
};

// REQUIRES: every resource's etag is its object's hash (MakePlan sees to it).
ConfigObjects SplitConfig(const v1::Config& config);
// Hashes of the resources a page names.
std::vector<std::string> PageHashes(const v1::Config& page);
// Puts a configuration together from pages in order and the resources' bytes by hash. DataLoss:
// an object is absent or cannot be read.
absl::StatusOr<v1::Config> JoinConfig(const std::vector<v1::Config>& pages,
                                      const std::map<std::string, std::string>& objects);

}  // namespace pointsman::controller
