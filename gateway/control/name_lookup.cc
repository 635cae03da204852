#include "gateway/control/name_lookup.h"

#include <ares.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

namespace pointsman::gateway {
namespace {

// Names that are asked for at a time: their answers find room in a socket's buffer.
constexpr size_t kAtOnceMax = 64;
// How soon a stop is noticed.
constexpr absl::Duration kLookAround = absl::Milliseconds(50);

std::vector<common::Address> AddressesOf(const ares_addrinfo* list) {
  std::vector<common::Address> addresses;
  for (const ares_addrinfo_node* node = list->nodes; node != nullptr; node = node->ai_next) {
    common::Address address;
    if (node->ai_family == AF_INET) {
      address.kind = common::Address::Kind::kIpv4;
      const auto* in = reinterpret_cast<const sockaddr_in*>(node->ai_addr);
      std::memcpy(address.bytes.data(), &in->sin_addr, 4);
    } else if (node->ai_family == AF_INET6) {
      address.kind = common::Address::Kind::kIpv6;
      const auto* in6 = reinterpret_cast<const sockaddr_in6*>(node->ai_addr);
      std::memcpy(address.bytes.data(), &in6->sin6_addr, 16);
    } else {
      continue;
    }
    addresses.push_back(address);
  }
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  return addresses;
}

absl::Status StatusOf(int code, const std::string& name) {
  const std::string message = absl::StrCat(name, ": ", ares_strerror(code));
  if (code == ARES_ENOTFOUND || code == ARES_ENODATA) return absl::NotFoundError(message);
  return absl::UnavailableError(message);
}

// The lookups of one call.
class Round {
 public:
  using Done = absl::FunctionRef<void(const std::string&, LookupResult)>;

  explicit Round(Done done) : done_(done) {}
  ~Round() {
    stopped_ = true;
    if (channel_ != nullptr) ares_destroy(channel_);  // Ends what is under way.
  }

  absl::Status Open(const NameLookupOptions& options) {
    static const int library = ares_library_init(ARES_LIB_INIT_ALL);
    ares_options wanted = {};
    wanted.timeout = static_cast<int>(absl::ToInt64Milliseconds(options.timeout));
    wanted.tries = options.tries;
    int code = library;
    if (code == ARES_SUCCESS) {
      code = ares_init_options(&channel_, &wanted, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
    }
    if (code == ARES_SUCCESS && !options.servers.empty()) {
      code = ares_set_servers_ports_csv(channel_, options.servers.c_str());
    }
    if (code == ARES_SUCCESS) return absl::OkStatus();
    return StatusOf(code, "resolver");
  }

  void Start(const std::string& name) {
    ++pending_;
    ares_addrinfo_hints hints = {};
    hints.ai_family = AF_UNSPEC;
    hints.ai_flags = ARES_AI_NOSORT;
    auto lookup = std::make_unique<Lookup>(Lookup{this, name});
    ares_getaddrinfo(channel_, name.c_str(), nullptr, &hints, &Round::OnAnswer, lookup.release());
  }

  // Waits for something to come, or for a time-out, a little while at most.
  void Turn() {
    ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
    const int bits = ares_getsock(channel_, sockets, ARES_GETSOCK_MAXNUM);
    pollfd polled[ARES_GETSOCK_MAXNUM];
    nfds_t count = 0;
    for (int i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
      const bool readable = ARES_GETSOCK_READABLE(bits, i) != 0;
      const bool writable = ARES_GETSOCK_WRITABLE(bits, i) != 0;
      if (!readable && !writable) continue;
      const int events = (readable ? POLLIN : 0) | (writable ? POLLOUT : 0);
      polled[count++] = {sockets[i], static_cast<short>(events), 0};  // NOLINT: poll's own type.
    }
    timeval most = absl::ToTimeval(kLookAround);
    timeval due;
    const timeval* const wait = ares_timeout(channel_, &most, &due);
    poll(polled, count, static_cast<int>(wait->tv_sec * 1000 + wait->tv_usec / 1000 + 1));
    for (nfds_t i = 0; i < count; ++i) {
      const bool failed = (polled[i].revents & (POLLERR | POLLHUP)) != 0;
      const bool in = failed || (polled[i].revents & POLLIN) != 0;
      const bool out = (polled[i].revents & POLLOUT) != 0;
      ares_process_fd(channel_, in ? polled[i].fd : ARES_SOCKET_BAD,
                      out ? polled[i].fd : ARES_SOCKET_BAD);
    }
    // Whatever is overdue.
    ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  }

  size_t pending() const { return pending_; }

 private:
  struct Lookup {
    Round* round;
    std::string name;
  };

  static void OnAnswer(void* argument, int code, int /*timeouts*/, ares_addrinfo* list) {
    const std::unique_ptr<Lookup> lookup(static_cast<Lookup*>(argument));
    const std::unique_ptr<ares_addrinfo, decltype(&ares_freeaddrinfo)> owner(list,
                                                                             &ares_freeaddrinfo);
    Round& round = *lookup->round;
    --round.pending_;
    if (round.stopped_) return;
    if (code != ARES_SUCCESS) return round.done_(lookup->name, StatusOf(code, lookup->name));
    std::vector<common::Address> addresses = AddressesOf(list);
    if (addresses.empty()) {
      return round.done_(lookup->name, StatusOf(ARES_ENODATA, lookup->name));
    }
    round.done_(lookup->name, std::move(addresses));
  }

  const Done done_;
  ares_channel channel_ = nullptr;
  size_t pending_ = 0;
  bool stopped_ = false;
};

}  // namespace

void LookUpAll(const NameLookupOptions& options, const std::vector<std::string>& names,
               absl::FunctionRef<void(const std::string& name, LookupResult result)> done,
               absl::FunctionRef<bool()> stop) {
  Round round(done);
  if (const absl::Status status = round.Open(options); !status.ok()) {
    for (const std::string& name : names) done(name, status);
    return;
  }
  size_t started = 0;
  while (!stop()) {
    while (started < names.size() && round.pending() < kAtOnceMax) round.Start(names[started++]);
    if (round.pending() == 0) return;
    round.Turn();
  }
}

}  // namespace pointsman::gateway
