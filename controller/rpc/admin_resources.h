#pragma once

// The standard methods on single resources, as changes of a whole configuration: what Create,
// Update and Delete of services, routes and overrides mean. Pure; thread-safe (no state).
//
// Errors, reasons in quotes: InvalidArgument "NAME_INVALID", "MASK_INVALID"; NotFound
// "RESOURCE_NOT_FOUND" (names the nearest known one); AlreadyExists "RESOURCE_EXISTS"; Aborted
// "ETAG_MISMATCH". Whether the outcome is a valid configuration is checked by Apply.

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/field_mask.pb.h"
#include "google/protobuf/message.h"
#include "pointsman/v1/config.pb.h"

namespace pointsman::controller {

// One kind of resource: where it lies in a configuration and what its names look like.
struct ServiceKind {
  using Resource = v1::Service;
  static constexpr absl::string_view kCollection = "services";
  static const auto& In(const v1::Config& config) { return config.services(); }
  static auto* In(v1::Config* config) { return config->mutable_services(); }
  static bool IsId(absl::string_view id);
};
struct RouteKind {
  using Resource = v1::Route;
  static constexpr absl::string_view kCollection = "routes";
  static const auto& In(const v1::Config& config) { return config.routes(); }
  static auto* In(v1::Config* config) { return config->mutable_routes(); }
  static bool IsId(absl::string_view id);
};
struct OverrideKind {
  using Resource = v1::Override;
  static constexpr absl::string_view kCollection = "overrides";
  static const auto& In(const v1::Config& config) { return config.overrides(); }
  static auto* In(v1::Config* config) { return config->mutable_overrides(); }
  static bool IsId(absl::string_view id);
};

// The full name of "services/web" or "web".
template <typename Kind>
absl::StatusOr<std::string> ResourceName(absl::string_view name);

// The resource, by full name; null: absent. O(log n): configurations are sorted by name.
template <typename Kind>
const typename Kind::Resource* FindResource(const v1::Config& config, absl::string_view name);

// As FindResource with NotFound.
template <typename Kind>
absl::StatusOr<const typename Kind::Resource*> GetResource(const v1::Config& config,
                                                           absl::string_view name);

template <typename Kind>
absl::Status CreateResource(absl::string_view id, typename Kind::Resource resource,
                            v1::Config* config);

// REQUIRES: resource.name() is full.
template <typename Kind>
absl::Status UpdateResource(const typename Kind::Resource& resource,
                            const google::protobuf::FieldMask& mask, bool allow_missing,
                            v1::Config* config);

template <typename Kind>
absl::Status DeleteResource(absl::string_view name, absl::string_view etag, v1::Config* config);

// Takes the mask's top-level fields over from `from` (absent there: cleared); an empty mask: those
// that are set in `from`; "*": all. The name, and what the server sets, stay.
absl::Status MergeFields(const google::protobuf::Message& from,
                         const google::protobuf::FieldMask& mask, google::protobuf::Message* to);

}  // namespace pointsman::controller
