#include "common/admin_http.h"

#include <sys/socket.h>

#include <algorithm>
#include <cctype>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/core/address.h"
#include "common/core/check.h"
#include "common/core/status_macros.h"
#include "httplib.h"

namespace pointsman::common {
namespace {

constexpr int kThreadsMax = 2;
constexpr int kReadTimeoutSeconds = 2;
constexpr int kWriteTimeoutSeconds = 5;

void Answer(httplib::Response& response, AdminResponse answer) {
  response.status = answer.status;
  response.set_content(answer.body, answer.content_type);
}

AdminRequest RequestOf(const httplib::Request& request) {
  AdminRequest out{.path = request.path};
  for (const auto& [name, value] : request.params) out.query.emplace(name, value);
  return out;
}

class HttpAdminServer : public AdminServer {
 public:
  explicit HttpAdminServer(AdminServerOptions options) : options_(std::move(options)) {}

  ~HttpAdminServer() override {
    server_.stop();
    if (thread_.joinable()) thread_.join();
  }

  absl::Status Listen() {
    PM_ASSIGN_OR_RETURN(Address address, ParseAddress(options_.listen));
    if (address.kind != Address::Kind::kIpv4 && address.kind != Address::Kind::kIpv6) {
      return absl::InvalidArgumentError(absl::StrCat(
          "admin address ", options_.listen, ": must be an IPv4 or IPv6 address and a port"));
    }
    Configure();
    const std::string host = HostOf(address);
    const int port = address.port == 0
                         ? server_.bind_to_any_port(host.c_str())
                         : (server_.bind_to_port(host.c_str(), address.port) ? address.port : -1);
    if (port <= 0) {
      return absl::UnavailableError(absl::StrCat(
          "admin address ", options_.listen, ": cannot be bound (in use, or not of this host)"));
    }
    address.port = static_cast<uint16_t>(port);
    address_ = ToString(address);
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    // stop() does nothing before the thread runs: it must not be missed.
    while (!server_.is_running()) std::this_thread::yield();
    return absl::OkStatus();
  }

  const std::string& address() const override { return address_; }

 private:
  void Configure() {
    const int threads = std::clamp(options_.threads, 1, kThreadsMax);
    server_.new_task_queue = [threads] { return new httplib::ThreadPool(threads); };
    // One request a connection: a kept connection would hold one of the few threads.
    server_.set_keep_alive_max_count(1);
    server_.set_read_timeout(kReadTimeoutSeconds);
    server_.set_write_timeout(kWriteTimeoutSeconds);
    server_.set_payload_max_length(kBodyBytesMax);
    // The library's own default sets SO_REUSEPORT, with which two programs would share a port
    // unnoticed.
    server_.set_socket_options([](socket_t socket) {
      const int yes = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    });
    server_.set_pre_routing_handler([](const httplib::Request& request, httplib::Response& out) {
      if (request.target.size() <= kTargetBytesMax) {
        return httplib::Server::HandlerResponse::Unhandled;
      }
      Answer(out, {.status = 414, .body = "the request's target is too long\n"});
      return httplib::Server::HandlerResponse::Handled;
    });
    AddPage({"/healthz", [](const AdminRequest&) { return AdminResponse{.body = "ok\n"}; }});
    AddPage({"/readyz", [this](const AdminRequest&) {
               if (options_.ready == nullptr || options_.ready()) {
                 return AdminResponse{.body = "ready\n"};
               }
               return AdminResponse{.status = 503, .body = "not ready\n"};
             }});
    if (options_.metrics != nullptr) {
      AddPage({"/metrics", [this](const AdminRequest&) {
                 return AdminResponse{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                                      .body = options_.metrics->Scrape()};
               }});
    }
    for (const AdminPage& page : options_.pages) AddPage(page);
  }

  void AddPage(const AdminPage& page) {
    std::string pattern;  // The library matches by regular expression.
    for (const char c : page.path) {
      if (!std::isalnum(static_cast<unsigned char>(c)) && c != '/' && c != '_') pattern += '\\';
      pattern += c;
    }
    server_.Get(pattern, [handler = page.handler](const httplib::Request& request,
                                                  httplib::Response& response) {
      Answer(response, handler(RequestOf(request)));
    });
  }

  const AdminServerOptions options_;
  httplib::Server server_;
  std::string address_;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<AdminServer>> AdminServer::Start(AdminServerOptions options) {
  auto server = std::make_unique<HttpAdminServer>(std::move(options));
  PM_RETURN_IF_ERROR(server->Listen());
  return server;
}

}  // namespace pointsman::common
