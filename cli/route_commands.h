#pragma once

// Commands about routes. Thread-compatible.

#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"

namespace pointsman::cli {

struct RouteTestArguments {
  std::string method;
  std::string url;                         // "https://api.example.com/v1/x?a=1", or "/v1/x".
  std::vector<std::string> headers;        // "name: value".
  std::string body;                        // A file; empty: it is not known. "-": standard input.
  std::string client;                      // The client's address; empty: at none.
  std::vector<std::string> files;          // Of configuration; empty: the controller's.
  std::optional<std::string> static_file;  // Of a gateway, instead of those.
};

// Which route a request would go to, and why the nearer ones do not take it: decided by the code
// that decides in gateways. Without files the controller's configuration is asked for. NotFound:
// no route takes it (the answer is written all the same). InvalidArgument: what is no request.
CommandResult TestRoute(const RouteTestArguments& arguments, const CommandContext& context);

}  // namespace pointsman::cli
