#include "controller/config_plan.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/core/config_format.h"
#include "common/core/config_problem.h"
#include "common/core/config_validate.h"
#include "common/core/error_reason.h"
#include "common/core/status_macros.h"
#include "controller/config_objects.h"

namespace pointsman::controller {
namespace {

void ClearServerFields(v1::Service& service) {
  service.clear_revision();
  service.clear_etag();
}
void ClearServerFields(v1::Route& route) {
  route.clear_revision();
  route.clear_etag();
}
void ClearServerFields(v1::Override& override) {
  override.clear_revision();
  override.clear_etag();
  override.clear_author();
  override.clear_create_time();
}

// What people wrote, without what the server set.
template <typename Resource>
std::string Content(Resource resource) {
  ClearServerFields(resource);
  return StableBytes(resource);
}

void SetAuthor(const PlanInput&, v1::Service&) {}
void SetAuthor(const PlanInput&, v1::Route&) {}
void SetAuthor(const PlanInput& input, v1::Override& override) {
  override.set_author(input.actor);
  override.mutable_create_time()->set_seconds(absl::ToUnixSeconds(input.now));
}

std::string Text(const google::protobuf::Message* resource, size_t& bytes_left) {
  if (resource == nullptr || bytes_left == 0) return "";
  common::FormatOptions options;
  options.server_fields = false;
  std::string text = common::FormatYaml(*resource, options);
  bytes_left -= std::min(bytes_left, text.size());
  return bytes_left == 0 ? "" : text;
}

struct Collected {
  std::vector<v1::ConfigChange> changes;
  size_t text_bytes_left = kChangeTextBytesMax;

  void Add(v1::ConfigChange::Kind kind, const std::string& name,
           const google::protobuf::Message* before, const google::protobuf::Message* after) {
    v1::ConfigChange change;
    change.set_kind(kind);
    change.set_name(name);
    change.set_before(Text(before, text_bytes_left));
    change.set_after(Text(after, text_bytes_left));
    changes.push_back(std::move(change));
  }
};

// Decides about all resources of one kind: `wanted` is sorted and stamped in place.
template <typename Resources>
absl::Status PlanKind(const PlanInput& input, const Resources& current, Resources& wanted,
                      Collected& collected) {
  using Resource = std::decay_t<decltype(wanted[0])>;
  std::map<absl::string_view, const Resource*> before;
  for (const Resource& resource : current) before[resource.name()] = &resource;
  std::sort(wanted.pointer_begin(), wanted.pointer_end(),
            [](const Resource* a, const Resource* b) { return a->name() < b->name(); });
  for (Resource& resource : wanted) {
    const auto found = before.find(resource.name());
    const Resource* old = found == before.end() ? nullptr : found->second;
    if (old != nullptr) before.erase(found);
    if (input.compare_etags) {
      PM_RETURN_IF_ERROR(
          CheckEtag(resource.name(), resource.etag(), old == nullptr ? "" : old->etag()));
    }
    if (old != nullptr && Content(*old) == Content(resource)) {
      resource = *old;
      continue;
    }
    ClearServerFields(resource);
    SetAuthor(input, resource);
    const std::string bytes = ObjectBytes(resource);
    if (bytes.size() > kResourceBytesMax) {
      return common::WithReason(absl::InvalidArgumentError(absl::StrCat(
                                    resource.name(), ": ", bytes.size(), " bytes; at most ",
                                    kResourceBytesMax, " [CONFIG_LIMIT]")),
                                "CONFIG_INVALID");
    }
    resource.set_etag(ContentHash(bytes));
    resource.set_revision(input.current_revision + 1);
    collected.Add(old == nullptr ? v1::ConfigChange::KIND_CREATED : v1::ConfigChange::KIND_UPDATED,
                  resource.name(), old, &resource);
  }
  for (const auto& [name, old] : before) {
    collected.Add(v1::ConfigChange::KIND_DELETED, std::string(name), old, nullptr);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Plan> MakePlan(PlanInput input) {
  Plan plan;
  plan.config = std::move(input.wanted);
  if (!input.replace_overrides && plan.config.overrides().empty()) {
    *plan.config.mutable_overrides() = input.current->overrides();
  }
  common::NormalizeConfig(&plan.config);
  const absl::Status valid = common::ProblemsToStatus(common::ValidateConfig(plan.config), "");
  if (!valid.ok()) return common::WithReason(valid, "CONFIG_INVALID");
  Collected collected;
  PM_RETURN_IF_ERROR(
      PlanKind(input, input.current->services(), *plan.config.mutable_services(), collected));
  PM_RETURN_IF_ERROR(
      PlanKind(input, input.current->routes(), *plan.config.mutable_routes(), collected));
  PM_RETURN_IF_ERROR(
      PlanKind(input, input.current->overrides(), *plan.config.mutable_overrides(), collected));
  plan.changes = std::move(collected.changes);
  std::sort(plan.changes.begin(), plan.changes.end(),
            [](const auto& a, const auto& b) { return a.name() < b.name(); });
  return plan;
}

absl::Status CheckEtag(absl::string_view name, absl::string_view sent, absl::string_view current) {
  if (sent.empty() || sent == current) return absl::OkStatus();
  return common::WithReason(
      absl::AbortedError(absl::StrCat(name, " has changed since it was read (etag ", sent, ", now ",
                                      current.empty() ? "absent" : current,
                                      "); read it again and repeat the change")),
      "ETAG_MISMATCH",
      {{"resource", std::string(name)},
       {"etag", std::string(sent)},
       {"current_etag", std::string(current)}});
}

std::string ChangesSummary(const std::vector<v1::ConfigChange>& changes) {
  int created = 0;
  int updated = 0;
  int deleted = 0;
  for (const v1::ConfigChange& change : changes) {
    created += change.kind() == v1::ConfigChange::KIND_CREATED;
    updated += change.kind() == v1::ConfigChange::KIND_UPDATED;
    deleted += change.kind() == v1::ConfigChange::KIND_DELETED;
  }
  std::string text;
  const auto add = [&text](int count, absl::string_view what) {
    if (count > 0) absl::StrAppend(&text, text.empty() ? "" : ", ", count, " ", what);
  };
  add(created, "created");
  add(updated, "updated");
  add(deleted, "deleted");
  return text.empty() ? "nothing changed" : text;
}

}  // namespace pointsman::controller
