#include "controller/rpc/admin_resources.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/core/error_reason.h"
#include "common/core/names.h"
#include "common/core/status_macros.h"
#include "controller/config_plan.h"

namespace pointsman::controller {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::FieldMask;
using google::protobuf::Message;

// Names in a "did you mean" are looked for among this many at most.
constexpr int kNearestMax = 1'000;

absl::Status NotFound(absl::string_view name, const std::vector<std::string>& known) {
  const std::optional<std::string> nearest = common::NearestName(name, known);
  return common::WithReason(absl::NotFoundError(absl::StrCat(
                                "no ", name, " in the configuration",
                                nearest ? absl::StrCat("; did you mean ", *nearest, "?") : "")),
                            "RESOURCE_NOT_FOUND", {{"resource", std::string(name)}});
}

// Set by the server, or the identity of the resource.
bool IsServerField(const FieldDescriptor& field) {
  static const auto* names =
      new std::set<std::string>{"name", "revision", "etag", "author", "create_time"};
  return names->contains(field.name());
}

absl::StatusOr<std::vector<const FieldDescriptor*>> MaskFields(const Message& from,
                                                               const FieldMask& mask) {
  std::vector<const FieldDescriptor*> fields;
  const google::protobuf::Descriptor& type = *from.GetDescriptor();
  if (mask.paths_size() == 0) {
    from.GetReflection()->ListFields(from, &fields);
    return fields;
  }
  std::vector<std::string> known;
  for (int i = 0; i < type.field_count(); ++i) known.push_back(type.field(i)->name());
  for (const std::string& path : mask.paths()) {
    if (path == "*") {
      for (int i = 0; i < type.field_count(); ++i) fields.push_back(type.field(i));
      continue;
    }
    const FieldDescriptor* field = type.FindFieldByName(path);
    if (field == nullptr) {
      const std::optional<std::string> nearest = common::NearestName(path, known);
      return common::WithReason(absl::InvalidArgumentError(absl::StrCat(
                                    "update_mask: ", path, " is no field of ", type.name(),
                                    nearest ? absl::StrCat("; did you mean ", *nearest, "?") : "",
                                    " (only whole top-level fields can be named)")),
                                "MASK_INVALID", {{"path", path}});
    }
    fields.push_back(field);
  }
  return fields;
}

}  // namespace

bool ServiceKind::IsId(absl::string_view id) { return common::IsServiceId(id); }
bool RouteKind::IsId(absl::string_view id) { return common::IsServiceId(id); }
bool OverrideKind::IsId(absl::string_view id) { return common::IsOverrideId(id); }

absl::Status MergeFields(const Message& from, const FieldMask& mask, Message* to) {
  PM_ASSIGN_OR_RETURN(const auto fields, MaskFields(from, mask));
  const google::protobuf::Reflection& reflection = *from.GetReflection();
  for (const FieldDescriptor* field : fields) {
    if (IsServerField(*field)) continue;
    const bool present = field->is_repeated() ? reflection.FieldSize(from, field) > 0
                                              : reflection.HasField(from, field);
    to->GetReflection()->ClearField(to, field);
    if (!present) continue;
    // The field alone, merged into its cleared place.
    const std::unique_ptr<Message> alone(from.New());
    alone->CopyFrom(from);
    std::vector<const FieldDescriptor*> set;
    reflection.ListFields(from, &set);
    for (const FieldDescriptor* other : set) {
      if (other != field) alone->GetReflection()->ClearField(alone.get(), other);
    }
    to->MergeFrom(*alone);
  }
  return absl::OkStatus();
}

template <typename Kind>
absl::StatusOr<std::string> ResourceName(absl::string_view name) {
  const absl::string_view id = common::BareId(name, Kind::kCollection);
  if (!Kind::IsId(id)) {
    return common::WithReason(
        absl::InvalidArgumentError(absl::StrCat("name \"", name, "\": wanted is \"",
                                                Kind::kCollection, "/ID\" with a valid ID")),
        "NAME_INVALID", {{"field", "name"}});
  }
  return absl::StrCat(Kind::kCollection, "/", id);
}

template <typename Kind>
const typename Kind::Resource* FindResource(const v1::Config& config, absl::string_view name) {
  const auto& all = Kind::In(config);
  const auto found = std::lower_bound(
      all.begin(), all.end(), name,
      [](const auto& resource, absl::string_view wanted) { return resource.name() < wanted; });
  return found == all.end() || found->name() != name ? nullptr : &*found;
}

template <typename Kind>
absl::StatusOr<const typename Kind::Resource*> GetResource(const v1::Config& config,
                                                           absl::string_view name) {
  if (const auto* resource = FindResource<Kind>(config, name)) return resource;
  std::vector<std::string> known;
  for (const auto& resource : Kind::In(config)) {
    if (known.size() >= kNearestMax) break;
    known.push_back(resource.name());
  }
  return NotFound(name, known);
}

template <typename Kind>
absl::Status CreateResource(absl::string_view id, typename Kind::Resource resource,
                            v1::Config* config) {
  PM_ASSIGN_OR_RETURN(const std::string name, ResourceName<Kind>(id));
  if (!resource.name().empty()) {
    PM_ASSIGN_OR_RETURN(const std::string own, ResourceName<Kind>(resource.name()));
    if (own != name) {
      return common::WithReason(absl::InvalidArgumentError(absl::StrCat(
                                    "the resource is named ", own, ", the request says ", name)),
                                "NAME_INVALID", {{"field", "name"}});
    }
  }
  if (FindResource<Kind>(*config, name) != nullptr) {
    return common::WithReason(absl::AlreadyExistsError(absl::StrCat(name, " exists already")),
                              "RESOURCE_EXISTS", {{"resource", name}});
  }
  resource.set_name(name);
  resource.clear_etag();
  *Kind::In(config)->Add() = std::move(resource);
  return absl::OkStatus();
}

template <typename Kind>
absl::Status UpdateResource(const typename Kind::Resource& resource, const FieldMask& mask,
                            bool allow_missing, v1::Config* config) {
  const auto current = GetResource<Kind>(*config, resource.name());
  if (!current.ok()) {
    if (!allow_missing) return current.status();
    PM_RETURN_IF_ERROR(CheckEtag(resource.name(), resource.etag(), ""));
    return CreateResource<Kind>(resource.name(), resource, config);
  }
  PM_RETURN_IF_ERROR(CheckEtag(resource.name(), resource.etag(), (*current)->etag()));
  // The elements are not neighbours in memory: found again by name to be changed.
  auto* all = Kind::In(config);
  const auto own = std::find_if(all->begin(), all->end(), [&](const auto& each) {
    return each.name() == (*current)->name();
  });
  return MergeFields(resource, mask, &*own);
}

template <typename Kind>
absl::Status DeleteResource(absl::string_view name, absl::string_view etag, v1::Config* config) {
  PM_ASSIGN_OR_RETURN(const auto* current, GetResource<Kind>(*config, name));
  PM_RETURN_IF_ERROR(CheckEtag(name, etag, current->etag()));
  auto* all = Kind::In(config);
  all->erase(std::find_if(all->begin(), all->end(),
                          [&](const auto& resource) { return resource.name() == name; }));
  return absl::OkStatus();
}

#define PM_INSTANTIATE(Kind)                                                                  \
  template absl::StatusOr<std::string> ResourceName<Kind>(absl::string_view);                 \
  template const Kind::Resource* FindResource<Kind>(const v1::Config&, absl::string_view);    \
  template absl::StatusOr<const Kind::Resource*> GetResource<Kind>(const v1::Config&,         \
                                                                   absl::string_view);        \
  template absl::Status CreateResource<Kind>(absl::string_view, Kind::Resource, v1::Config*); \
  template absl::Status UpdateResource<Kind>(const Kind::Resource&, const FieldMask&, bool,   \
                                             v1::Config*);                                    \
  template absl::Status DeleteResource<Kind>(absl::string_view, absl::string_view, v1::Config*);
PM_INSTANTIATE(ServiceKind)
PM_INSTANTIATE(RouteKind)
PM_INSTANTIATE(OverrideKind)
#undef PM_INSTANTIATE

}  // namespace pointsman::controller
