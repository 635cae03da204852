#pragma once

// A request to be matched, with everything that routes look at but a body. Values;
// thread-compatible.

#include <map>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "common/core/ip_address.h"
#include "gateway/core/route.h"

namespace pointsman::gateway {

struct AskedRequest {
  std::string path = "/";
  std::string host = "h";
  std::string method = "GET";
  std::map<std::string, std::string> headers = {};
  std::string query = {};
  std::map<std::string, std::string> cookies = {};
  std::string client = {};  // Empty: at no address.
};

// Returns what `use` makes of the request, whose body is known and empty.
template <typename Use>
auto WithRequest(const AskedRequest& asked, Use use) {
  const auto find = [](const auto& map, absl::string_view name) {
    const auto it = map.find(std::string(name));
    return it == map.end() ? std::nullopt : std::optional<absl::string_view>(it->second);
  };
  const auto header = [&](absl::string_view name) { return find(asked.headers, name); };
  const auto cookie = [&](absl::string_view name) { return find(asked.cookies, name); };
  const auto client = [&] { return common::ParseIpAddress(asked.client); };
  const auto query = [&] { return absl::string_view(asked.query); };
  return use(RouteRequest{.host = asked.host,
                          .path = asked.path,
                          .method = asked.method,
                          .header = header,
                          .query = query,
                          .cookie = cookie,
                          .client = client});
}

}  // namespace pointsman::gateway
