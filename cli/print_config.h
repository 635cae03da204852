#pragma once

// Configuration as text for people: services, routes, overrides, revisions and changes. Pure
// functions of messages; thread-safe.

#include <map>
#include <string>

#include "absl/time/time.h"
#include "cli/text.h"
#include "google/protobuf/repeated_field.h"
#include "pointsman/v1/admin.pb.h"

namespace pointsman::cli {

// `states` are all endpoints (summed up by service); may be empty.
std::string ServicesTable(const google::protobuf::RepeatedPtrField<v1::Service>& services,
                          const google::protobuf::RepeatedPtrField<v1::EndpointState>& states,
                          const Style& style);
std::string RoutesTable(const google::protobuf::RepeatedPtrField<v1::Route>& routes,
                        const Style& style);
std::string OverridesTable(const google::protobuf::RepeatedPtrField<v1::Override>& overrides,
                           const Style& style, absl::TimeZone zone);
std::string RevisionsTable(const google::protobuf::RepeatedPtrField<v1::ConfigRevision>& revisions,
                           const Style& style, absl::TimeZone zone);

// "created services/web" and so on, a line each; with the difference of each when `lines`.
std::string ChangesText(const google::protobuf::RepeatedPtrField<v1::ConfigChange>& changes,
                        bool lines, const Style& style);

}  // namespace pointsman::cli
