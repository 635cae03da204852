#pragma once

// Makes configurations, slices and bundles for the tests of tables and of the control side.
// Thread-safe (no state).

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "pointsman/v1/gateway.pb.h"

namespace pointsman::gateway {

// Services of these names, and a route of each one's name to it by host.
inline v1::ConfigFrame MakeConfig(uint64_t revision, const std::vector<std::string>& services) {
  v1::ConfigFrame frame;
  frame.mutable_version()->set_epoch(1);
  frame.mutable_version()->set_revision(revision);
  for (const std::string& name : services) {
    frame.mutable_config()->add_services()->set_name(absl::StrCat("services/", name));
    v1::Route* route = frame.mutable_config()->add_routes();
    route->set_name(absl::StrCat("routes/", name));
    route->add_hosts(absl::StrCat(name, ".test"));
    route->set_service(name);
  }
  return frame;
}

// A frame of epoch 1 without entries.
inline v1::SliceFrame MakeFrame(const std::string& service, uint64_t base, uint64_t to) {
  v1::SliceFrame frame;
  frame.set_service(service);
  frame.set_epoch(1);
  frame.set_base(base);
  frame.set_to(to);
  return frame;
}

// A routable endpoint "eHANDLE" at 10.0.0.1:(1000 + HANDLE), unless `address` is given.
inline v1::EndpointEntry* AddEndpoint(v1::SliceFrame* frame, uint32_t handle,
                                      uint32_t weight = 65'536, const std::string& address = "") {
  v1::EndpointEntry* entry = frame->add_entries();
  entry->set_handle(handle);
  entry->set_revision(frame->to());
  entry->set_info_revision(frame->to());
  entry->set_weight(weight);
  entry->set_routable(true);
  entry->set_verdict(v1::VERDICT_HEALTHY);
  entry->mutable_info()->set_id(absl::StrCat("e", handle));
  entry->mutable_info()->set_address(
      address.empty() ? absl::StrCat("10.0.", handle / 60'000, ".1:", 1000 + handle % 60'000)
                      : address);
  return entry;
}

// The whole slice of `service` with endpoints 1 to `endpoints`.
inline v1::SliceFrame MakeSlice(const std::string& service, uint64_t to, uint32_t endpoints) {
  v1::SliceFrame frame = MakeFrame(service, 0, to);
  for (uint32_t handle = 1; handle <= endpoints; ++handle) AddEndpoint(&frame, handle);
  return frame;
}

}  // namespace pointsman::gateway
