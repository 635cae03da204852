#include "controller/rpc/admin_drain.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/core/error_reason.h"

namespace pointsman::controller {
namespace {

auto Find(v1::Config* config, const std::string& name) {
  auto* overrides = config->mutable_overrides();
  return std::find_if(overrides->begin(), overrides->end(),
                      [&](const v1::Override& override) { return override.name() == name; });
}

}  // namespace

std::string DrainOverrideName(const common::EndpointRef& endpoint) {
  return common::OverrideName(absl::StrCat(endpoint.service, ".", endpoint.endpoint));
}

absl::Status AddDrain(const common::EndpointRef& endpoint, absl::string_view comment,
                      v1::Config* config) {
  const std::string name = DrainOverrideName(endpoint);
  auto found = Find(config, name);
  v1::Override& override =
      found == config->mutable_overrides()->end() ? *config->add_overrides() : *found;
  override.set_name(name);
  override.set_service(endpoint.service);
  override.set_endpoint(endpoint.endpoint);
  override.set_drain(true);
  override.set_comment(std::string(comment));
  return absl::OkStatus();
}

absl::Status RemoveDrain(const common::EndpointRef& endpoint, v1::Config* config) {
  const auto found = Find(config, DrainOverrideName(endpoint));
  if (found == config->mutable_overrides()->end() || !found->drain()) {
    const std::string name = common::EndpointName(endpoint.service, endpoint.endpoint);
    return common::WithReason(
        absl::NotFoundError(absl::StrCat(name,
                                         " is not drained by \"pointsman drain\"; see "
                                         "\"pointsman get overrides\" for other overrides")),
        "NOT_DRAINED", {{"resource", name}});
  }
  config->mutable_overrides()->erase(found);
  return absl::OkStatus();
}

}  // namespace pointsman::controller
