#pragma once

// The small HTTP server beside each program: /metrics, /healthz, /readyz and whatever pages the
// program adds. One request a connection, one or two threads, small bounds: it is a door for
// operators and scrapers, never for traffic.
//
// Nobody is authenticated here. So what changes something is asked by POST, from this host and not
// by a page of another site (403); and a request whose Host is a name other than localhost gets
// 421, or else a site could have its visitors' browsers read pages here under a name of its own
// (DNS rebinding). Metrics, health and readiness may be asked for under any name.
//
// AdminServer is thread-safe; handlers run on its threads. It owns its threads and socket; the
// destructor stops accepting, waits for running handlers and joins.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/metrics.h"

namespace pointsman::common {

struct AdminRequest {
  std::string path;
  // Decoded query parameters; of several of one name, the first.
  std::map<std::string, std::string> query = {};
};

struct AdminResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body = {};
};

using AdminHandler = std::function<AdminResponse(const AdminRequest&)>;

struct AdminPage {
  // Exact path: "/tables".
  std::string path;
  AdminHandler handler;
  // By POST: it changes something. A path may have one page of each kind.
  bool changes = false;
};

struct AdminServerOptions {
  // "127.0.0.1:0": an IPv4 or IPv6 address and port, 0 for any free one.
  std::string listen;
  // A socket that listens already, in place of `listen`; owned by the server from then on, also
  // when it does not start. Negative: none.
  int inherited_fd = -1;
  int threads = 1;
  // Scraped at /metrics; null: no such page. Must outlive the server.
  const Registry* metrics = nullptr;
  // /readyz answers 200 when true, else 503. Null: always ready. /healthz always answers 200.
  std::function<bool()> ready;
  std::vector<AdminPage> pages;
  // Of `pages`, those that may be asked for under any name.
  std::vector<std::string> any_host_paths;
};

class AdminServer {
 public:
  // Largest accepted request target, and body (there are no bodies to speak of).
  static constexpr size_t kTargetBytesMax = 4096;
  static constexpr size_t kBodyBytesMax = 4096;

  // Listens and serves. InvalidArgument: the address does not parse or is a name or a path;
  // Unavailable: it cannot be bound.
  static absl::StatusOr<std::unique_ptr<AdminServer>> Start(AdminServerOptions options);
  virtual ~AdminServer() = default;

  // "127.0.0.1:40123": the address with the actual port.
  virtual const std::string& address() const = 0;
  // Another descriptor of the listening socket, for another process, close-on-exec; negative: there
  // is none left. REQUIRES: before StopListening().
  virtual int DuplicateListener() const = 0;
  // Waits for running handlers, then answers nothing any more; whoever else has the socket goes on.
  // Not from a handler. Idempotent.
  virtual void StopListening() = 0;
};

}  // namespace pointsman::common
