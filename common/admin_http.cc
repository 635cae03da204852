#include "common/admin_http.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/admin_socket.h"
#include "common/core/address.h"
#include "common/core/check.h"
#include "common/core/ip_address.h"
#include "common/core/status_macros.h"
#include "common/thread_name.h"
#include "httplib.h"

namespace pointsman::common {
namespace {

constexpr int kThreadsMax = 2;
// No descriptor was left to accept with.
constexpr auto kAcceptPause = std::chrono::milliseconds(50);

void Answer(httplib::Response& response, const AdminResponse& answer) {
  response.status = answer.status;
  response.set_content(answer.body, answer.content_type);
}

AdminRequest RequestOf(const httplib::Request& request) {
  AdminRequest out{.path = request.path};
  for (const auto& [name, value] : request.params) out.query.emplace(name, value);
  return out;
}

// "10.0.0.7:7421", "[::1]", "localhost:80": nothing another site could make a name of.
bool IsOwnHost(absl::string_view host) {
  if (absl::StartsWith(host, "[")) {
    const size_t end = host.find(']');
    return end != host.npos && ParseIpv6(host.substr(1, end - 1)).has_value();
  }
  host = host.substr(0, host.find(':'));
  return ParseIpv4(host).has_value() || absl::EqualsIgnoreCase(host, "localhost");
}

bool IsLoopbackPeer(absl::string_view peer) {
  const auto ip = ParseIpAddress(peer);
  if (!ip.has_value()) return false;
  if (!ip->v6) return ip->bytes[0] == 127;
  return std::all_of(ip->bytes.begin(), ip->bytes.end() - 1, [](uint8_t b) { return b == 0; }) &&
         ip->bytes.back() == 1;
}

// As the library reads and writes.
class LibraryStream final : public httplib::Stream {
 public:
  explicit LibraryStream(AdminConnection* connection) : connection_(*connection) {}

  bool is_readable() const override { return connection_.AwaitReadable(); }
  bool is_writable() const override { return connection_.AwaitWritable(); }
  ssize_t read(char* out, size_t size) override { return connection_.Read(out, size); }
  ssize_t write(const char* bytes, size_t size) override { return connection_.Write(bytes, size); }
  void get_remote_ip_and_port(std::string& ip, int& port) const override {
    connection_.RemoteAddress(&ip, &port);
  }
  void get_local_ip_and_port(std::string& ip, int& port) const override {
    connection_.LocalAddress(&ip, &port);
  }
  socket_t socket() const override { return connection_.fd(); }

 private:
  AdminConnection& connection_;
};

// The library's parsing and routing, on connections of ours.
class Pages final : public httplib::Server {
 public:
  void Serve(int fd) {
    AdminConnection connection(fd);
    LibraryStream stream(&connection);
    bool closed = false;
    process_request(stream, /*close_connection=*/true, closed, nullptr);
  }
};

class HttpAdminServer : public AdminServer {
 public:
  explicit HttpAdminServer(AdminServerOptions options)
      : options_(std::move(options)),
        fd_(options_.inherited_fd),
        stop_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

  ~HttpAdminServer() override {
    StopListening();
    if (stop_ >= 0) close(stop_);
  }

  absl::Status Listen() {
    if (stop_ < 0) return absl::UnavailableError("admin pages: no descriptor is left");
    if (fd_ < 0) {
      PM_ASSIGN_OR_RETURN(const Address address, ParseAddress(options_.listen));
      PM_ASSIGN_OR_RETURN(fd_, ListenForAdmin(address));
    }
    PM_ASSIGN_OR_RETURN(address_, ListenAddressOf(fd_));
    Configure();
    const int threads = std::clamp(options_.threads, 1, kThreadsMax);
    for (int i = 0; i < threads; ++i)
      threads_.push_back(NamedThread("pm-admin", [this] { Run(); }));
    return absl::OkStatus();
  }

  const std::string& address() const override { return address_; }

  int DuplicateListener() const override { return fcntl(fd_, F_DUPFD_CLOEXEC, 0); }

  void StopListening() override {
    const uint64_t one = 1;
    // Never read, so that every thread sees it.
    [[maybe_unused]] const ssize_t written = write(stop_, &one, sizeof(one));
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }

 private:
  void Run() {
    while (true) {
      pollfd waiting[] = {{stop_, POLLIN, 0}, {fd_, POLLIN, 0}};
      const int result = poll(waiting, 2, -1);
      PM_CHECK(result >= 0 || errno == EINTR);
      if (waiting[0].revents != 0) return;
      // Non-blocking: another thread, or another process, may have been quicker.
      const int connection = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection >= 0) {
        pages_.Serve(connection);
      } else if (errno == EMFILE || errno == ENFILE) {
        std::this_thread::sleep_for(kAcceptPause);
      }
    }
  }

  void Configure() {
    // One request a connection: a kept connection would hold one of the few threads.
    pages_.set_keep_alive_max_count(1);
    pages_.set_payload_max_length(kBodyBytesMax);
    pages_.set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& out) {
      const std::optional<AdminResponse> refused = Refuse(request);
      if (!refused.has_value()) return httplib::Server::HandlerResponse::Unhandled;
      Answer(out, *refused);
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

  // Before any page is looked for.
  std::optional<AdminResponse> Refuse(const httplib::Request& request) const {
    if (request.target.size() > kTargetBytesMax) {
      return AdminResponse{.status = 414, .body = "the request's target is too long\n"};
    }
    if (!MayAnyHost(request.path) && !IsOwnHost(request.get_header_value("Host"))) {
      return AdminResponse{.status = 421, .body = "ask by IP address or as localhost\n"};
    }
    if (request.method == "GET" || request.method == "HEAD") return std::nullopt;
    if (!IsLoopbackPeer(request.remote_addr)) {
      return AdminResponse{.status = 403, .body = "only from this host\n"};
    }
    // Browsers say so whenever a page has them post.
    if (request.has_header("Origin")) {
      return AdminResponse{.status = 403, .body = "not from a page\n"};
    }
    return std::nullopt;
  }

  bool MayAnyHost(const std::string& path) const {
    const auto& more = options_.any_host_paths;
    return path == "/metrics" || path == "/healthz" || path == "/readyz" ||
           std::find(more.begin(), more.end(), path) != more.end();
  }

  void AddPage(const AdminPage& page) {
    std::string pattern;  // The library matches by regular expression.
    for (const char c : page.path) {
      if (!std::isalnum(static_cast<unsigned char>(c)) && c != '/' && c != '_') pattern += '\\';
      pattern += c;
    }
    auto handler = [handler = page.handler](const httplib::Request& request,
                                            httplib::Response& response) {
      Answer(response, handler(RequestOf(request)));
    };
    if (page.changes) {
      pages_.Post(pattern, std::move(handler));
    } else {
      pages_.Get(pattern, std::move(handler));
    }
  }

  const AdminServerOptions options_;
  Pages pages_;
  int fd_;
  const int stop_;
  std::string address_;
  std::vector<std::thread> threads_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<AdminServer>> AdminServer::Start(AdminServerOptions options) {
  auto server = std::make_unique<HttpAdminServer>(std::move(options));
  PM_RETURN_IF_ERROR(server->Listen());
  return server;
}

}  // namespace pointsman::common
